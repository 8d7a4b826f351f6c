"""What staff ask for over HTTP, and the timers of items. None of it is ever on a topic of commands."""

from typing import Annotated, ClassVar, Final, get_args

from pydantic import AfterValidator, Field, StringConstraints

from services.inbox.domain.routing import Delegated, RuleSet
from services.inbox.domain.visible import Visible
from shared.events.envelope import Command, Id, Internal, Time
from shared.events.vocabulary import Body, Line, Note, Version

Assignee = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^(staff:)?[!-~]{1,120}$"),
    AfterValidator(lambda name: f"staff:{name.removeprefix('staff:')}"),
]
"""A person of the staff, with or without `staff:` before the name; with it from here on."""


class ItemCommand(Command):
    """Something that a person of the staff does to an item, as they saw it at `version`."""

    item_id: Id
    version: Version


class ClaimItem(ItemCommand):
    """Take an item, or hold it longer."""

    TYPE: ClassVar[str] = "inbox.claim-item.v1"


class ReleaseItem(ItemCommand):
    """Give an item back; a supervisor may also do so for others."""

    TYPE: ClassVar[str] = "inbox.release-item.v1"
    supervisor: bool


class ReplyToItem(ItemCommand):
    """Answer the patient."""

    TYPE: ClassVar[str] = "inbox.reply-to-item.v1"
    body: Annotated[Body, Visible]
    attachment_ids: Annotated[tuple[Id, ...], Field(max_length=100)] = ()


class FinishItem(ItemCommand):
    """Say that an item needs nothing more."""

    TYPE: ClassVar[str] = "inbox.finish-item.v1"
    note: Annotated[Note, Visible] | None = None


class ReassignItem(ItemCommand):
    """Move an item to another pool, or name who is to take it; a supervisor may also take it from others."""

    TYPE: ClassVar[str] = "inbox.reassign-item.v1"
    pool: Id | None = None
    assignee: Assignee | None = None
    reason: Annotated[Line, Visible]
    supervisor: bool


class PostponeItem(ItemCommand):
    """Have an item come back at a time."""

    TYPE: ClassVar[str] = "inbox.postpone-item.v1"
    until: Time


class EscalateItem(ItemCommand):
    """Have a supervisor look at an item."""

    TYPE: ClassVar[str] = "inbox.escalate-item.v1"
    reason: Annotated[Line, Visible]


class PutRoutingRules(Command):
    """Put another rule set in the place of the one at `version`."""

    TYPE: ClassVar[str] = "inbox.put-routing-rules.v1"
    version: Version
    rules: RuleSet


class PutDelegations(Command):
    """Put other delegations in the place of those of the rule set at `version`."""

    TYPE: ClassVar[str] = "inbox.put-delegations.v1"
    version: Version
    delegations: Delegated


class LeaseEnded(Internal):
    """Timer: a claim has run out, unless it was renewed."""

    TYPE: ClassVar[str] = "inbox.lease-ended.v1"
    item_id: Id
    lease_ends_at: Time


class PostponementEnded(Internal):
    """Timer: an item comes back, unless something else became of it."""

    TYPE: ClassVar[str] = "inbox.postponement-ended.v1"
    item_id: Id
    until: Time


StaffCommand = ClaimItem | ReleaseItem | ReplyToItem | FinishItem | ReassignItem | PostponeItem | EscalateItem
ASKED: Final[tuple[type[Command], ...]] = (*get_args(StaffCommand), PutRoutingRules, PutDelegations)
