"""Refunds: asked for, agreed to, made or not, and what they make owed again."""

from datetime import timedelta
from typing import Any

import pytest

from services.payments.domain.charging import KEY_LIFETIME, QUERY_WAITS
from services.payments.domain.records import Work
from services.payments.domain.refund import MakeRefund, QueryRefund, RefundAnswered
from services.payments.domain.work import SettleWork, work_id
from shared.events.envelope import Data
from shared.events.payments import (
    ApproveRefund,
    BalanceChanged,
    DeclineRefund,
    PaymentRefunded,
    RefundApproved,
    RefundDeclined,
    RefundFailed,
    RefundRequested,
    RequestRefund,
    WorkRaised,
    WorkSettled,
)
from shared.events.vocabulary import About
from shared.frozen import replace
from tests.unit.payments.refund_story import ANN, BOB, NAMED, kinds, paid, request, told
from tests.unit.payments.story import (
    NOW,
    NUMBER,
    answer,
    events,
    outcome,
    shares,
    submit,
    when,
)


def test_a_small_refund_is_made_at_once_and_is_owed_again() -> None:
    asked = when(paid(), request(25_000), actor=ANN)
    (task,) = asked.tasks

    assert outcome(asked) == ("done", None)
    assert isinstance(task.data, MakeRefund)
    assert (task.data.charge_id, task.data.amount_minor) == ("ch-1", 25_000)
    assert NOW < task.data.send_before < NOW + KEY_LIFETIME
    made = when(asked.state, told("succeeded"))
    assert kinds(made) == [PaymentRefunded, BalanceChanged]
    assert made.state.balance_minor == 65_000
    # What was paid last goes back first.
    assert made.state.refunds["r-1"].allocation == shares(V2=20_000, V1=5_000)
    assert when(made.state, request(10_000, "r-2"), actor=ANN).state.refunds["r-2"].allocation == shares(V1=10_000)
    for late in (told("succeeded"), told("unknown"), told("not_received", None)):
        assert when(made.state, late, at=NOW + KEY_LIFETIME).state is made.state


@pytest.mark.parametrize(
    ("command", "actor", "reason"),
    [
        (request(100), "patient:P-1", "not_allowed"),
        (request(0), ANN, "amount_not_positive"),
        (request(100, currency="EUR"), ANN, "currency_mismatch"),
        (request(100, payment_id="never"), ANN, "not_found"),
        (request(80_001), ANN, "refund_exceeds_payment"),
        (request(100, reason=" "), ANN, "why_missing"),
    ],
)
def test_a_refund_that_cannot_be_is_refused(command: RequestRefund, actor: str, reason: str) -> None:
    assert outcome(when(paid(), command, actor=actor)) == ("refused", reason)


def test_refunds_together_are_never_more_than_the_payment() -> None:
    account = when(paid(), request(45_000), actor=ANN).state

    assert outcome(when(account, request(35_001, "r-2"), actor=ANN)) == ("refused", "refund_exceeds_payment")
    assert outcome(when(account, request(35_000, "r-2"), actor=ANN)) == ("done", None)
    failed = when(account, told("failed")).state
    assert outcome(when(failed, request(50_000, "r-2"), actor=ANN)) == ("done", None)
    both = when(
        when(account, submit(40_000, "pay-2")).state, answer("succeeded", payment_id="pay-2", charge_id="c")
    )
    other = request(40_000, "r-2", payment_id="pay-2")
    assert outcome(when(both.state, other, actor=ANN)) == ("done", None)


def test_refunds_in_parts_need_a_second_person_as_one_refund_would() -> None:
    account = when(paid(), request(30_000), actor=ANN).state

    assert kinds(when(account, request(20_000, "r-2"), actor=ANN)) == [RefundRequested]
    more = when(account, request(20_001, "r-2"), actor=ANN)
    assert kinds(more) == [RefundRequested, WorkRaised]
    assert more.tasks == ()
    assert kinds(when(account, request(20_001, "r-2"), actor=BOB)) == [RefundRequested]
    failed = when(account, told("failed")).state
    assert kinds(when(failed, request(50_000, "r-2"), actor=ANN)) == [RefundRequested]
    agreed = when(when(paid(), request(50_001), actor=ANN).state, ApproveRefund(**NAMED), actor=BOB).state
    assert kinds(when(agreed, request(29_999, "r-2"), actor=ANN)) == [RefundRequested]


def test_the_same_request_is_told_again_and_another_under_its_id_is_refused() -> None:
    account = when(paid(), request(100), actor=ANN).state

    assert outcome(when(account, request(100), actor=ANN)) == ("done", None)
    assert when(account, request(100), actor=ANN).tasks == ()
    assert outcome(when(account, request(200), actor=ANN)) == ("refused", "idempotency_conflict")


def test_above_the_limit_a_second_person_agrees() -> None:
    asked = when(paid(), request(50_001), actor=ANN)
    assert kinds(asked) == [RefundRequested, WorkRaised]
    assert [event.approval_needed for event in events(asked) if isinstance(event, RefundRequested)] == [True]
    assert asked.tasks == ()

    assert outcome(when(asked.state, ApproveRefund(**NAMED), actor=ANN)) == ("refused", "second_person_required")
    assert outcome(when(asked.state, ApproveRefund(**NAMED), actor="patient:P-1")) == ("refused", "not_allowed")
    approved = when(asked.state, ApproveRefund(**NAMED), actor=BOB)
    assert kinds(approved) == [RefundApproved, WorkSettled]
    assert [type(task.data) for task in approved.tasks] == [MakeRefund]
    assert [work.work_id for work in approved.state.settled] == [asked.state.raised[-1].work_id]
    assert outcome(when(approved.state, DeclineRefund(**NAMED), actor=BOB)) == ("refused", "refund_decided")
    assert outcome(when(approved.state, ApproveRefund(**NAMED), actor=BOB)) == ("done", None)
    assert outcome(when(approved.state, ApproveRefund(**NAMED), actor="staff:cy")) == ("refused", "refund_decided")


def test_a_refund_that_was_declined_is_never_made_and_takes_nothing_from_what_is_left() -> None:
    asked = when(paid(), request(50_001), actor=ANN).state

    declined = when(asked, DeclineRefund(**NAMED), actor=ANN)

    assert kinds(declined) == [RefundDeclined, WorkSettled]
    assert (declined.tasks, declined.state.refunds["r-1"].status) == ((), "declined")
    assert outcome(when(declined.state, request(80_000, "r-2"), actor=ANN)) == ("done", None)
    assert outcome(when(declined.state, DeclineRefund(**NAMED), actor=ANN)) == ("done", None)
    assert outcome(when(declined.state, ApproveRefund(**NAMED), actor=BOB)) == ("refused", "refund_decided")
    assert outcome(when(paid(), DeclineRefund(**NAMED), actor=BOB)) == ("refused", "not_found")


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ({"stands": "returned", "reason": "R01"}, "refund_exceeds_payment"),
        ({"stands": "disputed", "dispute_status": "needs_response"}, "payment_disputed"),
        ({"stands": "disputed", "dispute_status": "under_review"}, "payment_disputed"),
        ({"stands": "disputed", "dispute_status": "lost"}, "refund_exceeds_payment"),
    ],
    ids=["returned", "disputed", "under review", "lost"],
)
def test_a_refund_of_money_that_is_not_there_any_more_can_only_be_declined(
    turn: dict[str, Any], reason: str
) -> None:
    asked = when(paid(), request(50_001), actor=ANN).state

    gone = when(asked, answer("succeeded", query=None, **turn)).state

    approved = when(gone, ApproveRefund(**NAMED), actor=BOB)
    assert (outcome(approved), approved.tasks) == (("refused", reason), ())
    assert outcome(when(gone, request(100, "r-2"), actor=ANN)) == ("refused", reason)
    assert outcome(when(gone, DeclineRefund(**NAMED), actor=BOB)) == ("done", None)
    won = when(gone, answer("succeeded", query=None, stands="disputed", dispute_status="won")).state
    may = won.payments["pay-1"].dispute_status == "won"
    assert (outcome(when(won, ApproveRefund(**NAMED), actor=BOB))[0] == "done") is may


def test_a_payment_that_was_returned_while_it_was_disputed_is_refused_as_one_without_money() -> None:
    account = paid()
    for turn in (
        {"stands": "disputed", "dispute_status": "needs_response"},
        {"stands": "returned", "reason": "R01"},
    ):
        account = when(account, answer("succeeded", query=None, **turn)).state

    assert outcome(when(account, request(100), actor=ANN)) == ("refused", "refund_exceeds_payment")


@pytest.mark.parametrize(("action", "told"), [("approve", RefundApproved), ("decline", RefundDeclined)])
def test_who_settles_an_approval_stays_known_with_what_they_did_and_why(action: str, told: type[Data]) -> None:
    asked = when(paid(), request(50_001), actor=ANN).state
    raised = asked.raised[-1]
    account = replace(asked, work={raised.work_id: raised})
    command = SettleWork(work_id=raised.work_id, account_number=NUMBER, action=action, note="As agreed")

    settled = when(account, command, actor=BOB)

    assert (kinds(settled), outcome(settled)) == ([told, WorkSettled], ("done", None))
    assert [(one.by, one.action, one.note) for one in settled.state.settled] == [(BOB, action, "As agreed")]
    assert outcome(when(settled.state, command, actor=BOB)) == ("done", None)
    assert outcome(when(settled.state, command, actor=ANN)) == ("refused", "work_settled")
    named = {**NAMED, "note": "As agreed"}
    by_topic = when(asked, ApproveRefund(**named) if action == "approve" else DeclineRefund(**named), actor=BOB)
    assert by_topic.state.settled == settled.state.settled
    chain = asked.refunds["r-1"].correlationid
    assert chain is not None
    assert {event.correlationid for event in settled.events} == {chain, None}
    assert {task.correlationid for task in (*settled.tasks, *by_topic.tasks)} <= {chain}


@pytest.mark.parametrize(
    ("action", "then", "status"),
    [
        ("made", [PaymentRefunded, BalanceChanged, WorkSettled], "succeeded"),
        ("not-made", [RefundFailed, WorkRaised, WorkSettled], "failed"),
    ],
)
def test_who_says_what_became_of_an_unknown_refund_stays_known(
    action: str, then: list[type[Data]], status: str
) -> None:
    asked = when(paid(), request(100), actor=ANN).state
    unknown = asked.with_refund(replace(asked.refunds["r-1"], status="unknown"))
    work = Work(work_id("refund-unknown", NUMBER, "r-1"), "refund-unknown", "", About(refund_id="r-1"), NOW)
    command = SettleWork(work_id=work.work_id, account_number=NUMBER, action=action, note="By the bank's list")

    settled = when(replace(unknown, work={work.work_id: work}), command, actor=BOB)

    assert (kinds(settled), settled.state.refunds["r-1"].status) == (then, status)
    chain = asked.refunds["r-1"].correlationid
    assert chain is not None
    assert [event.correlationid for event in settled.events] == [chain, chain, None]
    assert [(one.by, one.action) for one in settled.state.settled] == [(BOB, action)]


def test_a_refund_that_was_agreed_to_days_later_is_not_given_up_while_the_processor_knows_its_key() -> None:
    asked = when(paid(), request(50_001), actor=ANN).state
    agreed_at = NOW + 3 * KEY_LIFETIME
    approved = when(asked, ApproveRefund(**NAMED), at=agreed_at, actor=BOB).state
    lost = when(approved, told("unknown"), at=agreed_at).state

    early = when(lost, told("not_received", 1), at=agreed_at + timedelta(minutes=1))
    assert early.state.refunds["r-1"].status == "unknown"
    late = when(lost, told("not_received", 1), at=agreed_at + KEY_LIFETIME)
    assert late.state.refunds["r-1"].status == "failed"


def test_a_refund_that_is_known_after_all_ends_the_work_about_it() -> None:
    account = when(paid(), request(100), actor=ANN).state
    for query in range(len(QUERY_WAITS) + 1):
        asked = when(account, told("unknown", query))
        account = asked.state
    (raised,) = (event.data for event in asked.events)
    assert isinstance(raised, WorkRaised)

    known = when(account, told("succeeded", len(QUERY_WAITS)))

    assert kinds(known) == [PaymentRefunded, BalanceChanged, WorkSettled]
    assert known.events[-1].data == WorkSettled(work_id=raised.work_id, account_number=NUMBER, action="resolved")
    account = when(paid(), request(100), actor=ANN).state
    for query in range(len(QUERY_WAITS) + 1):
        assert kinds(when(account, told("succeeded", query))) == [PaymentRefunded, BalanceChanged]
        account = when(account, told("unknown", query)).state


def test_a_refund_that_fails_later_is_posted_the_other_way() -> None:
    asked = when(paid(), request(25_000), actor=ANN).state
    made = when(asked, told("succeeded")).state

    failed = when(made, told("failed", None))

    assert kinds(failed) == [RefundFailed, BalanceChanged, WorkRaised]
    assert failed.state.balance_minor == 40_000
    assert failed.state.payments["pay-1"].refunded_minor == 0
    assert [posting.kind for posting in failed.state.postings][-2:] == ["refund", "refund-failed"]
    assert when(failed.state, told("failed", None)).state is failed.state


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (told("failed", reason="charge_disputed"), "charge_disputed"),
        (told("failed"), "failed"),
        (told("not_received"), "not_received"),
    ],
)
def test_why_a_refund_failed_is_told_and_not_why_it_was_asked_for(answered: RefundAnswered, reason: str) -> None:
    asked = when(paid(), request(25_000), actor=ANN).state

    failed = when(asked, answered, at=NOW + KEY_LIFETIME)

    (event,) = (event for event in events(failed) if isinstance(event, RefundFailed))
    assert event.reason == reason
    details = dict(failed.state.raised[-1].details)
    assert (details["Why"], details["Failed because"]) == ("Charged twice", reason)


def test_a_refund_without_an_answer_is_asked_about_until_its_key_is_forgotten() -> None:
    asked = when(paid(), request(100), actor=ANN).state
    unknown = when(asked, told("unknown"))
    (task,) = unknown.tasks

    assert isinstance(task.data, QueryRefund)
    assert (task.data.query, task.due_at) == (1, NOW + QUERY_WAITS[0])
    assert events(unknown) == []
    assert when(unknown.state, told("unknown")).state is unknown.state
    early = when(unknown.state, told("not_received", 1), at=NOW + timedelta(hours=1))
    assert [type(task.data) for task in early.tasks] == [QueryRefund]
    assert kinds(when(early.state, told("not_received", 2), at=NOW + KEY_LIFETIME)) == [RefundFailed, WorkRaised]
