"""What payments has done at the processor, and the answer that comes back: its own tasks, never on a topic."""

from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from shared.events.envelope import Id, Internal, Time
from shared.events.vocabulary import AmountMinor, Code, Currency, MethodKind, Record, Secret

KEY_LIFETIME: Final = timedelta(hours=24)
"""How long the processor knows a key again; a charge sent later would be a second one."""

SEND_WITHIN: Final = KEY_LIFETIME - timedelta(hours=1)
"""How long a charge may be sent: whoever sends last is done before its key is forgotten."""

QUERY_WAITS: Final = (
    timedelta(seconds=10),
    timedelta(minutes=5),
    timedelta(hours=1),
    *(timedelta(days=1) for _ in range(5)),
)
"""The waits before each time that the processor is asked what became of a charge."""

Standing = Literal["taken", "returned", "disputed"]
DisputeStatus = Literal["needs_response", "under_review", "won", "lost"]

Query = Annotated[int, Field(ge=0, le=len(QUERY_WAITS))]
"""Which time of asking: 0 is the charge itself, 1 the first query."""


class ChargeMethod(Internal):
    """Charge a card or bank account; `key` is the processor's idempotency key, the same at every attempt."""

    TYPE: ClassVar[str] = "payments.charge-method.v1"
    payment_id: Id
    account_number: Id
    amount_minor: AmountMinor
    currency: Currency
    kind: MethodKind
    token: Secret
    key: Id
    send_before: Time


class QueryCharge(Internal):
    """Ask what became of a charge."""

    TYPE: ClassVar[str] = "payments.query-charge.v1"
    payment_id: Id
    account_number: Id
    key: Id
    query: Query


class FetchCharge(Internal):
    """Ask how a charge stands, since the processor said that something became of it."""

    TYPE: ClassVar[str] = "payments.fetch-charge.v1"
    payment_id: Id
    account_number: Id
    key: Id


class ChargeAnswer(Record):
    """What the processor said of a charge, or that it could not be learnt (`unknown`).

    `not_received`: the processor has never seen the key, or has forgotten it. `stands` is what became of a charge
    that had succeeded; `reason` is the processor's word for a decline, a return or a dispute.
    """

    result: Literal["succeeded", "declined", "not_received", "unknown"]
    charge_id: Id | None = None
    reason: Code | None = None
    stands: Standing = "taken"
    dispute_status: DisputeStatus | None = None


class ChargeAnswered(Internal, ChargeAnswer):
    """The answer about a charge.

    `query` is the time of asking that this answers, so that an answer that comes twice is known as such; an answer
    without one was asked for out of turn.
    """

    TYPE: ClassVar[str] = "payments.charge-answered.v1"
    payment_id: Id
    account_number: Id
    query: Query | None
