"""What staff do to items, and what time does."""

from dataclasses import replace

import pytest

from services.inbox.domain.commands import (
    EscalateItem,
    FinishItem,
    ItemCommand,
    LeaseEnded,
    PostponeItem,
    ReassignItem,
)
from services.inbox.domain.item import LEASE, Desk, TimeLimit
from services.inbox.domain.patient import Patient
from services.inbox.domain.routing import PoolEntry, RuleSet
from shared.events.inbox import (
    ItemClaimed,
    ItemEscalated,
    ItemReassigned,
    ItemReleased,
    ItemReopened,
    ItemReplied,
)
from tests.unit.inbox.story import (
    ANN,
    BOB,
    DAY,
    KIM,
    NOW,
    PATIENT,
    SECOND,
    claim,
    desk,
    events,
    finish,
    item_of,
    outcome,
    patient,
    reassign,
    release,
    reply,
    send,
    when,
    work,
)


def opened() -> Desk:
    return desk(when(patient(), send()))


def claimed(by: str = ANN) -> Desk:
    state = when(opened(), claim(1), actor=by).state
    assert isinstance(state, Desk)
    return state


def test_a_claim_is_a_lease_with_a_timer() -> None:
    decision = when(opened(), claim(1), actor=ANN)
    (told,) = events(decision)
    assert told == ItemClaimed(
        item_id=item_of(decision).item_id,
        thread_id=item_of(decision).thread_id,
        pool="billing",
        assignee=ANN,
        lease_ends_at=NOW + LEASE,
    )
    (timer,) = decision.tasks
    assert timer.due_at == NOW + LEASE
    assert isinstance(timer.data, LeaseEnded)
    assert item_of(decision).holder(NOW + LEASE - SECOND) == ANN
    assert item_of(decision).holder(NOW + LEASE) is None


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (claim(1), "taken"),
        (claim(2), "taken"),
        (reply(2), "taken"),
        (finish(2), "taken"),
        (release(2), "taken"),
        (reassign(2), "taken"),
        (PostponeItem(item_id="I", version=2, until=NOW + DAY), "taken"),
        (EscalateItem(item_id="I", version=2, reason="Look"), "taken"),
        (reply(1), "stale_version"),
        (release(2, supervisor=True), None),
        (reassign(2, supervisor=True), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ItemCommand) else str(value),
)
def test_what_a_colleague_holds_is_theirs(command: ItemCommand, reason: str | None) -> None:
    assert outcome(when(claimed(ANN), command, NOW + SECOND, BOB))[1] in (reason, "released", "Not ours")
    assert (outcome(when(claimed(ANN), command, NOW + SECOND, BOB))[0] == "refused") == (reason is not None)


def test_a_reply_stops_the_limit_and_waits_for_the_patient() -> None:
    decision = when(claimed(), reply(2), NOW + SECOND, ANN)
    item = item_of(decision)
    assert (item.state, item.due_at, item.version, item.replied_version) == ("waiting", None, 3, 3)
    assert isinstance(decision.state, Desk)
    assert [one.body for one in decision.state.written] == ["It is for the visit."]
    late = TimeLimit(item_id="I", limit=item.limit_number)
    assert events(when(decision.state, late, NOW + 9 * DAY)) == []


def test_who_held_an_item_too_long_is_told_before_anything_is_sent() -> None:
    late = NOW + LEASE
    assert outcome(when(claimed(), reply(2), late, ANN)) == ("refused", "lease_expired")
    assert outcome(when(claimed(), finish(2), late, ANN)) == ("refused", "lease_expired")
    assert outcome(when(claimed(), claim(2), late, ANN)) == ("done", None)
    assert outcome(when(claimed(), reply(2), late, BOB)) == ("done", None)


def test_a_lease_that_was_renewed_does_not_end_by_its_old_timer() -> None:
    first = when(opened(), claim(1), actor=ANN)
    renewed = when(first.state, claim(2), NOW + SECOND, ANN)
    old, new = first.tasks[0], renewed.tasks[0]
    assert events(when(renewed.state, old.data, NOW + LEASE)) == []
    (told,) = events(when(renewed.state, new.data, NOW + SECOND + LEASE))
    assert isinstance(told, ItemReleased)
    assert told.reason == "lease_expired"


def test_a_reply_holds_what_its_author_holds_for_longer_and_nothing_else() -> None:
    later = NOW + LEASE - SECOND
    decision = when(claimed(), reply(2), later, ANN)
    (timer,) = decision.tasks
    assert item_of(decision).holder(later + LEASE - SECOND) == ANN
    assert [type(event) for event in events(when(decision.state, timer.data, later + LEASE))] == [ItemReleased]

    second = item_of(when(decision.state, reply(3), later + SECOND, ANN))
    assert (second.replied_at, second.replied_version) == (later, 4)

    free = when(opened(), reply(1), actor=ANN)
    assert (item_of(free).holder(NOW), free.tasks) == (None, ())


def test_a_limit_escalates_once_and_leaves_the_version() -> None:
    limit = TimeLimit(item_id="I", limit=1)
    late = when(opened(), limit, NOW + 2 * DAY)
    (told,) = events(late)
    assert isinstance(told, ItemEscalated)
    assert isinstance(late.state, Desk)
    assert [(one.what, one.by, one.reason) for one in late.state.changes] == [("escalated", None, told.reason)]
    assert (item_of(late).version, item_of(late).escalated, item_of(late).priority) == (1, True, 0)
    assert events(when(late.state, limit, NOW + 3 * DAY)) == []
    assert events(when(opened(), TimeLimit(item_id="I", limit=7), NOW + 2 * DAY)) == []


def test_reassigning_keeps_the_limit_and_frees_the_item() -> None:
    moved = item_of(when(claimed(), reassign(2), NOW + SECOND, ANN))
    assert (moved.pool, moved.holder(NOW + SECOND)) == ("crm", None)
    assert (moved.due_at, moved.limit_number) == (item_of(when(opened(), claim(1))).due_at, 1)


def test_why_an_item_is_in_its_pool_is_the_reason_of_whoever_moved_it_there() -> None:
    chosen = item_of(when(opened(), claim(1), actor=ANN))
    moved = item_of(when(claimed(), reassign(2), NOW + SECOND, ANN))
    stays = item_of(when(claimed(), reassign(2, pool="billing"), NOW + SECOND, ANN))
    assert (moved.why, moved.rule_version) == ("Moved from billing: Not ours", 0)
    assert (stays.why, stays.rule_version) == (chosen.why, chosen.rule_version) == (chosen.why, 1)


@pytest.mark.parametrize("name", ["kim", "staff:kim", " kim "])
def test_who_is_to_take_an_item_is_named_by_one_form_of_their_name_and_nobody_else_is_locked_out(
    name: str,
) -> None:
    to_kim = ReassignItem(item_id="I", version=2, assignee=name, reason="Knows it", supervisor=False)
    given = when(claimed(), to_kim, NOW + SECOND, ANN)
    (told,) = events(given)
    assert isinstance(told, ItemReassigned)
    assert (told.assignee, item_of(given).named(), item_of(given).holder(NOW + SECOND)) == (KIM, KIM, None)
    assert given.tasks == ()
    for actor in (KIM, ANN, BOB):
        for command in (claim(3), reply(3), finish(3), reassign(3), release(3)):
            assert outcome(when(given.state, command, NOW + DAY, actor))[0] == "done"
    taken = item_of(when(given.state, claim(3), NOW + DAY, BOB))
    assert (taken.holder(NOW + DAY), taken.named()) == (BOB, None)
    assert item_of(when(given.state, release(3), NOW + DAY, ANN)).named() is None


def test_what_happens_is_noted_with_who_did_it_and_why_in_both_pools_if_it_moves() -> None:
    moved = when(claimed(), reassign(2), NOW + SECOND, ANN).state
    assert isinstance(moved, Desk)
    *_, told = moved.changes
    assert len(moved.changes) == 2
    assert (told.what, told.by, told.reason) == ("reassigned", ANN, "Not ours")
    assert (told.left_pool, told.pool, told.version, told.at) == ("billing", "crm", 3, NOW + SECOND)
    note = when(opened(), FinishItem(item_id="I", version=1, note="By phone."), actor=BOB).state
    assert isinstance(note, Desk)
    assert [(one.what, one.by, one.reason, one.left_pool) for one in note.changes] == [
        ("done", BOB, "By phone.", None)
    ]


@pytest.mark.parametrize(("pool", "reason"), [("nowhere", "unknown_pool"), ("closed", "pool_inactive")])
def test_an_item_goes_only_to_a_pool_that_takes_it(pool: str, reason: str) -> None:
    closed = PoolEntry(pool="closed", name="Closed", roles=("crm",), active=False)
    state = replace(opened(), rule_sets=(RuleSet(version=2, pools=(closed,), rules=()),))
    assert outcome(when(state, reassign(1, pool=pool), actor=ANN)) == ("refused", reason)


def test_what_is_postponed_comes_back_unless_something_else_became_of_it() -> None:
    until = NOW + DAY
    later = when(opened(), PostponeItem(item_id="I", version=1, until=until), actor=ANN)
    (timer,) = later.tasks
    back = when(later.state, timer.data, until)
    assert [type(event) for event in events(back)] == [ItemReopened]
    assert (item_of(back).state, back.tasks) == ("open", ())
    done = when(later.state, finish(2), NOW + SECOND, ANN)
    assert events(when(done.state, timer.data, until)) == []
    again = when(later.state, PostponeItem(item_id="I", version=2, until=until + DAY), NOW + SECOND, ANN)
    assert events(when(again.state, timer.data, until)) == []
    assert [type(event) for event in events(when(again.state, again.tasks[0].data, until + DAY))] == [ItemReopened]


def test_while_an_item_is_put_off_the_patient_still_waits() -> None:
    first = when(opened(), EscalateItem(item_id="I", version=1, reason="Look"), actor=ANN)
    limit, until = TimeLimit(item_id="I", limit=1), NOW + 3 * DAY
    later = when(first.state, PostponeItem(item_id="I", version=2, until=until), NOW + SECOND, ANN)
    back = when(later.state, later.tasks[0].data, until)
    for item in (item_of(later), item_of(back)):
        assert (item.since, item.due_at, item.escalated, item.priority) == (NOW, NOW + 2 * DAY, True, 0)
    assert events(when(later.state, limit, NOW + 2 * DAY)) == []

    later = when(opened(), PostponeItem(item_id="I", version=1, until=until), actor=ANN)
    late = when(later.state, limit, NOW + 2 * DAY)
    assert [type(event) for event in events(late)] == [ItemEscalated]
    back = when(late.state, later.tasks[0].data, until)
    assert (item_of(back).state, item_of(back).escalated, back.tasks) == ("open", True, ())


def test_an_item_that_waits_for_the_patient_comes_back_without_a_limit_until_they_write() -> None:
    first = when(patient(), send())
    replied = when(desk(first), reply(1), actor=ANN)
    later = when(replied.state, PostponeItem(item_id="I", version=2, until=NOW + DAY), NOW + SECOND, ANN)
    back = when(later.state, later.tasks[0].data, NOW + DAY)
    item = item_of(back)
    assert (item.state, item.since, item.due_at, back.tasks) == ("open", NOW + DAY, None, ())
    assert isinstance(first.state, Patient)
    known = replace(first.state, items={str(item.thread_id): item})
    wrote = when(known, send("MSG-2", thread_id=item.thread_id), NOW + 2 * DAY)
    assert (item_of(wrote).since, item_of(wrote).due_at, len(wrote.tasks)) == (NOW + 2 * DAY, NOW + 4 * DAY, 1)


def test_what_is_done_can_only_be_answered() -> None:
    done = when(opened(), finish(1), actor=ANN).state
    for command in (claim(2), finish(2), reassign(2), EscalateItem(item_id="I", version=2, reason="Look")):
        assert outcome(when(done, command, actor=BOB)) == ("refused", "item_done")
    assert outcome(when(done, release(2), actor=BOB)) == ("refused", "not_claimed")
    answered = when(done, reply(2), actor=BOB)
    assert outcome(answered) == ("done", None)
    assert [type(event) for event in events(answered)] == [ItemReopened, ItemReplied]
    again = when(answered.state, reply(3), actor=BOB)
    assert [type(event) for event in events(again)] == [ItemReplied]


def test_what_is_said_about_a_patients_item_has_the_patient_as_its_key() -> None:
    of_patient = when(None, work(patient_id=PATIENT), actor="service:payments")
    held = when(opened(), claim(1), actor=ANN)
    replied = when(held.state, reply(2), NOW + SECOND, ANN)
    late = when(replied.state, finish(2), NOW + SECOND, ANN)
    ended = when(held.state, held.tasks[0].data, NOW + LEASE)
    keys = [event.key for decision in (of_patient, held, replied, late, ended) for event in decision.events]
    assert keys == [PATIENT] * 5

    for patient_id, key in ((PATIENT, PATIENT), (None, "pool:nowhere")):
        for actor in ("service:payments", ANN):
            refused = when(None, work(pool="nowhere", patient_id=patient_id), actor=actor)
            assert [event.key for event in refused.events] == [key]
            assert outcome(refused) == ("refused", "not_allowed" if actor == ANN else "unknown_pool")


def test_an_item_that_nobody_has_heard_of_is_not_found() -> None:
    assert outcome(when(None, claim(1), actor=ANN)) == ("refused", "not_found")
