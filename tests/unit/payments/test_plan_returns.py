"""What comes back of a plan's payments while it goes on, and what becomes of what they had paid."""

from datetime import UTC, datetime, timedelta
from functools import partial

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.instalment_timer import GraceTimer
from shared.events.payments import BalanceChanged, PaymentReturned, PaymentSucceeded, WorkRaised
from shared.events.plans import InstalmentFailed, InstalmentPaid, PlanDefaulted
from tests.unit.payments.plan_story import BANK, due, paid_by, pay, plan_of, started, timers
from tests.unit.payments.story import answer, charge_tasks, events, outcome, submit, when

DAY = datetime(2025, 3, 31, 12, tzinfo=UTC)
"""When the first instalment falls due."""

came_back = partial(answer, "succeeded", query=None, stands="returned", reason="R01")


def charged_while_a_part_comes_back() -> GuarantorAccount:
    """Return an account whose first instalment is charged, less a part of it that was paid and comes back now."""
    account = due(pay(started(), 2_000, "pay-1", plan_id="plan-1", method=BANK)).state
    back = when(account, came_back(), at=DAY)
    (failed,) = (event for event in events(back) if isinstance(event, InstalmentFailed))
    assert [type(event) for event in events(back)] == [PaymentReturned, BalanceChanged, InstalmentFailed]
    assert (failed.number, failed.payment_id, failed.reason, failed.retry_on) == (1, "pay-1", "R01", None)
    assert (plan_of(back.state).instalment(1).status, back.tasks) == ("processing", ())
    return back.state


def test_what_comes_back_while_an_instalment_is_charged_is_told_and_left_to_be_paid_by_hand() -> None:
    account = charged_while_a_part_comes_back()

    taken = when(account, answer("succeeded", payment_id=paid_by(account)), at=DAY)

    assert [type(event) for event in events(taken)] == [PaymentSucceeded, BalanceChanged]
    one = plan_of(taken.state).instalment(1)
    assert (one.status, one.left_minor) == ("failed", 2_000)
    ((grace, at),) = timers(taken)
    assert isinstance(grace, GraceTimer)
    assert at == DAY + timedelta(days=10)
    paid = when(
        when(taken.state, submit(2_000, "pay-2", plan_id="plan-1")).state, answer("succeeded", payment_id="pay-2")
    )
    assert InstalmentPaid in [type(event) for event in events(paid)]
    assert when(paid.state, grace, at=at).state is paid.state
    ended = when(taken.state, grace, at=at)
    assert [type(event) for event in events(ended)] == [PlanDefaulted, WorkRaised]
    assert outcome(when(ended.state, submit(10_000, "pay-3"))) == ("done", None)


def test_what_comes_back_while_an_instalment_is_charged_in_vain_is_tried_again_with_it() -> None:
    account = charged_while_a_part_comes_back()

    failed = when(account, answer("declined", payment_id=paid_by(account), reason="card_declined"), at=DAY)

    ((again, at),) = timers(failed)
    assert at
    assert [asked.amount_minor for asked in charge_tasks(when(failed.state, again, at=at))] == [5_000]
