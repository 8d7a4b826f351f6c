"""A settlement: what the processor says that it paid out, line by line, compared with what we know.

The file is an aggregate of its own; each of its lines that belongs to a payment is handed to that payment's
account. What does not fit is work for a person. The same file again changes nothing.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from services.payments.domain import payment_end, work
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import Payment, Settled, Work, WorkKind
from services.payments.domain.refusal import refusal
from services.payments.domain.work import SettleWork, about_payment
from shared.digests import digest
from shared.events.envelope import Command, Id, Internal, Message, Time
from shared.events.payments import SettlementImported
from shared.events.vocabulary import About, AmountMinor, Currency, Record
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

LINES_MAX: Final = 20_000
_LINES_AT_ONCE: Final = 200

KEY_MARK: Final = "\x1f"
"""Begins the key of a settlement's state: no account number can hold it."""


class SettlementLine(Record):
    """A charge or refund that was paid out; a refund's amount is negative.

    A charge that nobody here has heard of is known by its payment's id or its idempotency key, if one is given.
    """

    charge_id: Id
    amount_minor: AmountMinor
    payment_id: Id | None = None
    idempotency_key: Id | None = None


class ImportSettlement(Command):
    """Staff bring a settlement of the processor: what it paid out for charges made from one time to another."""

    # It comes as the body of a call alone, in which times and lists are JSON's.
    model_config = ConfigDict(strict=False)

    TYPE: ClassVar[str] = "payments.import-settlement.v1"
    settlement_id: Annotated[str, Field(pattern=r"^[!-~]{1,100}$")]
    currency: Currency
    period_from: Time
    period_to: Time
    lines: Annotated[tuple[SettlementLine, ...], Field(max_length=LINES_MAX)]


class CompareLines(Internal):
    """The lines of a settlement that belong to payments of one account, and those payments it lacks.

    Without a currency, as tasks of before have none, it is taken for theirs.
    """

    TYPE: ClassVar[str] = "payments.compare-lines.v1"
    settlement_id: str
    account_number: Id
    lines: tuple[tuple[Id, Id, AmountMinor], ...]
    missing: tuple[Id, ...] = ()
    currency: Currency | None = None


@dataclass(frozen=True)
class Settlement:
    """A settlement file.

    Attributes:
        settlement_id: its id, as the processor gave it.
        fingerprint: of what was imported under this id; absent if nothing was.
        repeats: the id of another settlement that has the same lines.
        owners: by charge, the payment and the account that it belongs to.
        missing: payments of its time that no settlement has, with their accounts.
        work: what messages name of its work, by id.
        raised, settled: the work that this batch raises, and ends.
    """

    settlement_id: str
    fingerprint: bytes | None = None
    repeats: str | None = None
    imported_by: str = ""
    imported_at: datetime | None = None
    lines: int = 0
    owners: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    missing: tuple[tuple[str, str], ...] = ()
    work: Mapping[str, Work] = field(default_factory=dict)
    raised: tuple[Work, ...] = ()
    settled: tuple[Settled, ...] = ()


def fingerprint(command: ImportSettlement) -> bytes:
    """Return what tells the content of one file from another's, whatever its id."""
    lines = sorted((line.charge_id, line.amount_minor) for line in command.lines)
    return digest(command.currency, command.period_from, command.period_to, lines)


def import_settlement(
    settlement: Settlement, message: Message[ImportSettlement], now: datetime
) -> Decision[Settlement]:
    """Take a settlement in: hand its lines to their accounts, and raise what belongs to none."""
    command = message.data
    content = fingerprint(command)
    if settlement.fingerprint == content:
        return Decision(settlement, (_imported(settlement),))
    if settlement.fingerprint is not None or settlement.repeats is not None:
        again = _work(settlement, "settlement-repeated", "", now, ())
        told = work.tell(again, settlement.settlement_id)
        return Decision(replace(settlement, raised=(again,)), (refusal(command, "settlement_repeated"), told))
    amounts = _amounts(command)
    orphans: list[Work] = []
    owned: defaultdict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for charge_id, amount_minor in amounts.items():
        owner = settlement.owners.get(charge_id)
        if owner is None:
            details = (("Charge", charge_id), ("Amount", f"{amount_minor} {command.currency} (minor units)"))
            orphans.append(_work(settlement, "settlement-orphan", charge_id, now, details))
        else:
            owned[owner[1]].append((charge_id, owner[0], amount_minor))
    after = replace(
        settlement,
        fingerprint=content,
        imported_by=message.actor,
        imported_at=now,
        lines=len(command.lines),
        raised=tuple(orphans),
    )
    events = (_imported(after), *(work.tell(one, settlement.settlement_id) for one in orphans))
    lacking: defaultdict[str, list[str]] = defaultdict(list)
    for payment_id, number in settlement.missing:
        lacking[number].append(payment_id)
    tasks = [
        Task(
            CompareLines(
                settlement_id=settlement.settlement_id,
                account_number=number,
                lines=tuple(owned[number][first : first + _LINES_AT_ONCE]),
                missing=tuple(lacking[number]) if not first else (),
                currency=command.currency,
            ),
            name=f"{number} {first}",
        )
        for number in sorted({*owned, *lacking})
        for first in range(0, max(len(owned[number]), 1), _LINES_AT_ONCE)
    ]
    return Decision(after, events, tuple(tasks))


def compare(account: GuarantorAccount, task: CompareLines, now: datetime) -> Decision[GuarantorAccount]:
    """Compare lines with the payments that they pay out, and note which payments are missing."""
    decided = Decision(account)
    for charge_id, payment_id, amount_minor in task.lines:
        decided = decided.then(_compare_line(decided.state, task, charge_id, payment_id, amount_minor, now))
    for payment_id in task.missing:
        payment = decided.state.payments[payment_id]
        if payment.settlement_id is None:
            after, told = about_payment(decided.state, "settlement-missing", payment, now)
            decided = decided.then(Decision(after, (told,)))
    return decided


def _compare_line(
    account: GuarantorAccount,
    task: CompareLines,
    charge_id: str,
    payment_id: str,
    amount_minor: int,
    now: datetime,
) -> Decision[GuarantorAccount]:
    """Count a line for its payment: whose money was paid out, that payment was taken."""
    taken = Decision(account)
    if amount_minor > 0:
        taken = payment_end.succeed(account, account.payments[payment_id], charge_id, now)
    payment = taken.state.payments[payment_id]
    # A settlement is the bank's; what it makes known belongs to the chain of the payment.
    events = tuple(one._replace(correlationid=payment.correlationid) for one in taken.events)
    tasks = tuple(one._replace(correlationid=payment.correlationid) for one in taken.tasks)
    ours = task.currency in (None, payment.currency)
    settled = replace(
        payment,
        charge_id=payment.charge_id or charge_id,
        settlement_id=task.settlement_id,
        settled_minor=payment.settled_minor + (amount_minor if ours else 0),
    )
    after = _resolved(taken.state.with_payment(settled), "settlement-missing", payment_id, now)
    due_minor = _due_minor(settled)
    if ours and settled.settled_minor == due_minor:
        after = _resolved(after, "settlement-amount", payment_id, now)
    # One that had failed is work already, as a payment that was taken.
    elif settled.status != "failed":
        reason = f"paid out {settled.settled_minor}, due {due_minor}"
        if not ours:
            reason = f"paid out {amount_minor} {task.currency}, due {due_minor} {payment.currency}"
        after, told = about_payment(after, "settlement-amount", replace(settled, reason=reason), now)
        events = (*events, told)
    return Decision(after, events, tasks)


def _resolved(account: GuarantorAccount, kind: WorkKind, payment_id: str, now: datetime) -> GuarantorAccount:
    """End the work of a kind about a payment, if another settlement had made it."""
    if work.work_id(kind, account.number, payment_id) not in account.work:
        return account
    return work.settle_itself(account, kind, payment_id, now)


def settle(settlement: Settlement, message: Message[SettleWork], now: datetime) -> Decision[Settlement]:
    """End a piece of work about a settlement as a whole, or about a line that is no account's."""
    command = message.data
    found = settlement.work.get(command.work_id)
    reason = work.fault(found, command, message.actor)
    if found is None or reason:
        return Decision(settlement, (refusal(command, reason or "not_found"),))
    if found.settled:
        return Decision(settlement, (work.tell_ended(found.settled, None, "done"),))
    ended = Settled(found.work_id, message.actor, now, command.action, command.note)
    known = {**settlement.work, found.work_id: replace(found, settled=ended)}
    after = replace(settlement, work=known, settled=(*settlement.settled, ended))
    return Decision(after, (work.tell_ended(ended, None, "done"),))


def _due_minor(payment: Payment) -> int:
    """Return what is to be paid out for a payment, over all settlements."""
    gone = payment.status != "succeeded" or payment.dispute_status == "lost"
    return 0 if gone else payment.amount_minor - payment.refunded_minor


def _amounts(command: ImportSettlement) -> dict[str, int]:
    """Return by charge what was paid out for it: what it took, less what went back in the same file."""
    amounts: dict[str, int] = {}
    for line in command.lines:
        amounts[line.charge_id] = amounts.get(line.charge_id, 0) + line.amount_minor
    return amounts


def _imported(settlement: Settlement) -> Event:
    told = SettlementImported(settlement_id=settlement.settlement_id, lines=settlement.lines)
    return Event(told, "done")


def _work(
    settlement: Settlement,
    kind: Literal["settlement-orphan", "settlement-repeated"],
    about: str,
    now: datetime,
    details: tuple[tuple[str, str], ...],
) -> Work:
    return Work(
        work.work_id(kind, settlement.settlement_id, about),
        kind,
        work.SUMMARIES[kind],
        About(),
        now,
        (("Settlement", settlement.settlement_id), *details),
    )
