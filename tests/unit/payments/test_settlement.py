"""Settlements: what the lines say of payments, and what does not fit."""

from services.payments.domain import decide
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.instalment_timer import GraceTimer
from services.payments.domain.records import Settled, Work
from services.payments.domain.settlement import CompareLines, Settlement
from services.payments.domain.work import SettleWork
from shared.events.envelope import Data
from shared.events.payments import BalanceChanged, CommandRefused, PaymentSucceeded, WorkRaised, WorkSettled
from shared.events.vocabulary import About
from tests.unit.payments.plan_story import BANK, due, paid_by, pay, started
from tests.unit.payments.story import NOW, NUMBER, RULES, answer, events, message, owing, submit, when


def paid_out(amount_minor: int, currency: str | None = None) -> CompareLines:
    lines = (("ch-1", "pay-1", amount_minor),)
    return CompareLines(settlement_id="po-1", account_number=NUMBER, lines=lines, currency=currency)


def unknown() -> GuarantorAccount:
    return when(when(owing(V1=15_000), submit(10_000)).state, answer("unknown")).state


def test_a_payment_that_was_unknown_is_known_by_its_line() -> None:
    decision = when(unknown(), paid_out(10_000))

    assert [type(event) for event in events(decision)] == [PaymentSucceeded, BalanceChanged]
    payment = decision.state.payments["pay-1"]
    assert (payment.status, payment.charge_id, payment.settled_minor) == ("succeeded", "ch-1", 10_000)
    assert decision.state.balance_minor == 5_000
    submitted = message(submit(10_000))
    assert {event.correlationid for event in decision.events} == {submitted.id}


def test_what_a_line_has_a_plan_wait_for_belongs_to_the_chain_of_the_payment() -> None:
    account = due(pay(started(), 2_000, "pay-1", plan_id="plan-1", method=BANK)).state
    account = when(account, answer("succeeded", query=None, stands="returned", reason="R01")).state
    payment = account.payments[paid_by(account)]
    lines = (("ch-2", payment.payment_id, 3_000),)

    decision = when(account, CompareLines(settlement_id="po-1", account_number=NUMBER, lines=lines))

    assert [type(task.data) for task in decision.tasks] == [GraceTimer]
    chains = [
        *(event.correlationid for event in decision.events),
        *(task.correlationid for task in decision.tasks),
    ]
    assert set(chains) == {payment.correlationid}


def test_a_line_that_gives_back_does_not_say_that_an_unknown_payment_was_taken() -> None:
    decision = when(unknown(), paid_out(-10_000))

    assert [type(event) for event in events(decision)] == [WorkRaised]
    assert decision.state.payments["pay-1"].status == "unknown"


def test_a_line_for_a_payment_that_had_failed_is_work_for_a_person_once() -> None:
    failed = when(unknown(), answer("declined", query=1)).state

    decision = when(failed, paid_out(10_000))

    assert [work.kind for work in decision.state.raised] == ["payment-taken"]
    payment = decision.state.payments["pay-1"]
    assert (payment.status, payment.charge_id) == ("failed", "ch-1")


def test_a_payment_that_a_settlement_lacks_is_work_until_another_has_it() -> None:
    lacking = CompareLines(settlement_id="po-0", account_number=NUMBER, lines=(), missing=("pay-1",))
    lacked = when(when(unknown(), answer("succeeded", query=1)).state, lacking)
    (raised,) = events(lacked)
    assert isinstance(raised, WorkRaised)

    found = when(lacked.state, paid_out(10_000))

    assert events(found) == [WorkSettled(work_id=raised.work_id, account_number=NUMBER, action="resolved")]
    assert events(when(found.state, paid_out(0))) == []


def test_another_amount_than_was_paid_is_work() -> None:
    decision = when(unknown(), paid_out(9_900))

    assert [work.kind for work in decision.state.raised] == ["settlement-amount"]
    assert decision.state.payments["pay-1"].status == "succeeded"


def test_the_work_about_an_amount_ends_once_another_settlement_has_the_rest() -> None:
    part = when(unknown(), paid_out(9_900))
    (raised,) = (event for event in events(part) if isinstance(event, WorkRaised))

    rest = when(part.state, paid_out(100))

    assert events(rest) == [WorkSettled(work_id=raised.work_id, account_number=NUMBER, action="resolved")]
    more = when(part.state, paid_out(99))
    assert [type(event) for event in events(more)] == [WorkRaised]


def test_a_payment_that_is_paid_out_in_another_currency_is_work() -> None:
    decision = when(unknown(), paid_out(10_000, currency="EUR"))

    (raised,) = decision.state.raised
    assert raised.kind == "settlement-amount"
    assert dict(raised.details)["Reason"] == "paid out 10000 EUR, due 10000 USD"
    payment = decision.state.payments["pay-1"]
    assert (payment.status, payment.settled_minor) == ("succeeded", 0)
    assert events(when(unknown(), paid_out(10_000, currency="USD")))[-1].TYPE == BalanceChanged.TYPE


def test_the_same_action_by_the_same_person_ends_the_work_of_a_line_once() -> None:
    def settle(settlement: Settlement, actor: str) -> Data:
        command = SettleWork(work_id="w-1", account_number="\x1fpo-1", action="settle")
        (event,) = decide(settlement, message(command, actor=actor), NOW, RULES).events
        return event.data

    ended = Settled("w-1", "staff:ann", NOW, "settle")
    work = Work("w-1", "settlement-orphan", "", About(), NOW, settled=ended)
    settlement = Settlement("po-1", work={"w-1": work})

    assert isinstance(settle(settlement, "staff:ann"), WorkSettled)
    assert isinstance(settle(settlement, "staff:bob"), CommandRefused)
