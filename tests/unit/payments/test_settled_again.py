"""Work that staff settle, of an account or of a settlement: once, in one of its ways, and told as it is kept."""

from collections.abc import Callable
from typing import Any

import pytest

from services.payments.domain import decide
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import Work
from services.payments.domain.settlement import Settlement
from services.payments.domain.work import SettleWork
from shared.events.payments import ApproveRefund, CommandRefused, WorkSettled
from shared.events.vocabulary import About
from shared.frozen import replace
from tests.unit.payments.refund_story import ANN, BOB, paid, request
from tests.unit.payments.story import NOW, NUMBER, RULES, SECOND, events, message, outcome, when

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
