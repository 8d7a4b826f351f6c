"""A payment from its submission to its end."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.charging import KEY_LIFETIME, QUERY_WAITS
from services.payments.domain.work import SettleWork
from shared.events.payments import (
    BalanceChanged,
    CommandRefused,
    MethodShown,
    PaymentAccepted,
    PaymentFailed,
    PaymentSucceeded,
    PaymentUnknown,
    WorkRaised,
    WorkSettled,
)
from shared.events.vocabulary import Method
from tests.unit.payments.story import (
    GUARANTOR,
    NOW,
    NUMBER,
    SECOND,
    answer,
    charge,
    charge_tasks,
    closed,
    events,
    given,
    opened,
    outcome,
    owing,
    query_tasks,
    shares,
    submit,
    when,
)

PAID: dict[str, Any] = {"payment_id": "pay-1", "account_number": NUMBER, "amount_minor": 10_000, "currency": "USD"}


def processing() -> GuarantorAccount:
    return when(owing(V1=15_000), submit(10_000)).state


def unknown() -> GuarantorAccount:
    return when(processing(), answer("unknown")).state


def test_a_payment_is_accepted_and_its_charge_is_asked_for() -> None:
    decision = when(owing(V1=15_000), submit(10_000))

    assert outcome(decision) == ("done", None)
    assert events(decision) == [PaymentAccepted(**PAID, allocation=shares(V1=10_000))]
    (asked,) = charge_tasks(decision)
    assert (asked.payment_id, asked.amount_minor, asked.kind, asked.token) == ("pay-1", 10_000, "card", "tok_ok")
    payment = decision.state.payments["pay-1"]
    assert payment.status == "processing"
    assert payment.processor_key == asked.key
    assert payment.submitted_by == GUARANTOR


def test_the_balance_stays_until_the_processor_has_answered() -> None:
    assert processing().balance_minor == 15_000


def test_the_processors_key_follows_from_the_payment_alone() -> None:
    def key(amount_minor: int, payment_id: str, at: datetime) -> str:
        return charge_tasks(when(owing(V1=15_000), submit(amount_minor, payment_id), at=at))[0].key

    assert key(100, "a", NOW) == key(200, "a", NOW + SECOND)
    assert key(100, "a", NOW) != key(100, "b", NOW)


@pytest.mark.parametrize("actor", ["patient:P-1", "proxy:P-2", "patient:P-2", "staff:ann"])
def test_the_guarantor_the_viewers_and_staff_may_pay(actor: str) -> None:
    assert outcome(when(owing(V1=100), submit(100), actor=actor)) == ("done", None)


@pytest.mark.parametrize("actor", ["patient:P-3", "proxy:P-3", "guest", "host:P-1", "service:P-1"])
def test_for_anybody_else_the_account_is_not_found(actor: str) -> None:
    assert outcome(when(owing(V1=100), submit(100), actor=actor)) == ("refused", "not_found")


@pytest.mark.parametrize("account", [None, given(charge(100))], ids=["unknown", "not opened"])
def test_an_account_that_is_not_open_is_not_found(account: GuarantorAccount | None) -> None:
    decision = when(account, submit(100))

    assert outcome(decision) == ("refused", "not_found")
    assert decision.tasks == ()


def test_the_same_payment_in_a_new_message_is_done_again_without_a_charge() -> None:
    account = processing()

    decision = when(account, submit(10_000, review_token="another"), at=NOW + SECOND)

    assert outcome(decision) == ("done", None)
    assert events(decision) == [PaymentAccepted(**PAID, allocation=shares(V1=10_000))]
    assert decision.tasks == ()
    assert decision.state is account


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_minor": 9_999},
        {"currency": "EUR"},
        {"method": Method(kind="card", token="tok_other", last4="4242", brand="visa")},
        {"allocation": shares(V1=10_000)},
        {"save_method": True},
    ],
    ids=["amount", "currency", "method", "allocation", "saving"],
)
def test_the_same_id_with_other_content_is_an_idempotency_conflict(changes: dict[str, Any]) -> None:
    decision = when(processing(), submit(**{"amount_minor": 10_000} | changes), at=NOW + SECOND)

    assert outcome(decision) == ("refused", "idempotency_conflict")
    assert decision.tasks == ()


def test_who_says_nothing_of_saving_the_method_and_who_says_no_ask_for_the_same() -> None:
    for asked, again in ((False, None), (None, False)):
        account = when(owing(V1=100), submit(100, save_method=asked)).state

        assert outcome(when(account, submit(100, save_method=again), at=NOW + SECOND)) == ("done", None)


def test_the_same_id_for_other_shares_is_an_idempotency_conflict() -> None:
    first = submit(100, allocation=shares(V1=60, V2=40))
    account = when(owing(V1=100, V2=100), first).state

    assert outcome(when(account, first, at=NOW + SECOND)) == ("done", None)
    for other in (shares(V1=50, V2=50), shares(V2=60, V1=40)):
        again = first.model_copy(update={"allocation": other})
        assert outcome(when(account, again, at=NOW + SECOND)) == ("refused", "idempotency_conflict")


def test_a_payment_that_was_refused_is_decided_anew() -> None:
    refused = when(owing(V1=100), submit(200)).state

    assert outcome(when(when(refused, charge(100, charge_id="more")).state, submit(200))) == ("done", None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"currency": "EUR", "amount_minor": 0}, "currency_mismatch"),
        ({"amount_minor": 0, "allocation": shares(V2=1)}, "amount_not_positive"),
        ({"amount_minor": 900, "allocation": shares(V9=1, V2=1)}, "not_found"),
        ({"amount_minor": -1}, "amount_not_positive"),
        ({"amount_minor": 900, "allocation": shares(V1=100, V2=1)}, "account_closed"),
        ({"amount_minor": 900, "allocation": shares(V1=100)}, "allocation_mismatch"),
        ({"amount_minor": 101}, "amount_exceeds_balance"),
        ({"amount_minor": 41}, "payment_in_progress"),
    ],
)
def test_of_several_reasons_the_first_in_order_is_told(changes: dict[str, Any], reason: str) -> None:
    account = when(owing(V1=100, V2=100), closed("V-2")).state
    account = when(account, submit(60, "pay-0")).state

    assert outcome(when(account, submit(**changes))) == ("refused", reason)


def test_a_refusal_names_the_command_and_tells_the_reason_in_words() -> None:
    (refused,) = events(when(owing(V1=100), submit(101)))

    assert refused == CommandRefused(
        command_type="payments.submit-payment.v1",
        reason="amount_exceeds_balance",
        detail="The amount is more than what is owed.",
    )


def test_a_charge_that_succeeded_is_posted_and_lowers_the_balance() -> None:
    account = when(owing(V1=15_000, V2=500), submit(15_200)).state

    decision = when(account, answer("succeeded", charge_id="ch-1"))

    allocation = shares(V1=15_000, V2=200)
    told = {**PAID, "amount_minor": 15_200, "allocation": allocation}
    method = MethodShown(kind="card", last4="4242", brand="visa")
    assert events(decision) == [
        PaymentSucceeded(**told, method=method),
        BalanceChanged(account_number=NUMBER, balance_minor=300, currency="USD", version=3),
    ]
    payment = decision.state.payments["pay-1"]
    assert (payment.status, payment.charge_id) == ("succeeded", "ch-1")
    assert decision.state.postings[-1].lines == (
        ("processor:clearing", 15_200),
        ("receivable:V-1", -15_000),
        ("receivable:V-2", -200),
    )
    assert decision.state.visits["V-2"].balance_minor == 300
    assert decision.state.reserved_minor() == {}


def test_a_charge_that_was_declined_fails_the_payment_and_frees_what_it_reserved() -> None:
    decision = when(processing(), answer("declined", reason="insufficient_funds"))

    assert events(decision) == [PaymentFailed(**PAID, reason="insufficient_funds")]
    assert decision.state.balance_minor == 15_000
    assert outcome(when(decision.state, submit(15_000, "pay-2"))) == ("done", None)


def test_an_answer_that_is_missing_makes_the_payment_unknown_and_asks_again() -> None:
    decision = when(processing(), answer("unknown"))

    assert events(decision) == [PaymentUnknown(**PAID)]
    ((query, due_at),) = query_tasks(decision)
    assert (query.query, due_at) == (1, NOW + timedelta(seconds=10))
    assert query.key == decision.state.payments["pay-1"].processor_key


def test_an_unknown_payment_still_reserves_its_amount() -> None:
    assert outcome(when(unknown(), submit(5_001, "pay-2"))) == ("refused", "payment_in_progress")


@pytest.mark.parametrize("result", ["unknown", "not_received"])
def test_an_unknown_payment_is_told_once_and_asked_about_more_and_more_rarely(result: str) -> None:
    account, now = processing(), NOW
    waits, told = [], []
    for query in range(len(QUERY_WAITS)):
        decision = when(account, answer(result if now < NOW + KEY_LIFETIME else "unknown", query=query), at=now)
        ((_, due_at),) = query_tasks(decision)
        waits.append(due_at - now)
        told += events(decision)
        account, now = decision.state, due_at

    day = timedelta(days=1)
    assert waits == [10 * SECOND, timedelta(minutes=5), timedelta(hours=1), day, day, day, day, day]
    assert told == [PaymentUnknown(**PAID)]


def test_when_all_the_asking_is_done_a_person_is_asked_and_the_payment_stays_unknown() -> None:
    account = processing()
    for query in range(len(QUERY_WAITS)):
        account = when(account, answer("unknown", query=query)).state

    decision = when(account, answer("unknown", query=len(QUERY_WAITS)))

    (work,) = events(decision)
    assert isinstance(work, WorkRaised)
    assert (work.pool, work.about.payment_id, work.about.account_number) == ("billing", "pay-1", NUMBER)
    assert decision.tasks == ()
    assert decision.state.payments["pay-1"].status == "unknown"
    assert events(when(decision.state, answer("unknown", query=len(QUERY_WAITS)))) == []
    raised = decision.state.raised[-1]
    command = SettleWork(work_id=raised.work_id, account_number=NUMBER, action="ask-again")
    asked = when(decision.state, command, actor="staff:ann")
    still = when(asked.state, answer("unknown", query=None))
    assert [type(event) for event in events(still)] == [WorkRaised]
    assert (still.state.work[raised.work_id].settled, still.state.settled) == (None, ())
    for result, ended in (("succeeded", PaymentSucceeded), ("declined", PaymentFailed)):
        told = events(when(decision.state, answer(result, query=None)))
        assert isinstance(told[0], ended)
        assert told[-1] == WorkSettled(work_id=work.work_id, account_number=NUMBER, action="resolved")


def test_what_the_processor_never_saw_fails_only_once_it_has_forgotten_the_key() -> None:
    early = when(unknown(), answer("not_received", query=1), at=NOW + KEY_LIFETIME - SECOND)
    assert events(early) == []
    assert early.state.payments["pay-1"].status == "unknown"

    late = when(unknown(), answer("not_received", query=1), at=NOW + KEY_LIFETIME)
    assert events(late) == [PaymentFailed(**PAID, reason="not_received")]


@pytest.mark.parametrize(("result", "status"), [("succeeded", "succeeded"), ("declined", "failed")])
def test_a_query_that_learns_the_truth_ends_an_unknown_payment(result: str, status: str) -> None:
    decision = when(unknown(), answer(result, query=1))

    assert decision.state.payments["pay-1"].status == status
    assert decision.tasks == ()


@pytest.mark.parametrize(
    ("account", "late"),
    [
        (when(processing(), answer("succeeded")).state, answer("succeeded")),
        (when(processing(), answer("succeeded")).state, answer("declined")),
        (when(processing(), answer("succeeded")).state, answer("unknown")),
        (when(processing(), answer("declined")).state, answer("declined")),
        (when(processing(), answer("declined")).state, answer("unknown")),
        (unknown(), answer("unknown")),
        (when(unknown(), answer("unknown", query=1)).state, answer("not_received", query=1)),
    ],
)
def test_an_answer_that_comes_twice_or_late_does_nothing(account: GuarantorAccount, late: Any) -> None:
    decision = when(account, late, at=NOW + SECOND)

    assert (decision.state, decision.events, decision.tasks) == (account, (), ())


def test_money_that_was_taken_after_all_is_a_persons_to_look_at() -> None:
    failed = when(processing(), answer("declined")).state

    decision = when(failed, answer("succeeded", query=1))

    assert [type(event) for event in events(decision)] == [WorkRaised]
    assert decision.state.payments == failed.payments
    assert [work.kind for work in decision.state.raised] == ["payment-taken"]


def test_a_payment_of_a_visit_that_was_closed_meanwhile_is_posted_to_it() -> None:
    account = when(processing(), closed("V-1")).state

    decision = when(account, answer("succeeded"))

    assert [type(event) for event in events(decision)] == [PaymentSucceeded]
    assert decision.state.visits["V-1"].paid_minor == 10_000


def test_an_id_that_another_account_has_used_is_an_idempotency_conflict() -> None:
    account = owing(V1=100)
    elsewhere = GuarantorAccount(
        NUMBER, account.opened, visits=account.visits, payment_ids_elsewhere=frozenset({"pay-1"})
    )

    assert outcome(when(elsewhere, submit(100))) == ("refused", "idempotency_conflict")
    assert outcome(when(elsewhere, submit(100, "pay-2"))) == ("done", None)


def test_a_charge_may_be_sent_only_well_within_the_lifetime_of_its_key() -> None:
    (asked,) = charge_tasks(when(owing(V1=100), submit(100)))

    assert NOW < asked.send_before < NOW + KEY_LIFETIME


def test_opening_an_account_anew_changes_who_may_pay() -> None:
    account = when(owing(V1=100), opened(viewers=("P-3",)), at=NOW + SECOND).state

    assert outcome(when(account, submit(100), actor="proxy:P-2")) == ("refused", "not_found")
    assert outcome(when(account, submit(100), actor="proxy:P-3")) == ("done", None)
