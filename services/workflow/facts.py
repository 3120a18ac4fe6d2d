"""What the workflow must know about one filing (办理依据): frozen values; everything uncertain is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from models.enums import Captioned, FilingStatus, StepStatus, Tier


class Relation(Captioned):
    """操作人与这份表的关系."""

    OWN = "own", "本单位"
    HANDLING = "handling", "本级正在审核"
    PAST = "past", "本级已办"
    UPCOMING = "upcoming", "尚未到本级"
    REGION = "region", "本辖区或本集团内，不在本级审核"
    ASSIGNED = "assigned", "已分配给本人"
    NONE = "none", "无关"


DECIDED = frozenset({StepStatus.FORWARDED, StepStatus.RETURNED, StepStatus.APPROVED})


@dataclass(frozen=True, slots=True)
class StepFact:
    """One tier of the route. ``decided_at`` is Beijing time; ``fresh``: this version came to it (not taken over from the last)."""

    tier: Tier
    status: StepStatus
    authority_name: str = ""
    authority_id: int | None = None
    decided_at: datetime | None = None
    decided_by: str = ""
    fresh: bool = True

    @property
    def applies(self) -> bool:
        return self.status is not StepStatus.NOT_APPLICABLE

    @property
    def decided(self) -> bool:
        return self.status in DECIDED and self.fresh


@dataclass(frozen=True, slots=True)
class Facts:
    """办理依据. ``status`` None: there is no filing yet. The window counts an extension already."""

    status: FilingStatus | None
    today: date
    year: int = 0
    deleted_on: date | None = None
    listed: bool = True  # on a current list of this form, or invited
    other_alive: bool = False  # another filing of the same unit, form and year is alive
    opens_on: date | None = None
    due_on: date | None = None
    locks_on: date | None = None
    validated: bool = False  # the figures as they stand passed 验证并保存
    stamped: bool = False  # a stamped scan is bound to the figures as they stand
    has_superior: bool = True
    signer_named: bool = False  # the unit has named a 负责人
    restore_days: int = 30  # how long a deleted one can be restored
    withdrawn: bool = False  # the newest version was taken back by the unit
    returned_by: str = ""
    steps: tuple[StepFact, ...] = ()
    own_tier: Tier | None = None  # the step of whoever is looking
    unanswered: int = 0  # published questions that wait for the unit
    changed_or_answered: bool = False  # since it was sent back
    unclosed: int = 0  # questions of the looker's tier that are not closed
    letter_required: bool = False
    letter_given: bool = False
    task_open: bool = False  # the expert's task belongs to the step under review

    @property
    def restorable_until(self) -> date | None:
        return self.deleted_on + timedelta(days=self.restore_days) if self.deleted_on else None

    @property
    def applicable(self) -> tuple[StepFact, ...]:
        return tuple(step for step in self.steps if step.applies)

    @property
    def current(self) -> StepFact | None:
        """The step under review."""
        return next((step for step in self.steps if step.status is StepStatus.REVIEWING), None)

    @property
    def own_step(self) -> StepFact | None:
        return next((step for step in self.applicable if step.tier is self.own_tier), None)

    def after(self, tier: Tier) -> StepFact | None:
        """The next tier that applies."""
        chain = self.applicable
        return next((chain[i + 1] for i, step in enumerate(chain[:-1]) if step.tier is tier), None)

    def before(self, tier: Tier) -> StepFact | None:
        """The tier below that applies."""
        chain = self.applicable
        return next((chain[i] for i, step in enumerate(chain[1:]) if step.tier is tier), None)


@dataclass(frozen=True, slots=True)
class Choice:
    """A button (按钮) as the workflow sees it; ``reason`` is set when it is disabled."""

    action: str
    caption: str
    enabled: bool
    reason: str = ""
