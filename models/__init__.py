"""The tables (数据表), one file per subject. Importing this package registers all of them."""

from models import base as base
from models.filing import (
    Cell,
    CellChange,
    Figure,
    Filing,
    FilingVersion,
    FindingNote,
    Serial,
    Stamp,
    StoredFile,
    TemplateCopy,
)
from models.people import Delay, KnownDevice, Organisation, PastPassword, Region, SignIn, SpareCode, User
from models.records import AuditLine, AuditSeal, Message, Setting
from models.review import AdjustmentOpinion, ChecklistMark, ExpertTask, Question, ReviewDraft, SiteAssessment, Step
from models.roster import Campaign, CampaignDate, Extension, Invitation, RosterBatch, RosterChange, RosterEntry

__all__ = [
    "AdjustmentOpinion",
    "AuditLine",
    "AuditSeal",
    "Campaign",
    "CampaignDate",
    "Cell",
    "CellChange",
    "ChecklistMark",
    "Delay",
    "ExpertTask",
    "Extension",
    "Figure",
    "Filing",
    "FilingVersion",
    "FindingNote",
    "Invitation",
    "KnownDevice",
    "Message",
    "Organisation",
    "PastPassword",
    "Question",
    "Region",
    "ReviewDraft",
    "RosterBatch",
    "RosterChange",
    "RosterEntry",
    "Serial",
    "Setting",
    "SignIn",
    "SiteAssessment",
    "SpareCode",
    "Stamp",
    "Step",
    "StoredFile",
    "TemplateCopy",
    "User",
]
