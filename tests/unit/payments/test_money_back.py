"""Money that a bank or a card holder takes back, and what it makes owed again."""

from typing import Any

import pytest

from services.payments.domain.account import GuarantorAccount
from shared.events.envelope import Data
from shared.events.payments import (
    BalanceChanged,
    PaymentDisputed,
    PaymentReturned,
    PaymentSucceeded,
    WorkRaised,
    WorkSettled,
)
from shared.messaging.decision import Decision
from tests.unit.payments.refund_story import ANN, BOB, kinds, paid, request, told
from tests.unit.payments.story import (
    adjustment,
    answer,
    closed,
    events,
    outcome,
    owing,
    submit,
    when,
)


def test_a_bank_return_is_owed_again_and_an_unknown_code_goes_to_a_person() -> None:
    decision = when(paid(), answer("succeeded", query=None, stands="returned", reason="R02"))

    assert kinds(decision) == [PaymentReturned, BalanceChanged]
    assert [event.reason for event in events(decision) if isinstance(event, PaymentReturned)] == ["R02"]
    assert decision.state.balance_minor == 120_000
    assert outcome(when(decision.state, request(100), actor=ANN)) == ("refused", "refund_exceeds_payment")
    known = when(paid(), answer("succeeded", query=None, stands="returned", reason="R09"))
    assert kinds(known) == [PaymentReturned, BalanceChanged]
    strange = when(paid(), answer("succeeded", query=None, stands="returned", reason="R99"))
    assert kinds(strange) == [PaymentReturned, BalanceChanged, WorkRaised]


def closed_once_paid() -> GuarantorAccount:
    return when(when(paid(60_000), request(20_000), actor=ANN).state, closed("V-1"), actor="host:billing").state


@pytest.mark.parametrize(
    ("back", "again_minor"),
    [
        (answer("succeeded", query=None, stands="returned", reason="R01"), 60_000),
        (answer("succeeded", query=None, stands="disputed", dispute_status="lost"), 60_000),
        (told("succeeded"), 20_000),
    ],
    ids=["returned", "lost", "refunded"],
)
def test_what_comes_back_opens_a_visit_that_was_closed(back: Data, again_minor: int) -> None:
    account = closed_once_paid()
    assert (account.balance_minor, account.visits["V-1"].closed) == (60_000, True)

    decision = when(account, back)

    assert BalanceChanged in kinds(decision)
    assert (decision.state.balance_minor, decision.state.visits["V-1"].closed) == (60_000 + again_minor, False)
    assert outcome(when(decision.state, submit(60_000 + again_minor, "pay-2"))) == ("done", None)


def test_what_comes_back_of_a_visit_that_owes_nothing_leaves_it_closed() -> None:
    account = when(closed_once_paid(), adjustment(-60_000), actor="host:billing").state

    back = when(account, answer("succeeded", query=None, stands="returned", reason="R01")).state

    assert (back.balance_minor, back.visits["V-1"].closed) == (60_000, True)


def test_a_dispute_goes_to_a_person_and_is_owed_again_when_it_is_lost() -> None:
    def disputed(account: GuarantorAccount, status: Any) -> Decision[GuarantorAccount]:
        said = answer("succeeded", query=None, stands="disputed", reason="fraudulent", dispute_status=status)
        return when(account, said)

    raised = disputed(paid(), None)
    assert [event.dispute_status for event in events(raised) if isinstance(event, PaymentDisputed)] == [
        "needs_response"
    ]
    assert kinds(raised) == [PaymentDisputed, WorkRaised]
    assert disputed(raised.state, None).state is raised.state
    assert kinds(disputed(raised.state, "under_review")) == [PaymentDisputed]
    lost = disputed(raised.state, "lost")
    assert kinds(lost) == [PaymentDisputed, BalanceChanged, WorkSettled]
    assert lost.state.balance_minor == 120_000
    assert disputed(lost.state, "under_review").state is lost.state
    won = disputed(raised.state, "won")
    assert kinds(won) == [PaymentDisputed, WorkSettled]
    assert disputed(won.state, "under_review").state is won.state
    assert kinds(disputed(paid(), "won")) == [PaymentDisputed]
    assert won.state.settled[-1].work_id == raised.state.raised[-1].work_id


def test_a_dispute_lost_owes_again_only_what_was_not_refunded() -> None:
    asked = when(paid(), request(30_000), actor=ANN).state
    refunded = when(asked, told("succeeded")).state
    assert refunded.balance_minor == 70_000

    lost = when(refunded, answer("succeeded", query=None, stands="disputed", dispute_status="lost"))

    assert kinds(lost) == [PaymentDisputed, BalanceChanged]
    assert lost.state.balance_minor == 120_000
    assert lost.state.postings[-1].lines == (("processor:clearing", -50_000), ("receivable:V-1", 50_000))


def test_a_dispute_lost_over_a_payment_that_was_refunded_whole_owes_nothing_again() -> None:
    asked = when(paid(), request(50_000), actor=ANN).state
    refunded = when(asked, told("succeeded")).state
    rest = when(refunded, request(30_000, "r-2"), actor=BOB).state
    whole = when(rest, told("succeeded", refund_id="r-2")).state
    assert whole.balance_minor == 120_000

    lost = when(whole, answer("succeeded", query=None, stands="disputed", dispute_status="lost"))

    assert kinds(lost) == [PaymentDisputed]
    assert (lost.state.balance_minor, lost.state.postings) == (120_000, whole.postings)


def test_what_the_processor_cannot_say_after_a_webhook_goes_to_a_person() -> None:
    for result in ("unknown", "not_received"):
        unclear = when(paid(), answer(result, query=None))
        assert kinds(unclear) == [WorkRaised]
        assert [work.kind for work in unclear.state.raised] == ["payment-unclear"]


def test_a_return_that_is_heard_of_with_the_charge_itself_is_told_after_it() -> None:
    paying = when(owing(V1=60_000), submit(60_000)).state

    decision = when(paying, answer("succeeded", query=1, stands="returned", reason="R01"))

    assert kinds(decision) == [PaymentSucceeded, BalanceChanged, PaymentReturned, BalanceChanged]
    assert decision.state.balance_minor == 60_000
    assert [posting.kind for posting in decision.state.postings] == ["charge", "payment", "return"]
