"""What needs a person of the billing pool: how it is raised, and how it is settled."""

from datetime import datetime
from typing import Annotated, ClassVar, Final

from pydantic import Field

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import Payment, Settled, Work, WorkKind
from shared.digests import digest
from shared.events.envelope import Command, Id, Outcome
from shared.events.payments import RefusalReason, WorkRaised, WorkSettled
from shared.events.vocabulary import About, Code, Note
from shared.frozen import replace
from shared.messaging.decision import Decision, Event

SUMMARIES: Final[dict[WorkKind, str]] = {
    "payment-unknown": "The processor cannot say whether a payment was taken.",
    "payment-taken": "The processor says that it took a payment that had ended as failed.",
    "payment-unclear": "The processor told of a change of a payment, and then could not say what it is.",
    "return-unknown-code": "A bank returned a payment with a code that is not known here.",
    "dispute": "A card holder disputes a payment: answer the processor before its deadline.",
    "refund-approval": "A refund above the limit waits for a second person.",
    "refund-failed": "A refund failed: the payer has not got the money.",
    "refund-unknown": "The processor cannot say whether a refund was made.",
    "plan-defaulted": "A payment plan ended because an instalment stayed unpaid.",
    "account-currency": "The billing host told another currency for an account with postings; it stays as it was.",
    "settlement-orphan": "A settlement pays out a charge that no payment here has made.",
    "settlement-amount": "A settlement pays out another amount than was paid here.",
    "settlement-missing": "A payment that was taken is missing in the settlement of its time.",
    "settlement-repeated": "A settlement repeats another one's id or lines; nothing of it was taken in.",
}

SETTLE: Final = "settle"
ACTIONS: Final[dict[WorkKind, dict[str, str]]] = {
    **{kind: {SETTLE: "Mark as settled"} for kind in SUMMARIES},
    "payment-unknown": {
        "ask-again": "Ask the processor again",
        "taken": "The money was taken",
        "not-taken": "The money was not taken",
    },
    "payment-taken": {"post": "Post the payment", SETTLE: "Mark as settled"},
    "refund-approval": {"approve": "Approve the refund", "decline": "Decline the refund"},
    "refund-unknown": {"made": "The refund was made", "not-made": "The refund was not made"},
}
"""How each kind can be settled, with what the button says."""


class SettleWork(Command):
    """Staff settle a piece of work of an account, or of a settlement, in one of the ways of its kind."""

    TYPE: ClassVar[str] = "payments.settle-work.v1"
    work_id: Id
    account_number: Annotated[str, Field(max_length=160)]
    action: Code
    note: Note | None = None


def work_id(kind: WorkKind, *about: str) -> str:
    """Return the id of the work of a kind about something: raised twice, it is the same work."""
    return digest(kind, *about).hex()


def raise_work(
    account: GuarantorAccount,
    kind: WorkKind,
    about: About,
    now: datetime,
    details: tuple[tuple[str, str], ...] = (),
) -> tuple[GuarantorAccount, Event]:
    """Return the account with a piece of work, open again if it was settled, and the event that tells it."""
    cause = about.refund_id or about.payment_id or about.plan_id or ""
    work = Work(work_id(kind, account.number, cause), kind, SUMMARIES[kind], about, now, details)
    after = replace(
        account,
        work={**account.work, work.work_id: work},
        raised=(*account.raised, work),
        settled=tuple(one for one in account.settled if one.work_id != work.work_id),
    )
    return after, tell(work, account.number)


def about_payment(
    account: GuarantorAccount, kind: WorkKind, payment: Payment, now: datetime, **about: str
) -> tuple[GuarantorAccount, Event]:
    """Raise work about a payment."""
    details = (
        ("Amount", f"{payment.amount_minor} {payment.currency} (minor units)"),
        ("Method", f"{payment.method.brand or payment.method.kind} ending in {payment.method.last4}"),
        ("Paid on", payment.created_at.isoformat()),
        ("Charge", payment.charge_id or "not known"),
        ("Reason", payment.reason or "none given"),
    )
    subject = About(account_number=account.number, payment_id=payment.payment_id, plan_id=payment.plan_id, **about)
    return raise_work(account, kind, subject, now, details)


def tell(work: Work, key: str) -> Event:
    """Return the event that tells of work."""
    raised = WorkRaised(work_id=work.work_id, pool="billing", summary=work.summary, about=work.about)
    return Event(raised, key=key)


def fault(work: Work | None, command: SettleWork, actor: str) -> RefusalReason | None:
    """Return why a piece of work cannot be settled so; who settled it with the same before is told again."""
    if work is None:
        return "not_found"
    if command.action not in ACTIONS[work.kind]:
        return "unknown_action"
    if work.settled and (work.settled.by, work.settled.action) != (actor, command.action):
        return "work_settled"
    # An approval is settled by the command about its refund too, whose words are its own.
    same = not work.settled or work.kind == "refund-approval" or work.settled.note == command.note
    return None if same else "idempotency_conflict"


def tell_ended(ended: Settled, account_number: str | None, outcome: Outcome | None = None) -> Event:
    """Return the event that tells how a piece of work ended."""
    told = WorkSettled(work_id=ended.work_id, account_number=account_number, action=ended.action, note=ended.note)
    return Event(told, outcome, account_number)


def settle(account: GuarantorAccount, ended: Settled) -> GuarantorAccount:
    """Return the account with a piece of work ended, if it was raised and is open; who ended it first, did."""
    known = account.work.get(ended.work_id)
    if any(one.work_id == ended.work_id for one in account.settled) or (known and known.settled):
        return account
    work = {**account.work, ended.work_id: replace(known, settled=ended)} if known else account.work
    return replace(account, work=work, settled=(*account.settled, ended))


def settle_itself(account: GuarantorAccount, kind: WorkKind, cause_id: str, at: datetime) -> GuarantorAccount:
    """End work that has come to nothing: what it asked about is known by now."""
    ended = Settled(work_id(kind, account.number, cause_id), "service:payments", at, "resolved")
    return settle(account, ended)


def tell_settled(before: GuarantorAccount, decided: Decision[GuarantorAccount]) -> Decision[GuarantorAccount]:
    """Return a decision that also tells what work ended by the way: no basket shows it any longer."""
    account, events, tasks = decided
    if account.settled == before.settled:
        return decided
    told = {event.data.work_id for event in events if isinstance(event.data, WorkSettled)}
    more = (
        tell_ended(one, account.number)
        for one in account.settled
        if one not in before.settled and one.work_id not in told
    )
    return Decision(account, (*events, *more), tasks)
