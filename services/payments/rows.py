"""States as rows of the database, each way; the order of the values is that of the columns named here."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import (
    Opened,
    Payment,
    Plan,
    PlanInstalment,
    Refund,
    SavedMethod,
    Settled,
    Statement,
    Visit,
    VisitOpened,
    VisitOwed,
    Work,
)
from shared.events.payments import Allocation, MethodShown
from shared.events.plans import Authorization
from shared.events.vocabulary import About, Method
from shared.frozen import replace

ACCOUNT: Final = (
    *("number", "version", "person_id", "first_name", "last_name"),
    *("viewers", "affiliate", "currency", "told_at", "paperless"),
)
VISIT: Final = (
    *("account_number", "number", "patient_id", "visit_date", "description", "told_at", "closed"),
    *("charges_minor", "insurance_paid_minor", "adjustments_minor", "paid_minor"),
    *("plan_id", "planned_minor"),
)
PAYMENT: Final = (
    *("account_number", "payment_id", "amount_minor", "currency"),
    *("method_kind", "method_last4", "method_brand", "allocation", "fingerprint", "processor_key"),
    *("submitted_by", "created_at", "updated_at", "status", "reason", "charge_id", "queries"),
    *("review_id", "plan_id", "instalment"),
    *("refunded_minor", "dispute_status", "settlement_id", "settled_minor"),
    *("guest", "guest_method", "guest_address", "correlationid"),
)
STATEMENT: Final = (
    *("account_number", "statement_id", "issued_on", "due_on", "period_from", "period_to"),
    *("amount_due_minor", "currency", "told", "addressee", "visits"),
)
POSTING: Final = (
    *("account_number", "kind", "cause_id", "at", "service_date", "description", "accounts", "amounts"),
)
METHOD: Final = (
    *("account_number", "method_id", "person_id", "kind", "last4", "brand"),
    *("token", "saved_at", "waiting", "token_digest"),
)
REFUND: Final = (
    *("account_number", "refund_id", "payment_id", "amount_minor", "currency", "reason", "allocation"),
    *("processor_key", "requested_by", "requested_at", "status", "decided_by", "queries", "correlationid"),
    "sent_at",
)
PLAN: Final = (
    *("account_number", "plan_id", "visits", "currency", "monthly_amount_minor", "day_of_month", "autopay"),
    *("method", "method_id", "consent", "instalments", "fingerprint", "person_id", "started_at"),
    *("status", "revision", "reason", "resumed"),
)
PLAN_HISTORY: Final = (
    *("account_number", "plan_id", "at", "actor", "status", "monthly_amount_minor", "day_of_month", "autopay"),
    *("method", "consent", "reason", "person_id"),
)
WORK: Final = ("work_id", "key", "kind", "summary", "about", "details", "raised_at")
WORK_ENDED: Final = (*WORK, "status", "settled_by", "settled_at", "action", "note")

Row: TypeAlias = tuple[Any, ...]

_ALLOCATION: Final = TypeAdapter[Allocation](Allocation)
_VISITS: Final = TypeAdapter(tuple[VisitOwed, ...])
_INSTALMENTS: Final = TypeAdapter(tuple[PlanInstalment, ...])
_PAIRS: Final = TypeAdapter(tuple[tuple[str, str], ...])
_NO_VISITS: Final = "[]"


def opened(row: Sequence[Any]) -> Opened | None:
    """Return what the host told of an account, if it did."""
    _, _, person_id, first_name, last_name, viewers, affiliate, currency, told_at, _ = row
    if told_at is None:
        return None
    return Opened(person_id, first_name, last_name, tuple(json.loads(viewers)), affiliate, currency, told_at)


def paperless(row: Sequence[Any]) -> frozenset[str]:
    """Return who gets the statements of an account without paper."""
    return frozenset(json.loads(row[-1]))


def account_row(account: GuarantorAccount) -> Row:
    """Return the row of an account."""
    key = (account.number, account.version)
    told, without_paper = account.opened, json.dumps(sorted(account.paperless))
    if told is None:
        return (*key, None, None, None, None, None, None, None, without_paper)
    names = (told.person_id, told.first_name, told.last_name, json.dumps(told.viewers))
    return (*key, *names, told.affiliate, told.currency, told.told_at, without_paper)


def visit(row: Sequence[Any]) -> Visit:
    """Return a visit account."""
    _, number, patient_id, visit_date, description, told_at, closed, *sums_and_plan = row
    told = VisitOpened(patient_id, visit_date, description, told_at) if told_at else None
    return Visit(number, told, closed, *sums_and_plan)


def visit_row(account_number: str, one: Visit) -> Row:
    """Return the row of a visit account."""
    told: Row = (None, None, None, None)
    if one.opened:
        told = (one.opened.patient_id, one.opened.visit_date, one.opened.description, one.opened.told_at)
    sums = (one.charges_minor, one.insurance_paid_minor, one.adjustments_minor, one.paid_minor)
    return (account_number, one.number, *told, one.closed, *sums, one.plan_id, one.planned_minor)


def payment(row: Sequence[Any]) -> Payment:
    """Return a payment."""
    _, payment_id, amount_minor, currency, kind, last4, brand, allocation, *others = row
    method = MethodShown(kind=kind, last4=last4, brand=brand)
    return Payment(payment_id, amount_minor, currency, method, _ALLOCATION.validate_json(allocation), *others)


def payment_row(account_number: str, one: Payment) -> Row:
    """Return the row of a payment."""
    return (
        account_number,
        one.payment_id,
        one.amount_minor,
        one.currency,
        one.method.kind,
        one.method.last4,
        one.method.brand,
        _ALLOCATION.dump_json(one.allocation).decode(),
        one.fingerprint,
        one.processor_key,
        one.submitted_by,
        one.created_at,
        one.updated_at,
        one.status,
        one.reason,
        one.charge_id,
        one.queries,
        one.review_id,
        one.plan_id,
        one.instalment,
        one.refunded_minor,
        one.dispute_status,
        one.settlement_id,
        one.settled_minor,
        one.guest,
        one.guest_method,
        one.guest_address,
        one.correlationid,
    )


def progress(one: Payment) -> Row:
    """Return what may change of a payment; what was asked for never does."""
    reached = (one.status, one.reason, one.charge_id, one.queries, one.updated_at)
    later = (one.refunded_minor, one.dispute_status, one.settlement_id, one.settled_minor)
    return (one.payment_id, *reached, *later)


def statement(row: Sequence[Any]) -> Statement:
    """Return a statement."""
    told: tuple[Any, ...] = tuple(row[1:10])
    owed = () if row[10] == _NO_VISITS else _VISITS.validate_json(row[10])
    return replace(Statement(*told), visits=owed)


def statement_row(account_number: str, one: Statement) -> Row:
    """Return the row of a statement."""
    return (
        account_number,
        one.statement_id,
        one.issued_on,
        one.due_on,
        one.period_from,
        one.period_to,
        one.amount_due_minor,
        one.currency,
        one.told,
        one.addressee,
        _VISITS.dump_json(one.visits).decode() if one.visits else _NO_VISITS,
    )


def posting_rows(account: GuarantorAccount) -> Iterator[Row]:
    """Return the rows of an account's new postings."""
    for posting in account.postings:
        accounts, amounts = zip(*posting.lines, strict=True)
        said: tuple[date | None, str | None] = (posting.service_date, posting.description)
        yield (account.number, *posting.key, posting.at, *said, accounts, amounts)


def method(row: Sequence[Any]) -> SavedMethod:
    """Return a saved method."""
    return SavedMethod(*row[1:])


def method_row(account_number: str, one: SavedMethod) -> Row:
    """Return the row of a saved method."""
    shown = (one.kind, one.last4, one.brand)
    reached = (one.token, one.saved_at, one.waiting, one.token_digest)
    return (account_number, one.method_id, one.person_id, *shown, *reached)


def refund(row: Sequence[Any]) -> Refund:
    """Return a refund."""
    _, refund_id, payment_id, amount_minor, currency, reason, allocation, *others = row
    back = _ALLOCATION.validate_json(allocation)
    return Refund(refund_id, payment_id, amount_minor, currency, reason, back, *others)


def refund_row(account_number: str, one: Refund) -> Row:
    """Return the row of a refund."""
    asked = (one.refund_id, one.payment_id, one.amount_minor, one.currency, one.reason)
    back = _ALLOCATION.dump_json(one.allocation).decode()
    asking = (one.processor_key, one.requested_by, one.requested_at)
    reached = (one.status, one.decided_by, one.queries)
    return (account_number, *asked, back, *asking, *reached, one.correlationid, one.sent_at)


def plan(row: Sequence[Any]) -> Plan:
    """Return a payment plan."""
    _, plan_id, visits, currency, monthly, day, autopay, paying, method_id, consent, instalments, *others = row
    return Plan(
        plan_id,
        tuple(json.loads(visits)),
        currency,
        monthly,
        day,
        autopay,
        Method.model_validate_json(paying) if paying else None,
        method_id,
        Authorization.model_validate_json(consent) if consent else None,
        _INSTALMENTS.validate_json(instalments),
        *others,
    )


def plan_row(account_number: str, one: Plan) -> Row:
    """Return the row of a payment plan."""
    return (
        account_number,
        one.plan_id,
        json.dumps(one.visits),
        one.currency,
        one.monthly_amount_minor,
        one.day_of_month,
        one.autopay,
        one.method.model_dump_json() if one.method else None,
        one.method_id,
        one.authorization.model_dump_json() if one.authorization else None,
        _INSTALMENTS.dump_json(one.instalments).decode(),
        one.fingerprint,
        one.person_id,
        one.started_at,
        one.status,
        one.revision,
        one.reason,
        one.resumed,
    )


def plan_history_rows(account: GuarantorAccount) -> Iterator[Row]:
    """Return the rows of what an account adds to the history of its plans."""
    for one in account.plan_history:
        terms = (one.status, one.monthly_amount_minor, one.day_of_month, one.autopay)
        method = one.method.model_dump_json(exclude_none=True) if one.method else None
        consent = one.authorization.model_dump_json() if one.authorization else None
        yield (account.number, one.plan_id, one.at, one.actor, *terms, method, consent, one.reason, one.person_id)


def work(row: Sequence[Any]) -> Work:
    """Return a piece of work."""
    work_id, _, kind, summary, about, details, raised_at, status, by, at, action, note = row
    settled = Settled(work_id, by, at, action, note) if status == "settled" else None
    subject, said = About.model_validate_json(about), _PAIRS.validate_json(details)
    return Work(work_id, kind, summary, subject, raised_at, said, settled)


def work_row(key: str, one: Work) -> Row:
    """Return the row of a piece of work that is raised."""
    about = one.about.model_dump_json(exclude_none=True)
    return (one.work_id, key, one.kind, one.summary, about, _PAIRS.dump_json(one.details).decode(), one.raised_at)


def settled_row(one: Settled) -> Row:
    """Return how a piece of work ended."""
    return (one.work_id, one.by, one.at, one.action, one.note)
