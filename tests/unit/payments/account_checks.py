"""What holds of guarantor accounts at any time: ledger, payments, plans, and what was told of them."""

from collections import Counter
from typing import Any, Final

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.records import Plan
from services.payments.domain.work import work_id
from shared.events.envelope import Message
from shared.events.payments import (
    BalanceChanged,
    MethodRemoved,
    MethodSaved,
    StatementAvailable,
    WorkRaised,
    WorkSettled,
)
from shared.events.plans import PlanChanged
from shared.messaging.decision import Event
from tests.unit.payments.account_tables import Tables

PAYMENT_WORDS: Final = {
    "payment-accepted": "processing",
    "payment-unknown": "unknown",
    "payment-succeeded": "succeeded",
    "payment-failed": "failed",
    "payment-returned": "returned",
}
PLAN_WORDS: Final = {
    "plan-started": "active",
    "plan-resumed": "active",
    "plan-paused": "paused",
    "plan-cancelled": "cancelled",
    "plan-completed": "completed",
    "plan-defaulted": "defaulted",
}


class Told:
    """What a reader of the events knows."""

    def __init__(self) -> None:
        self.balances: dict[str, tuple[int, int]] = {}
        self.payments: dict[str, str] = {}
        self.plans: dict[str, str] = {}
        self.methods: dict[str, bool] = {}
        self.statements: Counter[str] = Counter()
        self.work: set[str] = set()

    def hear(self, message: Message[Any], event: Event) -> None:
        told: Any = event.data
        word = told.TYPE.split(".")[1]
        match told:
            case BalanceChanged():
                version, before_minor = self.balances.get(told.account_number, (0, 0))
                assert (told.version, told.balance_minor != before_minor) == (version + 1, True)
                self.balances[told.account_number] = (told.version, told.balance_minor)
            case StatementAvailable():
                self.statements[told.statement_id] += 1
            case MethodSaved() | MethodRemoved():
                self.methods[told.method_id] = isinstance(told, MethodSaved)
            case WorkRaised():
                self.work.add(told.work_id)
            case WorkSettled() if told.work_id not in self.work:
                assert event.outcome == "done", f"told to be over twice, by {message.data}"
            case WorkSettled():
                self.work.remove(told.work_id)
            case PlanChanged() if self.plans[told.plan_id] == "completed":
                self.plans[told.plan_id] = "active"
            case _ if word in PLAN_WORDS and not (word == "plan-started" and told.plan_id in self.plans):
                self.plans[told.plan_id] = PLAN_WORDS[word]
            case _ if word in PAYMENT_WORDS and not (
                word == "payment-accepted" and told.payment_id in self.payments
            ):
                self.payments[told.payment_id] = PAYMENT_WORDS[word]


def check(account: GuarantorAccount, tables: Tables, told: Told) -> None:
    """Hold that the parts of an account agree with each other, with its ledger, and with what was told."""
    lines: Counter[str] = Counter()
    for posting in tables.of_account("posting", account.number):
        assert sum(posting["amounts"]) == 0
        for name, minor in zip(posting["accounts"], posting["amounts"], strict=True):
            lines[name] += minor
    for visit in account.visits.values():
        assert visit.balance_minor == lines[f"receivable:{visit.number}"]
    assert sum(visit.paid_minor for visit in account.visits.values()) == lines["processor:clearing"]
    assert told.balances.get(account.number, (0, 0)) == (account.version, account.balance_minor)
    assert account.opened is None or account.opened.currency == "USD"
    assert all(one.told == (told.statements[key] == 1) for key, one in account.statements.items())
    assert all(one.is_kept == told.methods.get(key, False) for key, one in account.methods.items())
    _check_payments(account, tables, told)
    for plan in account.plans.values():
        assert told.plans[plan.plan_id] == plan.status
        _check_plan(account, plan)


def _check_payments(account: GuarantorAccount, tables: Tables, told: Told) -> None:
    kept = cleared(account, tables)
    for key, payment in account.payments.items():
        assert told.payments[key] == payment.status
        refunds = [one for one in account.refunds.values() if one.payment_id == key]
        assert sum(one.amount_minor for one in refunds if one.counts) <= payment.amount_minor
        assert payment.refunded_minor == sum(one.amount_minor for one in refunds if one.status == "succeeded")
        if payment.dispute_status != "lost":
            taken_minor = payment.amount_minor if payment.status == "succeeded" else 0
            assert kept[key] == taken_minor - payment.refunded_minor
        unknown = work_id("payment-unknown", account.number, key)
        assert payment.is_open or unknown not in told.work
    for key, refund in account.refunds.items():
        assert (refund.status == "requested") == (work_id("refund-approval", account.number, key) in told.work)


def cleared(account: GuarantorAccount, tables: Tables) -> Counter[str]:
    """Return by payment what the ledger says that we have of it."""
    kept: Counter[str] = Counter()
    for posting in tables.of_account("posting", account.number):
        if posting["accounts"][0] == "processor:clearing":
            cause = posting["cause_id"]
            payment_id = account.refunds[cause].payment_id if posting["kind"].startswith("refund") else cause
            kept[payment_id] += posting["amounts"][0]
    return kept


def _check_plan(account: GuarantorAccount, plan: Plan) -> None:
    """Hold that a plan's instalments are sound, and that an open one has its visits, which no other has."""
    assert [one.number for one in plan.instalments] == sorted({one.number for one in plan.instalments})
    assert [one.due_on for one in plan.instalments] == sorted(one.due_on for one in plan.instalments)
    for one in plan.instalments:
        assert 0 <= one.paid_minor <= one.amount_minor > 0
        assert (one.status == "paid") == (one.left_minor == 0)
        if plan.is_open and one.status == "processing":
            assert account.payments[one.payment_id or ""].is_open
    assert plan.autopay == (plan.method is not None)
    has = {visit.number for visit in account.visits.values() if visit.plan_id == plan.plan_id}
    assert has == (set(plan.visits) if plan.is_open else set())
    if plan.is_open and plan.autopay and account.opened:
        assert plan.person_id in account.opened.persons(), "paid by somebody who left"
        assert plan.method_id is None or account.methods[plan.method_id].is_kept


def check_waits(account: GuarantorAccount, plan: Plan, tasks: list[Any]) -> None:
    """Hold that an instalment of an active plan that is not paid waits for one thing that will come."""
    timers = [
        one.data
        for one in tasks
        if isinstance(one.data, InstalmentTimer | GraceTimer)
        and (one.data.account_number, one.data.plan_id) == (account.number, plan.plan_id)
        and one.data.revision == plan.revision
    ]
    scheduled = [one for one in plan.instalments if one.status == "scheduled"]
    coming = [one for one in timers if isinstance(one, InstalmentTimer) and not one.again]
    assert len(coming) == 1 if scheduled else len(coming) <= 1, coming
    assert not scheduled or coming[0].number <= scheduled[0].number
    for one in plan.instalments:
        if one.status in ("due", "failed"):
            mine = [timer for timer in timers if timer.number == one.number]
            assert any(isinstance(timer, InstalmentTimer) or timer.attempts == one.attempts for timer in mine)
