"""What follows from what the billing host says, in whatever order and however often it is heard.

Of what is told anew, the newest counts. Charges, adjustments and statements have ids of their own: one that was
heard before changes nothing, whatever message brings it. The currency stays once anything was posted in it.
"""

from datetime import datetime
from typing import assert_never

from services.payments.domain import autopay, ledger
from services.payments.domain.account import GuarantorAccount, tell_balance
from services.payments.domain.plan_end import complete_settled
from services.payments.domain.records import Opened, Statement, Visit, VisitOpened, VisitOwed
from services.payments.domain.work import raise_work, settle_itself, work_id
from shared.events.billing import (
    AdjustmentPosted,
    BillingFact,
    ChargePosted,
    GuarantorAccountOpened,
    StatementIssued,
    VisitAccountClosed,
    VisitAccountOpened,
)
from shared.events.payments import StatementAvailable
from shared.events.vocabulary import About
from shared.frozen import replace
from shared.messaging.decision import Decision, Event


def hear(account: GuarantorAccount, fact: BillingFact, told_at: datetime) -> Decision[GuarantorAccount]:
    """Return what follows from a fact that the host told at `told_at`."""
    heard = _heard(account, fact, told_at)
    heard, work = _other_currency(heard, fact, told_at)
    after, balance = tell_balance(account, heard)
    after, changed = _without_leavers(account, after)
    completed = complete_settled(after)
    after, statements = _tell_statements(completed.state)
    return Decision(after, (*balance, *changed, *completed.events, *statements, *work))


def _heard(account: GuarantorAccount, fact: BillingFact, told_at: datetime) -> GuarantorAccount:
    match fact:
        case GuarantorAccountOpened():
            return _account_opened(account, fact, told_at)
        case VisitAccountOpened():
            return _visit_opened(account, fact, told_at)
        case ChargePosted():
            visit = account.visit(fact.visit_account_number)
            charged = replace(visit, charges_minor=visit.charges_minor + fact.amount_minor)
            return _post(account, ledger.charge(fact, told_at), charged)
        case AdjustmentPosted():
            adjusted = _adjusted(account.visit(fact.visit_account_number), fact)
            return _post(account, ledger.adjustment(fact, told_at), adjusted)
        case VisitAccountClosed():
            visit = account.visit(fact.visit_account_number)
            return account if visit.closed else account.with_visit(replace(visit, closed=True))
        case StatementIssued():
            return _statement_issued(account, fact)
        case _:
            assert_never(fact)


def _account_opened(
    account: GuarantorAccount, fact: GuarantorAccountOpened, told_at: datetime
) -> GuarantorAccount:
    if account.opened and told_at < account.opened.told_at:
        return account
    opened = Opened(
        person_id=fact.guarantor.person_id,
        first_name=fact.guarantor.first_name,
        last_name=fact.guarantor.last_name,
        viewers=fact.viewers,
        affiliate=fact.affiliate,
        currency=account.opened.currency if account.opened and account.is_posted else fact.currency,
        told_at=told_at,
    )
    return account if opened == account.opened else replace(account, opened=opened)


def _other_currency(
    account: GuarantorAccount, fact: BillingFact, now: datetime
) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Ask a person when the host tells another currency than the account's: no amount is the same in both.

    There is nothing to ask any more once it tells the account's own again.
    """
    opened = account.opened
    if not isinstance(fact, GuarantorAccountOpened) or opened is None or opened.told_at != now:
        return account, ()
    if fact.currency == opened.currency:
        return _same_currency(account, now), ()
    details = (("Kept in", opened.currency), ("Told", fact.currency))
    after, told = raise_work(account, "account-currency", About(account_number=account.number), now, details)
    return after, (told,)


def _same_currency(account: GuarantorAccount, now: datetime) -> GuarantorAccount:
    raised = account.work.get(work_id("account-currency", account.number, ""))
    return settle_itself(account, "account-currency", "", now) if raised else account


def _without_leavers(
    before: GuarantorAccount, after: GuarantorAccount
) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Take nothing more by itself from those who may not act for the account any more, and could not end it."""
    if before.opened is None or after.opened is before.opened:
        return after, ()
    left = {*before.opened.persons()}.difference(after.opened.persons() if after.opened else ())
    return autopay.stop(after, lambda plan: plan.person_id in left)


def _visit_opened(account: GuarantorAccount, fact: VisitAccountOpened, told_at: datetime) -> GuarantorAccount:
    visit = account.visit(fact.visit_account_number)
    if visit.opened and told_at < visit.opened.told_at:
        return account
    opened = VisitOpened(fact.patient_id, fact.visit_date, fact.description, told_at)
    return account if opened == visit.opened else account.with_visit(replace(visit, opened=opened))


def _adjusted(visit: Visit, fact: AdjustmentPosted) -> Visit:
    if fact.kind == "insurance-payment":
        return replace(visit, insurance_paid_minor=visit.insurance_paid_minor - fact.amount_minor)
    return replace(visit, adjustments_minor=visit.adjustments_minor + fact.amount_minor)


def _post(account: GuarantorAccount, posting: ledger.Posting, visit: Visit) -> GuarantorAccount:
    if posting.key in account.posted:
        return account
    if visit.planned_minor is not None:
        # What the host takes off is off the plan as well: what it charges later does not take its place.
        visit = replace(visit, planned_minor=min(visit.planned_minor, max(visit.balance_minor, 0)))
    return account.with_posting(posting).with_visit(visit)


def _statement_issued(account: GuarantorAccount, fact: StatementIssued) -> GuarantorAccount:
    if fact.statement_id in account.statements:
        return account
    statement = Statement(
        statement_id=fact.statement_id,
        issued_on=fact.issued_on,
        due_on=fact.due_on,
        period_from=fact.period_from,
        period_to=fact.period_to,
        amount_due_minor=fact.amount_due_minor,
        currency=fact.currency,
    )
    return account.with_statement(statement)


def _as_told(account: GuarantorAccount, opened: Opened, statement: Statement) -> Statement:
    """Return a statement with what its document shows, as it is now."""
    owed = tuple(
        VisitOwed(
            visit.number,
            visit.opened.visit_date if visit.opened else None,
            visit.opened.description if visit.opened else "",
            visit.balance_minor,
        )
        for visit in sorted(account.visits.values(), key=lambda visit: visit.age)
        if visit.balance_minor and not visit.closed
    )
    addressee = f"{opened.first_name} {opened.last_name}".strip()
    return replace(statement, told=True, addressee=addressee, visits=owed)


def _tell_statements(account: GuarantorAccount) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Tell of statements once it is known who may read them."""
    untold = [statement for statement in account.statements.values() if not statement.told]
    opened = account.opened
    if opened is None or not untold:
        return account, ()
    persons = opened.persons()
    events = []
    for statement in untold:
        available = StatementAvailable(
            account_number=account.number,
            statement_id=statement.statement_id,
            person_ids=persons,
            issued_on=statement.issued_on,
            due_on=statement.due_on,
        )
        events.append(Event(available, key=account.number))
        account = account.with_statement(_as_told(account, opened, statement))
    return account, tuple(events)
