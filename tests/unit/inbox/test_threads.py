"""A patient's further messages of a thread: what becomes of its item."""

from dataclasses import replace

import pytest

from services.inbox.domain import State
from services.inbox.domain.commands import EscalateItem, FinishItem, ItemCommand, PostponeItem, ReplyToItem
from services.inbox.domain.item import TimeLimit
from services.inbox.domain.patient import Patient
from services.inbox.domain.routing import PoolEntry, Rule, RuleSet, When
from shared.events.inbox import ItemReopened, MessageRouted, MessageUnroutable, SendMessage
from shared.messaging.decision import Decision
from tests.unit.inbox.story import (
    DAY,
    NOW,
    SECOND,
    ask_provider,
    booked,
    desk,
    events,
    item_of,
    outcome,
    patient,
    send,
    when,
)


def test_a_message_in_a_thread_joins_its_item_and_reopens_what_was_done() -> None:
    first = when(patient(), send())
    thread = item_of(first).thread_id
    joined = when(first.state, send("MSG-2", thread_id=thread), NOW + SECOND)
    assert (item_of(joined).version, item_of(joined).since) == (2, NOW)
    assert joined.tasks == ()
    assert outcome(when(first.state, send("MSG-2", thread_id="another"))) == ("refused", "not_found")

    assert isinstance(first.state, Patient)
    closed = replace(first.state, items={str(thread): replace(item_of(first), state="done", due_at=None)})
    reopened = when(closed, send("MSG-2", thread_id=thread), NOW + DAY)
    assert [type(event) for event in events(reopened)] == [MessageRouted, ItemReopened]
    assert (item_of(reopened).state, item_of(reopened).since) == ("open", NOW + DAY)
    assert len(reopened.tasks) == 1


def test_a_message_that_is_for_others_than_its_thread_is_refused() -> None:
    known = patient(booked("PRV-1"), booked("PRV-2"))
    bill, asked = when(known, send()), when(known, ask_provider("PRV-1"))
    of_bill, of_asked = item_of(bill).thread_id, item_of(asked).thread_id
    mismatch = ("refused", "thread_mismatch")
    assert outcome(when(bill.state, ask_provider("PRV-1", message_id="M-2", thread_id=of_bill))) == mismatch
    assert outcome(when(bill.state, send("M-2", thread_id=of_bill, category="portal-help"))) == mismatch
    for provider in ("PRV-2", "nobody"):
        another = ask_provider(provider, message_id="M-2", thread_id=of_asked)
        assert outcome(when(asked.state, another)) == mismatch
    for same in (None, "PRV-1"):
        again = ask_provider(same, message_id="M-2", thread_id=of_asked)
        assert outcome(when(asked.state, again)) == ("done", None)


def test_words_of_danger_in_a_later_message_bring_the_limit_forward_and_never_back() -> None:
    hour = 3600 * SECOND
    first = when(patient(), send())
    thread = item_of(first).thread_id
    danger = send("MSG-2", thread_id=thread, body="Now I have chest pain")
    joined = when(first.state, danger, NOW + hour)
    item = item_of(joined)
    assert (item.since, item.due_at, item.limit_minutes, item.priority) == (NOW, NOW + 2 * hour, 120, 0)
    (limit,) = joined.tasks
    assert (limit.due_at, limit.data) == (NOW + 2 * hour, TimeLimit(item_id=item.item_id, limit=2))
    for body in ("The chest pain is worse", "Is anybody there?"):
        again = when(joined.state, send("MSG-3", thread_id=thread, body=body), NOW + hour + SECOND)
        assert (item_of(again).due_at, again.tasks) == (NOW + 2 * hour, ())
        assert (item_of(again).urgent_words, item_of(again).priority) == (("chest pain",), 0)
    late = when(first.state, danger, NOW + 2 * DAY - SECOND)
    assert (item_of(late).due_at, late.tasks) == (NOW + 2 * DAY, ())


@pytest.mark.parametrize(
    "answered", [ReplyToItem(item_id="I", version=1, body="Call us."), FinishItem(item_id="I", version=1)]
)
def test_once_danger_is_answered_a_later_message_counts_by_itself(answered: ItemCommand) -> None:
    first = when(patient(), send(body="I have chest pain"))
    later = item_of(when(desk(first), answered, actor="staff:ann"))
    assert isinstance(first.state, Patient)
    known = replace(first.state, items={str(later.thread_id): later})
    calm = item_of(when(known, send("MSG-2", thread_id=later.thread_id), NOW + 3 * DAY))
    assert (calm.urgent_words, calm.priority, calm.limit_minutes) == ((), 1, 1080)
    again = send("MSG-2", thread_id=later.thread_id, body="The chest pain is back")
    assert item_of(when(known, again, NOW + 3 * DAY)).priority == 0


def test_what_staff_escalated_while_it_waited_for_the_patient_still_is_when_the_patient_writes() -> None:
    first = when(patient(), send())
    replied = when(desk(first), ReplyToItem(item_id="I", version=1, body="Call us."), actor="staff:ann")
    later = item_of(when(replied.state, EscalateItem(item_id="I", version=2, reason="Look"), actor="staff:ann"))
    assert isinstance(first.state, Patient)
    known = replace(first.state, items={str(later.thread_id): later})
    item = item_of(when(known, send("MSG-2", thread_id=later.thread_id), NOW + SECOND))
    assert (item.escalated, item.priority, item.due_at) == (True, 0, NOW + 2 * DAY + SECOND)


def test_a_patient_who_writes_while_their_item_is_put_off_has_waited_since_before() -> None:
    first = when(patient(), send())
    put_off = PostponeItem(item_id="I", version=1, until=NOW + 5 * DAY)
    later = item_of(when(desk(first), put_off, actor="staff:ann"))
    assert isinstance(first.state, Patient)
    known = replace(first.state, items={str(later.thread_id): later})
    joined = when(known, send("MSG-2", thread_id=later.thread_id), NOW + DAY)
    item = item_of(joined)
    assert (item.state, item.postponed_until, item.since, item.due_at) == ("open", None, NOW, NOW + 2 * DAY)
    assert joined.tasks == ()


def test_a_message_in_a_thread_whose_pool_takes_nothing_in_goes_where_the_rules_say_now() -> None:
    def closed(pool: str) -> PoolEntry:
        return PoolEntry(pool=pool, name="Closed", roles=("billing",), active=False)

    def joined(state: State | None, rules: RuleSet, said: SendMessage) -> Decision[State]:
        assert isinstance(state, Patient)
        return when(replace(state, rule_sets=(rules,)), said, NOW + SECOND)

    to_crm = Rule(when=When(), pool="crm", why="All")
    first = when(patient(), send())
    again = send("MSG-2", thread_id=item_of(first).thread_id)
    (routed,) = events(
        moved := joined(first.state, RuleSet(version=2, pools=(closed("billing"),), rules=(to_crm,)), again)
    )
    assert isinstance(routed, MessageRouted)
    assert (routed.pool, routed.why, routed.rule_version) == ("crm", "All", 2)
    assert (item_of(moved).pool, item_of(moved).since) == ("crm", NOW)
    assert isinstance(moved.state, Patient)
    told = moved.state.changes[-1]
    assert (told.what, told.left_pool, told.pool, told.reason) == ("message", "billing", "crm", "All")

    both = RuleSet(version=3, pools=(closed("billing"), closed("crm")), rules=(to_crm,))
    (lost,) = events(stuck := joined(moved.state, both, send("MSG-3", thread_id=again.thread_id)))
    assert isinstance(lost, MessageUnroutable)
    assert (item_of(stuck).pool, len(stuck.tasks)) == ("unroutable", 1)
    (still,) = events(joined(stuck.state, both, send("MSG-4", thread_id=again.thread_id)))
    assert isinstance(still, MessageUnroutable)

    asked = when(patient(booked("PRV-1")), ask_provider("PRV-1"))
    further = ask_provider(None, message_id="MSG-2", thread_id=item_of(asked).thread_id)
    assert isinstance(events(when(asked.state, further))[0], MessageRouted)
    away = RuleSet(version=2, pools=(closed("provider:PRV-1"),), rules=())
    assert isinstance(events(joined(asked.state, away, further))[0], MessageUnroutable)
