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
from models.people import Organisation, Region, SignIn, User
from models.records import AuditLine, AuditSeal, Message, Setting
from models.review import AdjustmentOpinion, ChecklistMark, ExpertTask, Question, SiteAssessment, Step
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
    "ExpertTask",
    "Extension",
    "Figure",
    "Filing",
    "FilingVersion",
    "FindingNote",
    "Invitation",
    "Message",
    "Organisation",
    "Question",
    "Region",
    "RosterBatch",
    "RosterChange",
    "RosterEntry",
    "Serial",
    "Setting",
    "SignIn",
    "SiteAssessment",
    "Stamp",
    "Step",
    "StoredFile",
    "TemplateCopy",
    "User",
]
