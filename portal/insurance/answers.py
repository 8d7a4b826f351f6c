"""What insurance answers, as the pages read it: fields it leaves out are empty here, those it adds are ignored."""

from datetime import date, datetime
from typing import Any

from pydantic import Field, TypeAdapter

from portal.calls import Answered
from portal.insurance.benefits import Network, Progress, by_network, copays, summary
from shared.events.insurance import Benefit


class Payer(Answered):
    """An entry of the payer directory."""

    payer_id: str
    name: str
    aliases: tuple[str, ...] = ()
    status: str = "active"
    replaced_by: str | None = None

    def called(self, name: str) -> bool:
        """Tell whether people call the payer so, or by its number."""
        return name.strip().casefold() in {known.casefold() for known in (self.name, self.payer_id, *self.aliases)}


class Subscriber(Answered):
    """The person who holds the plan; the date of birth is not told."""

    first_name: str
    last_name: str


class Change(Answered):
    """A change that was asked for."""

    change_id: str
    status: str
    requested_at: datetime
    changes: dict[str, Any]
    note: str | None = None
    decided_at: datetime | None = None
    decision_note: str | None = None


class PendingChange(Answered):
    """The newest change that waits for staff."""

    change_id: str
    requested_at: datetime


class Happening(Answered):
    """One line of a coverage's history."""

    at: datetime
    what: str
    by: str
    note: str | None = None


class Coverage(Answered):
    """An insurance of a patient; the member id is masked."""

    coverage_id: str
    patient_id: str
    patient_name: str | None = None
    payer_id: str | None = None
    payer_name: str
    plan_name: str | None = None
    member_id: str = Field(validation_alias="member_id_masked")
    group_number: str | None = None
    subscriber: Subscriber
    relationship: str
    priority: int | None = None
    effective_from: date | None = None
    effective_to: date | None = None
    status: str
    version: int
    reason: str | None = None
    retry_at: datetime | None = None
    waits_for_session_end: bool = False
    verified_at: datetime | None = None
    benefits: tuple[Benefit, ...] = ()
    pending_change: PendingChange | None = None
    history: tuple[Happening, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def bars(self) -> list[Progress]:
        """The progress that a card shows."""
        return summary(self.benefits)

    @property
    def networks(self) -> list[tuple[Network, list[Progress]]]:
        """All progress, by network."""
        return by_network(self.benefits)

    @property
    def copays(self) -> list[Benefit]:
        """What is paid for each visit or service."""
        return copays(self.benefits)


Coverages = TypeAdapter(list[Coverage])
Payers = TypeAdapter(list[Payer])
