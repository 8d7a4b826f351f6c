"""Work that staff settle, of an account or of a settlement: once, in one of its ways, and told as it is kept."""

from collections.abc import Callable
from typing import Any

import pytest

from services.payments.domain import decide, named_by
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.charging import QUERY_WAITS
from services.payments.domain.records import Work
from services.payments.domain.settlement import CompareLines, Settlement
from services.payments.domain.work import SettleWork
from shared.events.envelope import Data
from shared.events.payments import ApproveRefund, CommandRefused, WorkSettled
from shared.events.vocabulary import About
from shared.frozen import replace
from shared.messaging.decision import Decision
from tests.unit.payments.refund_story import ANN, BOB, paid, request
from tests.unit.payments.story import (
    NOW,
    NUMBER,
    RULES,
    SECOND,
    answer,
    events,
    message,
    outcome,
    owing,
    submit,
    when,
)

RAISED = Work("w-1", "settlement-orphan", "", About(), NOW)


class Desk:
    """The state that a piece of work belongs to, and who settles it."""

    def __init__(self, state: GuarantorAccount | Settlement, key: str) -> None:
        self.state, self._key, self._now = state, key, NOW

    def settle(self, note: str | None, actor: str = ANN, **asked: Any) -> WorkSettled | str:
        """Return what is told, or why it is refused."""
        self._now += SECOND
        command = SettleWork(
            **{"work_id": "w-1", "action": "settle", **asked}, account_number=self._key, note=note
        )
        decided = decide(self.state, message(command, actor=actor), self._now, RULES)
        self.state = decided.state
        (event,) = decided.events
        if isinstance(event.data, CommandRefused):
            return event.data.reason
        assert isinstance(event.data, WorkSettled)
        assert event.outcome == "done"
        return event.data


def of_account() -> Desk:
    return Desk(GuarantorAccount(NUMBER, work={"w-1": RAISED}), NUMBER)


def of_settlement() -> Desk:
    return Desk(Settlement("po-1", work={"w-1": RAISED}), "\x1fpo-1")


@pytest.mark.parametrize("raised", [of_account, of_settlement])
def test_work_is_settled_once_and_told_again_only_as_it_is_kept(raised: Callable[[], Desk]) -> None:
    desk = raised()

    assert desk.settle("Called.", work_id="w-2") == "not_found"
    assert desk.settle("Called.", action="approve") == "unknown_action"
    told = desk.settle("Called.")
    assert isinstance(told, WorkSettled)
    assert (told.action, told.note) == ("settle", "Called.")
    assert [(one.by, one.action, one.note) for one in desk.state.settled] == [(ANN, "settle", "Called.")]
    ended = desk.state

    assert desk.settle("Called.") == told
    assert desk.settle("Wrote.") == desk.settle(None) == "idempotency_conflict"
    assert desk.settle("Called.", actor=BOB) == "work_settled"
    assert desk.settle("Called.", action="approve") == "unknown_action"
    assert desk.state == ended


def test_who_asked_for_a_refund_cannot_settle_its_approval() -> None:
    asked = when(paid(), request(50_001), actor=ANN).state
    (raised,) = asked.raised
    account = replace(asked, work={raised.work_id: raised})
    command = SettleWork(work_id=raised.work_id, account_number=NUMBER, action="approve")

    refused = when(account, command, actor=ANN)

    assert outcome(refused) == ("refused", "second_person_required")
    assert refused.state == account
    (told,) = events(refused)
    assert isinstance(told, CommandRefused)
    assert told.command_type == SettleWork.TYPE


def test_an_approval_that_a_command_gave_is_told_again_to_who_settles_its_work_alike() -> None:
    asked = when(paid(), request(50_001), actor=ANN).state
    (raised,) = asked.raised
    account = replace(asked, work={raised.work_id: raised})
    agreed = when(account, ApproveRefund(refund_id="r-1", account_number=NUMBER, note="Called."), actor=BOB).state
    command = SettleWork(work_id=raised.work_id, account_number=NUMBER, action="approve")

    again = when(agreed, command, actor=BOB)

    assert outcome(again) == ("done", None)
    assert again.state == agreed
    (told,) = events(again)
    assert isinstance(told, WorkSettled)
    assert told.note == "Called."


def later(account: GuarantorAccount, data: Data, actor: str = "service:payments") -> Decision[GuarantorAccount]:
    """Decide about a message in a batch of its own, with no work but what it names."""
    named = named_by([message(data)], RULES.proofs).work_ids
    work = {work_id: account.work[work_id] for work_id in named if work_id in account.work}
    return when(replace(account, work=work, raised=(), settled=()), data, actor=actor)


def asked_in_vain() -> GuarantorAccount:
    account = when(owing(V1=15_000), submit(10_000)).state
    for query in range(len(QUERY_WAITS) + 1):
        account = when(account, answer("unknown", query=query)).state
    return account


def disputed(status: str, query: int | None = None) -> Data:
    return answer("succeeded", query=query, stands="disputed", dispute_status=status)


@pytest.mark.parametrize(
    ("account", "action", "over"),
    [
        (when(paid(), disputed("needs_response")).state, "settle", disputed("won")),
        (when(paid(), disputed("needs_response")).state, "settle", disputed("lost", query=1)),
        (asked_in_vain(), "ask-again", answer("succeeded", query=None)),
        (asked_in_vain(), "ask-again", answer("declined", query=None)),
        (
            asked_in_vain(),
            "ask-again",
            CompareLines(settlement_id="po-1", account_number=NUMBER, lines=(("ch-1", "pay-1", 10_000),)),
        ),
    ],
    ids=["won", "lost", "taken", "declined", "paid-out"],
)
def test_work_that_staff_settled_is_not_told_to_be_over_once_more(
    account: GuarantorAccount, action: str, over: Data
) -> None:
    work_id = account.raised[-1].work_id
    assert WorkSettled in [type(event) for event in events(later(account, over))]

    settled = when(account, SettleWork(work_id=work_id, account_number=NUMBER, action=action), actor=ANN)

    assert WorkSettled not in [type(event) for event in events(later(settled.state, over))]


def test_posting_a_payment_that_had_failed_ends_no_other_work_than_its_own() -> None:
    asked = asked_in_vain()
    said = {"account_number": NUMBER, "note": "The bank says so."}
    not_taken = SettleWork(work_id=asked.raised[-1].work_id, action="not-taken", **said)
    failed = when(asked, not_taken, actor=ANN).state
    taken = later(failed, answer("succeeded", query=None)).state
    post = SettleWork(work_id=taken.raised[-1].work_id, action="post", **said)

    told = [event for event in events(later(taken, post, ANN)) if isinstance(event, WorkSettled)]

    assert [event.action for event in told] == ["post"]
