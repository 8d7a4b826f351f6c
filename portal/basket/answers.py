"""What the inbox answers to staff: pools and items; and what the owners of raised work answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from babel.dates import format_timedelta
from babel.units import format_unit
from pydantic import BaseModel, Field, TypeAdapter

from portal.calls import Answered
from portal.language import N_, gettext, spoken
from portal.messages.answers import Entry

_POOLS: Final = {
    "billing": N_("Billing"),
    "crm": N_("Customer service"),
    "insurance": N_("Insurance"),
    "unroutable": N_("Unroutable"),
}

State = Literal["open", "waiting", "postponed", "done"]
STATES: Final[tuple[State, ...]] = get_args(State)
"""The views of a pool."""

_WEEK: Final = timedelta(weeks=1)
_YEAR: Final = timedelta(days=365)

SOON: Final = 0.75
"""The part of an item's time limit after which it is soon late."""


class Named(Answered):
    """A pool by its id, and by the name that the inbox gives it."""

    pool: str
    given_name: str = Field(validation_alias="name")

    @property
    def name(self) -> str:
        """What the pool is called in the reader's language; a provider's pool is called as the provider is."""
        return gettext(_POOLS[self.pool]) if self.pool in _POOLS else self.given_name


class Pool(Named):
    """A pool that the reader may see; `open` counts what waits for staff."""

    active: bool = True
    open: int = 0
    waiting: int = 0
    postponed: int = 0
    late: int = 0
    oldest_at: datetime | None = None
    oldest_age_s: float | None = None


class Sender(Answered):
    """The patient who wrote, or for whom somebody did."""

    name: str | None = None
    patient_id: str


class PatientFacts(Sender):
    """What the side card tells of a patient."""

    birth_date: str | None = None
    language: str | None = None


class Happening(Answered):
    """One line of an item's history."""

    at: datetime
    what: str
    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """How long an item has waited of the time it may: of 100, and whether that is fine, soon late, or late."""

    percent: int
    tone: Literal["fine", "soon", "late"]
    waited: str
    allowed: str


class Item(Answered):
    """A message or a piece of work in a pool."""

    item_id: str
    kind: Literal["message", "work"]
    pool: str
    state: State
    version: int
    subject: str
    sender: Sender | None = None
    patient: PatientFacts | None = None
    category: str | None = None
    message_kind: str | None = None
    urgent: bool = False
    urgent_words: tuple[str, ...] = ()
    escalated: bool = False
    holder: str | None = None
    assignee: str | None = None
    lease_ends_at: datetime | None = None
    since: datetime
    due_at: datetime | None = None
    waited_s: float
    limit_s: float
    created_at: datetime
    updated_at: datetime
    postponed_until: datetime | None = None
    thread_id: str | None = None
    work_id: str | None = None
    service: str | None = None
    provider_id: str | None = None
    about: dict[str, Any] = Field(default_factory=dict)
    attachments: int = 0
    rule_version: int | None = None
    why: str | None = None
    messages: tuple[Entry, ...] = ()
    earlier: str | None = None
    history: tuple[Happening, ...] = ()

    @property
    def last_message_id(self) -> str:
        """The newest message of the thread: what somebody who looks at it has seen."""
        return self.messages[-1].message_id if self.messages else ""

    @property
    def owner(self) -> str | None:
        """The service that raised the work."""
        return self.service if self.kind == "work" else None

    def limit(self, now: datetime) -> Limit | None:
        """Return how much of its time an item has used; nothing while it does not wait for staff."""
        if self.state != "open" or self.due_at is None:
            return None
        used = self.waited_s / self.limit_s if self.limit_s > 0 else 1.0
        tone: Literal["fine", "soon", "late"] = (
            "late" if used >= 1 or now >= self.due_at else "soon" if used >= SOON else "fine"
        )
        return Limit(max(0, min(100, round(used * 100))), tone, short(self.waited_s), short(self.limit_s))


class Page(Answered):
    """A part of a list, where the next begins, and whether the inbox understood what it was asked for."""

    items: tuple[Item, ...]
    next: str | None = None
    understood: bool = True


class Action(Answered):
    """What can be done about a piece of work."""

    name: str
    label: str


class Detail(Answered):
    """A line of the side card."""

    label: str
    value: str | int | float | bool | None = None


class Work(Answered):
    """A piece of work as the service that raised it tells it."""

    work_id: str
    kind: str
    summary: str
    status: Literal["open", "settled"]
    actions: tuple[Action, ...] = ()
    details: tuple[Detail, ...] = ()

    def offers(self, name: str) -> bool:
        """Tell whether an action can be chosen."""
        return any(action.name == name for action in self.actions)

    @property
    def needs_why(self) -> bool:
        """Whether an action that can be chosen needs a note: who says what a payer would say says why."""
        return self.offers("override")


class Newer(BaseModel):
    """A reply that a colleague sent meanwhile."""

    author: str
    body: str
    at: datetime


Pools = TypeAdapter(list[Pool])


def short(seconds: float) -> str:
    """Return a time in one short word: `5m`, `3h`, `2d`, `43w`; months would read as minutes do."""
    waited = timedelta(seconds=max(0.0, seconds))
    said: str = (
        format_unit(waited // _WEEK, "duration-week", "narrow", locale=spoken())
        if _WEEK <= waited < _YEAR
        else format_timedelta(waited, format="narrow", locale=spoken())
    )
    return said


def called(staff_id: str | None) -> str:
    """Return the name by which staff know a colleague: `staff:ann` is ann."""
    return (staff_id or "").removeprefix("staff:")
