"""Work that services raise and settle: what the inbox makes of it."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest

from services.inbox.domain.item import Desk
from services.inbox.domain.routing import PoolEntry, RuleSet
from shared.events.envelope import Data
from shared.events.inbox import (
    ItemDone,
    ItemReopened,
    WorkQueued,
)
from shared.events.insurance import WorkRaised as InsuranceWorkRaised
from shared.events.insurance import WorkSettled as InsuranceWorkSettled
from shared.events.payments import WorkRaised as PaymentsWorkRaised
from shared.events.payments import WorkSettled as PaymentsWorkSettled
from shared.events.vocabulary import About
from shared.events.work import WorkRaised, WorkSettled
from tests.unit.inbox.story import (
    ANN,
    DAY,
    NOW,
    SECOND,
    claim,
    events,
    finish,
    item_of,
    outcome,
    reassign,
    reply,
    when,
    work,
)


def test_work_of_a_service_has_nobody_to_reply_to() -> None:
    queued = when(None, work(), actor="service:payments")
    assert [type(event) for event in events(queued)] == [WorkQueued]
    assert outcome(when(queued.state, reply(1), actor=ANN)) == ("refused", "no_thread")
    assert item_of(queued).due_at == NOW + 2 * DAY
    assert outcome(when(queued.state, finish(1), NOW + timedelta(hours=1), ANN)) == ("done", None)


def test_what_is_said_about_work_has_one_key_wherever_it_is_moved() -> None:
    queued = when(None, work(), actor="service:payments")
    moved = when(queued.state, reassign(1), NOW + SECOND, ANN)
    held = when(moved.state, claim(2), NOW + SECOND, ANN)
    repeated = when(held.state, work(), NOW + SECOND, "service:payments")
    assert (repeated.state, outcome(repeated)) == (held.state, ("done", None))
    another = when(held.state, work(pool="crm", summary="Other"), NOW + SECOND, "service:payments")
    keys = [event.key for decision in (queued, moved, held, repeated, another) for event in decision.events]
    assert keys == [*["pool:billing"] * 4, "pool:crm"]

    closed = PoolEntry(pool="billing", name="Closed", roles=("crm",), active=False)
    lost = when(Desk(rule_sets=(RuleSet(version=2, pools=(closed,), rules=()),)), work(), actor="service:payments")
    assert (item_of(lost).pool, lost.events[0].key) == ("unroutable", "pool:billing")
    assert item_of(lost).why not in ("", item_of(queued).why)


PAYMENTS_RAISED = PaymentsWorkRaised(work_id="W-1", pool="billing", summary="A debit", about=About(payment_id="P"))
PAYMENTS_SETTLED = PaymentsWorkSettled(work_id="W-1", account_number="G-1", action="taken", note="By phone.")
INSURANCE_RAISED = InsuranceWorkRaised(
    work_id="W-1", pool="insurance", summary="No answer", about=About(patient_id="PT-1")
)
INSURANCE_SETTLED = InsuranceWorkSettled(work_id="W-1", patient_id="PT-1", action="close")


@pytest.mark.parametrize(
    ("raised", "settled", "reason"),
    [
        (PAYMENTS_RAISED, PAYMENTS_SETTLED, "Settled in payments: By phone."),
        (INSURANCE_RAISED, INSURANCE_SETTLED, "Settled in insurance"),
    ],
)
def test_what_its_service_settles_is_done_whichever_is_heard_first(
    raised: PaymentsWorkRaised | InsuranceWorkRaised, settled: Data, reason: str
) -> None:
    for told in ((raised, settled, settled), (settled, raised)):
        decisions = [when(None, told[0], actor="service:x")]
        for one in told[1:]:
            decisions.append(when(decisions[-1].state, one, NOW + SECOND, "service:x"))
        said = [type(event) for decision in decisions for event in events(decision)]
        assert sorted(one.TYPE for one in said) == [ItemDone.TYPE, WorkQueued.TYPE]
        for item in map(item_of, decisions):
            assert (item.pool, item.service) == (raised.pool, raised.TYPE.partition(".")[0])
        item, desk = item_of(decisions[-1]), decisions[-1].state
        assert isinstance(desk, Desk)
        assert (item.state, item.due_at, item.version) == ("done", None, 2)
        assert item.subject in ("A debit", "No answer")
        assert [one.reason for one in desk.changes if one.what == "done"] == [reason]


@pytest.mark.parametrize(
    ("raised", "settled"), [(PAYMENTS_RAISED, PAYMENTS_SETTLED), (INSURANCE_RAISED, INSURANCE_SETTLED)]
)
def test_work_that_is_raised_again_after_it_was_settled_is_open_again(raised: Data, settled: Data) -> None:
    desk: Any = None
    for told in (raised, settled):
        desk = when(desk, told, actor="service:x").state
    later = NOW + timedelta(hours=1)
    again = when(desk, raised, later, "service:x")
    assert [type(event) for event in events(again)] == [ItemReopened]
    item = item_of(again)
    assert (item.state, item.version, item.since, item.due_at) == ("open", 3, later, later + 2 * DAY)
    assert events(when(again.state, raised, later + SECOND, "service:x")) == []


class LabWorkRaised(WorkRaised):
    TYPE: ClassVar[str] = "lab.work-raised.v1"


class LabWorkSettled(WorkSettled):
    TYPE: ClassVar[str] = "lab.work-settled.v1"
    POOL: ClassVar[str] = "crm"
    note: None = None


def test_work_of_a_service_that_the_inbox_does_not_know_of_is_that_services_own() -> None:
    raised = LabWorkRaised(work_id="W-1", pool="crm", summary="A sample is lost", about=About(patient_id="PT-1"))
    settled = LabWorkSettled(work_id="W-1")
    for told in ((raised, settled), (settled, raised)):
        first = when(None, told[0], actor="service:lab")
        last = when(first.state, told[1], NOW + SECOND, "service:lab")
        assert [(one.service, one.pool) for one in map(item_of, (first, last))] == [("lab", "crm")] * 2
        assert isinstance(last.state, Desk)
        assert "Settled in lab" in [one.reason for one in last.state.changes]


def test_what_a_colleague_holds_is_settled_all_the_same() -> None:
    raised = when(None, PAYMENTS_RAISED, actor="service:payments")
    held = when(raised.state, claim(1), actor=ANN)
    settled = item_of(when(held.state, PAYMENTS_SETTLED, NOW + SECOND, "service:payments"))
    assert (settled.state, settled.assignee, settled.version) == ("done", None, 3)
