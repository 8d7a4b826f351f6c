"""Work of an account that staff settle, and what follows from it."""

import pytest

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.charging import QUERY_WAITS, FetchCharge
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.work import SettleWork
from shared.events.payments import (
    BalanceChanged,
    PaymentFailed,
    PaymentSucceeded,
    RequestRefund,
    WorkRaised,
    WorkSettled,
)
from shared.events.plans import PlanDefaulted
from shared.messaging.decision import Decision
from tests.unit.payments.refund_story import request
from tests.unit.payments.story import (
    NUMBER,
    answer,
    events,
    message,
    outcome,
    owing,
    start_plan,
    submit,
    when,
)

ANN = "staff:ann"


def asked_in_vain() -> GuarantorAccount:
    """Return an account with a payment about which a person is asked."""
    account = when(owing(V1=15_000), submit(10_000)).state
    for query in range(len(QUERY_WAITS) + 1):
        account = when(account, answer("unknown", query=query)).state
    return account


def settle(account: GuarantorAccount, action: str, note: str | None = None) -> Decision[GuarantorAccount]:
    """Let staff settle what was raised last."""
    work_id = account.raised[-1].work_id
    command = SettleWork(work_id=work_id, account_number=NUMBER, action=action, note=note)
    return when(account, command, actor=ANN)


def test_a_payment_that_staff_say_was_taken_is_posted() -> None:
    settled = settle(asked_in_vain(), "taken", "On the bank's list")

    assert outcome(settled) == ("done", None)
    assert [type(event) for event in events(settled)] == [PaymentSucceeded, BalanceChanged, WorkSettled]
    assert settled.state.balance_minor == 5_000
    unclear = when(settled.state, answer("unknown", query=None)).state.raised[-1]
    assert unclear.kind == "payment-unclear"
    assert [(one.by, one.action, one.note) for one in settled.state.settled] == [
        (ANN, "taken", "On the bank's list")
    ]
    chain = message(submit(10_000)).id
    assert [event.correlationid for event in settled.events] == [chain, chain, None]


def test_a_payment_that_staff_say_was_not_taken_fails_and_frees_what_it_reserved() -> None:
    settled = settle(asked_in_vain(), "not-taken", "Not on the bank's list")

    assert [type(event) for event in events(settled)] == [PaymentFailed, WorkSettled]
    payment = settled.state.payments["pay-1"]
    assert (payment.status, payment.reason) == ("failed", "not_taken")
    assert outcome(when(settled.state, submit(15_000, "pay-2"))) == ("done", None)


def test_the_processor_is_asked_again_about_a_payment_when_staff_want_that() -> None:
    account = asked_in_vain()

    settled = settle(account, "ask-again")

    payment = account.payments["pay-1"]
    (task,) = settled.tasks
    assert task.data == FetchCharge(payment_id="pay-1", account_number=NUMBER, key=payment.processor_key)
    assert task.correlationid == payment.correlationid
    assert settled.state.payments["pay-1"].status == "unknown"


def test_a_payment_that_had_failed_and_was_taken_is_posted_when_staff_say_so() -> None:
    declined = when(when(owing(V1=15_000), submit(10_000)).state, answer("declined")).state
    taken = when(declined, answer("succeeded", query=1)).state
    assert taken.balance_minor == 15_000

    posted, left = settle(taken, "post", "On the bank's list"), settle(taken, "settle")

    assert [type(event) for event in events(posted)] == [PaymentSucceeded, BalanceChanged, WorkSettled]
    payment = posted.state.payments["pay-1"]
    assert (posted.state.balance_minor, payment.status, payment.reason) == (5_000, "succeeded", None)
    assert [type(event) for event in events(left)] == [WorkSettled]
    assert left.state.balance_minor == 15_000


def test_a_payment_that_staff_vouched_for_can_be_refunded_once_the_processor_names_its_charge() -> None:
    named = answer("succeeded", query=None, charge_id="ch-1")
    vouched_for = settle(asked_in_vain(), "taken", "On the bank's list").state
    assert outcome(when(vouched_for, request(10_000), actor=ANN)) == ("refused", "refund_exceeds_payment")
    failed = when(when(owing(V1=15_000), submit(10_000)).state, answer("declined")).state
    taken = when(failed, named).state
    assert ("Charge", "ch-1") in taken.raised[-1].details

    for found in (when(vouched_for, named), settle(taken, "post", "As agreed")):
        assert outcome(when(found.state, request(10_000), actor=ANN)) == ("done", None)
    assert events(when(vouched_for, named)) == []
    assert when(when(vouched_for, named).state, named).state.payments["pay-1"].charge_id == "ch-1"


def test_work_that_is_not_there_or_has_no_such_action_is_refused() -> None:
    account = asked_in_vain()
    other = SettleWork(work_id="never-raised", account_number=NUMBER, action="taken")

    assert outcome(settle(account, "post")) == ("refused", "unknown_action")
    assert outcome(when(account, other, actor=ANN)) == ("refused", "not_found")


@pytest.mark.parametrize("last", range(len(QUERY_WAITS) + 1))
def test_only_work_that_was_raised_is_told_to_be_over(last: int) -> None:
    account = when(owing(V1=15_000), submit(10_000)).state
    for query in range(last):
        account = when(account, answer("unknown", query=query)).state

    for result in ("succeeded", "declined"):
        assert WorkSettled not in [type(event) for event in events(when(account, answer(result, query=last)))]


def test_each_plan_that_ends_unpaid_is_work_of_its_own() -> None:
    account = owing(V1=5_000, V2=5_000)
    for plan_id, visit in (("plan-1", "V-1"), ("plan-2", "V-2")):
        by_hand = start_plan(5_000, plan_id, visit_account_numbers=(visit,), autopay=False, method=None)
        account = when(account, by_hand).state
    for plan_id in ("plan-1", "plan-2"):
        named = {"plan_id": plan_id, "account_number": NUMBER, "number": 1, "revision": 0}
        account = when(account, InstalmentTimer.model_validate(named)).state
        ended = when(account, GraceTimer.model_validate(named))
        assert [type(event) for event in events(ended)] == [PlanDefaulted, WorkRaised]
        account = ended.state

    assert [work.about.plan_id for work in account.raised] == ["plan-1", "plan-2"]
    assert len(account.work) == 2
    settled = settle(account, "settle")
    assert [type(event) for event in events(settled)] == [WorkSettled]
    assert [work.settled is None for work in settled.state.work.values()] == [True, False]
    first = SettleWork(work_id=account.raised[0].work_id, account_number=NUMBER, action="settle")
    told = events(when(settled.state, first, actor=ANN))
    assert told == [WorkSettled(work_id=first.work_id, account_number=NUMBER, action="settle")]


def test_a_refund_waiting_for_agreement_says_whom_and_what_it_is_about() -> None:
    paid = when(when(owing(V1=80_000), submit(80_000)).state, answer("succeeded", charge_id="ch-1")).state
    refund = RequestRefund(
        refund_id="r-1",
        account_number=NUMBER,
        payment_id="pay-1",
        amount_minor=60_000,
        currency="USD",
        reason="Charged twice",
    )

    (work,) = (event for event in events(when(paid, refund, actor=ANN)) if isinstance(event, WorkRaised))

    about = work.about
    assert (about.account_number, about.payment_id, about.refund_id) == (NUMBER, "pay-1", "r-1")
