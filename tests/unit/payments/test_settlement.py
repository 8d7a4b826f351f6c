"""Settlements: what the lines say of payments, and what does not fit."""

from datetime import timedelta
from typing import Any

import pytest

from services.payments.domain import decide
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.instalment_timer import GraceTimer
from services.payments.domain.records import Settled, Work
from services.payments.domain.settlement import CompareLines, ImportSettlement, Settlement, SettlementLine
from services.payments.domain.work import SettleWork
from shared.events.envelope import Data
from shared.events.payments import (
    BalanceChanged,
    CommandRefused,
    PaymentSucceeded,
    SettlementImported,
    WorkRaised,
    WorkSettled,
)
from shared.events.vocabulary import About
from shared.frozen import replace
from shared.messaging.decision import Decision
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
    assert events(when(found.state, lacking)) == []


def test_another_amount_than_was_paid_is_work() -> None:
    decision = when(unknown(), paid_out(9_900))

    (raised,) = decision.state.raised
    assert raised.kind == "settlement-amount"
    assert dict(raised.details)["Reason"] == "paid out 9900, due 10000"
    assert decision.state.payments["pay-1"].status == "succeeded"


@pytest.mark.parametrize(
    "turn",
    [{"stands": "returned", "reason": "R01"}, {"stands": "disputed", "dispute_status": "lost"}],
    ids=["returned", "lost"],
)
def test_of_money_that_went_back_nothing_is_to_be_paid_out(turn: dict[str, Any]) -> None:
    gone = when(unknown(), answer("succeeded", query=1, charge_id="ch-1", **turn)).state

    assert events(when(gone, paid_out(0))) == []
    in_part = when(unknown(), answer("succeeded", query=1, charge_id="ch-1")).state
    payment = replace(in_part.payments["pay-1"], refunded_minor=1_000)
    assert events(when(in_part.with_payment(payment), paid_out(9_000))) == []
    assert [type(event) for event in events(when(gone, paid_out(10_000)))] == [WorkRaised]


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
    def settle(settlement: Settlement, actor: str, action: str = "settle") -> Data:
        command = SettleWork(work_id="w-1", account_number="\x1fpo-1", action=action)
        (event,) = decide(settlement, message(command, actor=actor), NOW, RULES).events
        return event.data

    ended = Settled("w-1", "staff:ann", NOW, "settle")
    work = Work("w-1", "settlement-orphan", "", About(), NOW, settled=ended)
    settlement = Settlement("po-1", work={"w-1": work})

    assert isinstance(settle(settlement, "staff:ann"), WorkSettled)
    assert isinstance(settle(settlement, "staff:bob"), CommandRefused)
    unheard = settle(Settlement("po-1"), "staff:ann")
    assert isinstance(unheard, CommandRefused)
    assert unheard.reason == "not_found"
    still_open = Settlement("po-1", work={"w-1": replace(work, settled=None)})
    assert isinstance(settle(still_open, "staff:bob"), WorkSettled)
    command = SettleWork(work_id="w-1", account_number="\x1fpo-1", action="settle", note="Known")
    after = decide(still_open, message(command, actor="staff:bob"), NOW, RULES).state
    assert after.settled == (Settled("w-1", "staff:bob", NOW, "settle", "Known"),)
    unknown_action = settle(still_open, "staff:bob", "post")
    assert isinstance(unknown_action, CommandRefused)
    assert unknown_action.reason == "unknown_action"


PERIOD: dict[str, Any] = {"period_from": NOW - timedelta(days=1), "period_to": NOW, "currency": "USD"}


def import_of(*lines: tuple[str, int], settlement_id: str = "po-1") -> ImportSettlement:
    told = tuple(SettlementLine(charge_id=charge_id, amount_minor=minor) for charge_id, minor in lines)
    return ImportSettlement(settlement_id=settlement_id, lines=told, **PERIOD)


def taken_in(settlement: Settlement, command: ImportSettlement) -> Decision[Any]:
    return decide(settlement, message(command, actor="staff:ann"), NOW, RULES)


def test_a_settlement_hands_each_account_its_lines_and_raises_those_of_nobody() -> None:
    owners = {"ch-1": ("pay-1", "G-1"), "ch-2": ("pay-2", "G-2"), "ch-3": ("pay-3", "G-1")}
    settlement = Settlement("po-1", owners=owners, missing=(("pay-4", "G-1"), ("pay-5", "G-3")))
    command = import_of(("ch-1", 500), ("ch-2", 700), ("ch-3", 90), ("nobodys", 10), ("ch-1", -200))

    decision = taken_in(settlement, command)

    imported, orphan = decision.events
    assert (imported.data, imported.outcome) == (SettlementImported(settlement_id="po-1", lines=5), "done")
    assert isinstance(orphan.data, WorkRaised)
    compared = [task.data for task in decision.tasks if isinstance(task.data, CompareLines)]
    assert [(one.account_number, one.lines, one.missing, one.currency) for one in compared] == [
        ("G-1", (("ch-1", "pay-1", 300), ("ch-3", "pay-3", 90)), ("pay-4",), "USD"),
        ("G-2", (("ch-2", "pay-2", 700),), (), "USD"),
        ("G-3", (), ("pay-5",), "USD"),
    ]
    assert isinstance(decision.state, Settlement)
    (raised,) = decision.state.raised
    assert (raised.work_id, raised.kind) == (orphan.data.work_id, "settlement-orphan")
    details = {"Settlement": "po-1", "Charge": "nobodys", "Amount": "10 USD (minor units)"}
    assert dict(raised.details) == details


def test_the_same_settlement_again_changes_nothing_and_another_under_its_id_is_work() -> None:
    owners = {"ch-1": ("pay-1", "G-1")}
    first = taken_in(Settlement("po-1", owners=owners), import_of(("ch-1", 500), ("nobodys", 10)))
    assert isinstance(first.state, Settlement)
    known = replace(first.state, raised=())

    again = taken_in(known, import_of(("nobodys", 10), ("ch-1", 500)))
    other = taken_in(known, import_of(("ch-1", 501), ("nobodys", 10)))
    copied = taken_in(Settlement("po-2", repeats="po-1"), import_of(("ch-1", 500), settlement_id="po-2"))

    assert (again.events, again.tasks, again.state) == (first.events[:1], (), known)
    for repeated in (other, copied):
        (refused, raised) = repeated.events
        assert isinstance(refused.data, CommandRefused)
        assert (refused.outcome, refused.data.reason) == ("refused", "settlement_repeated")
        assert isinstance(raised.data, WorkRaised)
        assert isinstance(repeated.state, Settlement)
        assert [work.work_id for work in repeated.state.raised] == [raised.data.work_id]
        assert repeated.tasks == ()
    assert other.events[1].data != copied.events[1].data


def test_the_many_lines_of_one_account_are_compared_in_parts_without_any_lost() -> None:
    charges = [f"ch-{number}" for number in range(450)]
    owners = {charge_id: (f"pay-{charge_id}", "G-1") for charge_id in charges}
    settlement = Settlement("po-1", owners=owners, missing=(("pay-missing", "G-1"),))

    tasks = taken_in(settlement, import_of(*((charge_id, 1) for charge_id in charges))).tasks

    parts = [task.data for task in tasks if isinstance(task.data, CompareLines)]
    assert [charge_id for part in parts for charge_id, _, _ in part.lines] == charges
    assert [part.missing for part in parts] == [("pay-missing",), (), ()]
    assert len({task.name for task in tasks}) == len(tasks) == 3
