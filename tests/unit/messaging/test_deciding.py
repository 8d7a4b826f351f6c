"""Each arrival of a batch ends in one place, in the order of its lane, and the same again when decided again."""

import json
from datetime import datetime
from typing import Any

import pytest

from shared.events.envelope import Message
from shared.messaging.decision import Decision, Event, Task
from shared.messaging.records import Arrival, Fault, Reading, identity_of
from tests.example.domain import OPEN_FOR, ThankVisitor, Visit
from tests.example.messages import FeedbackLeft
from tests.unit.messaging.given import (
    COMMANDS,
    NOW,
    VISITS,
    arrivals,
    decided,
    ended,
    leave,
    message,
    record,
    the_handlers,
    told,
)

OVER = Visit("visit-1", ended=True)
LEFT = FeedbackLeft(feedback_id="f-1", visit_id="visit-1", stars=5)


def test_a_message_sees_what_those_before_it_in_the_batch_did() -> None:
    effects = decided([*arrivals(ended("m-1"), topic=VISITS), *arrivals(leave("m-2"), leave("m-3"))])
    assert [event["causationid"] for event in told(effects)] == ["m-2", "m-3"]
    (change,) = effects.changes()
    assert (change.key, change.before) == ("visit-1", None)
    assert set(change.after.feedback) == {"m-2", "m-3"}


def test_an_event_answers_its_command_and_continues_its_chain() -> None:
    (event,) = told(decided(arrivals(leave("m-1")), before=[OVER]))
    assert event.pop("id")
    assert event == {
        "specversion": "1.0",
        "source": "service:feedback",
        "type": "feedback.feedback-left.v1",
        "time": NOW.isoformat(),
        "subject": "visit-1",
        "actor": "patient:p-1",
        "causationid": "m-1",
        "correlationid": "m-1",
        "outcome": "done",
        "data": {"feedback_id": "m-1", "visit_id": "visit-1", "stars": 5},
    }


def test_what_a_message_brings_about_for_an_earlier_one_continues_the_chain_of_that() -> None:
    def decide(visit: Visit | None, _message: Message[Any], _now: datetime) -> Decision[Visit]:
        late = Task(ThankVisitor(visit_id="visit-1"), correlationid="m-0")
        return Decision(
            visit or OVER, (Event(LEFT, "done", correlationid="m-0"),), (late, late._replace(name="2"))
        )

    effects = decided(arrivals(leave("m-1")), made=the_handlers(decide=decide))

    (event,) = told(effects)
    assert (event["causationid"], event["correlationid"]) == ("m-1", "m-0")
    assert {json.loads(cause)["correlation"] for *_, cause in effects.tasks} == {"m-0"}


def test_deciding_again_tells_the_same_events_and_sets_the_same_tasks() -> None:
    batch = [*arrivals(ended("m-1"), topic=VISITS), *arrivals(leave("m-2"), leave("m-3"))]
    first, again = decided(batch), decided(batch)
    assert first.rows == again.rows
    assert first.tasks == again.tasks
    ids = [event["id"] for event in told(first)]
    assert len(set(ids)) == len(ids) == 2
    assert len({identity for identity, *_ in first.tasks}) == len(first.tasks) == 2


def test_a_task_is_due_when_the_rules_say_and_at_once_when_they_do_not() -> None:
    effects = decided([*arrivals(ended("m-1"), topic=VISITS), *arrivals(leave("m-2"))])
    due = {kind: (key, due_at) for _, kind, key, _, due_at, _ in effects.tasks}
    assert due == {
        "feedback.close-feedback.v1": ("visit-1", NOW + OPEN_FOR),
        "feedback.thank-visitor.v1": ("visit-1", NOW),
    }


def test_a_repeat_within_the_batch_or_of_an_earlier_one_comes_to_nothing() -> None:
    effects = decided(arrivals(leave("m-1"), leave("m-1")), before=[OVER])
    assert len(effects.rows) == 1
    assert effects.results == {"done": 1, "repeat": 1}


def test_a_record_that_is_given_up_is_dead_and_waits_no_longer() -> None:
    effects = decided(arrivals(leave("m-1", "not-over")), before=[OVER])
    (waits,) = effects.parked

    effects.give_up(waits)

    assert [(fault.reason, fault.detail) for _, fault in effects.dead] == [("gave_up", "visit_not_over")]
    assert (effects.parked, +effects.results) == ([], {"dead": 1})


def test_a_state_that_did_not_change_is_not_saved() -> None:
    effects = decided(arrivals(ended("m-1"), topic=VISITS), before=[OVER])
    assert effects.changes() == []
    assert effects.results == {"heard": 1}


def test_a_command_that_must_wait_parks_its_lane_and_no_other() -> None:
    batch = arrivals(leave("m-1", "not-over"), leave("m-2"), leave("m-3", "not-over"), leave("m-4"))
    effects = decided(batch, before=[OVER])
    assert [(one.arrival.identity, one.reason) for one in effects.parked] == [
        (identity_of("test", "m-1"), "visit_not_over"),
        (identity_of("test", "m-3"), "behind"),
    ]
    assert [event["causationid"] for event in told(effects)] == ["m-2", "m-4"]
    assert effects.undone() == [batch[0].identity, batch[2].identity]


def test_a_fact_of_the_same_key_on_another_topic_does_not_wait() -> None:
    batch = [*arrivals(leave("m-1")), *arrivals(ended("m-2"), topic=VISITS)]
    effects = decided(batch, waiting=[f"{COMMANDS}/visit-1"])
    assert [one.reason for one in effects.parked] == ["behind"]
    assert effects.after["visit-1"].ended


def test_what_is_no_message_waits_for_nothing() -> None:
    batch = arrivals(leave("m-1", stars=9), b"poison")
    effects = decided(batch, waiting=[f"{COMMANDS}/visit-1"])
    assert effects.parked == []
    assert effects.results == {"refused": 1, "dead": 1}


def test_a_command_with_invalid_data_is_refused_and_a_fact_is_dead() -> None:
    effects = decided([*arrivals(leave("m-1", stars=9)), *arrivals(ended("m-2", visit_id=7), topic=VISITS)])
    (refusal,) = told(effects)
    assert refusal["outcome"] == "refused"
    assert refusal["causationid"] == "m-1"
    assert refusal["data"]["reason"] == "invalid_data"
    assert [fault.reason for _, fault in effects.dead] == ["invalid_data"]


def test_a_command_that_the_screen_finds_is_refused_and_kept_nowhere() -> None:
    found = Fault("card_number_refused", "a card number", refusable=True)
    made = the_handlers(screen=lambda value: found if b"4111" in value else None)
    batch = arrivals(leave("m-1", comment="4111"), leave("m-2"), b"4111 poison", made=made)
    effects = decided(batch, before=[OVER], made=made)
    assert [event["outcome"] for event in told(effects)] == ["refused", "done"]
    assert told(effects)[0]["data"]["reason"] == "card_number_refused"
    ((dead, fault),) = effects.dead
    assert fault == found
    assert dead.record is not None
    assert dead.record.value is None


def test_of_a_command_that_an_answer_would_repeat_nothing_is_kept_but_its_place() -> None:
    found = Fault("card_number_refused", "a card number")
    made = the_handlers(screen=lambda value: found if b"4111" in value else None)
    reading = Reading(made.service, made.screen)
    raw = record(leave("m-1", "4111"), offset=7, key=b"4111", headers=(("number", b"4111"),))

    effects = decided([reading.read(raw)], made=made)

    ((dead, fault),) = effects.dead
    assert (fault, effects.rows) == (found, [])
    assert b"4111" not in repr(dead).encode()
    assert dead.record is not None
    assert (dead.record.offset, dead.key) == (7, "")


def test_a_key_that_the_screen_finds_keeps_no_command_from_being_done_and_is_not_kept() -> None:
    found = Fault("card_number_refused", "a card number", refusable=True)
    made = the_handlers(screen=lambda value: found if b"4111" in value else None)
    reading = Reading(made.service, made.screen)
    batch = [reading.read(record(value, key=b"4111")) for value in (leave("m-1"), b"poison", None)]

    effects = decided(batch, before=[OVER], made=made)

    assert [event["outcome"] for event in told(effects)] == ["done"]
    assert [fault.reason for _, fault in effects.dead] == ["unreadable", "null_value"]
    assert not any("4111" in repr(dead) for dead, _ in effects.dead)


def test_a_type_of_the_topic_that_the_service_has_no_use_for_is_passed_over() -> None:
    effects = decided([Arrival("visit-1", record(b"of another reader"), None)])
    assert effects.results == {"ignored": 1}
    assert (effects.rows, effects.dead, effects.parked, effects.changes()) == ([], [], [], [])


def test_a_bug_in_the_rules_parks_the_message_under_its_name_and_adds_nothing() -> None:
    def decide(_: Visit | None, _message: Message[Any], _now: datetime) -> Decision[Visit]:
        raise KeyError("a bug")

    effects = decided(arrivals(leave("m-1")), made=the_handlers(decide=decide))
    assert [one.reason for one in effects.parked] == ["KeyError"]
    assert effects.rows == []
    assert effects.changes() == []


def test_of_what_cannot_be_written_whole_nothing_is_told() -> None:
    half = LEFT.model_copy(update={"visit_id": "\ud83d"})
    nobody = ThankVisitor.model_construct(visit_id="\ud83d")
    decisions = [
        Decision(OVER, (Event(LEFT, "done"), Event(half))),
        Decision(OVER, (Event(LEFT, "done"),), (Task(nobody),)),
    ]

    def decide(_: Visit | None, message: Message[Any], _now: datetime) -> Decision[Visit]:
        return decisions[int(message.id)]

    effects = decided(arrivals(leave("0", "visit-0"), leave("1")), made=the_handlers(decide=decide))
    assert len(effects.parked) == 2
    assert (effects.rows, effects.tasks, effects.changes()) == ([], [], [])


@pytest.mark.parametrize("events", [(), (Event(LEFT),), (Event(LEFT, "done"), Event(LEFT, "done"))])
def test_a_command_that_would_not_have_one_outcome_is_not_decided(events: tuple[Event, ...]) -> None:
    def decide(_: Visit | None, _message: Message[Any], _now: datetime) -> Decision[Visit]:
        return Decision(OVER, events)

    effects = decided(arrivals(leave("m-1")), made=the_handlers(decide=decide))
    assert [one.reason for one in effects.parked] == ["AssertionError"]
    assert effects.rows == []
    assert effects.changes() == []


def test_an_event_may_go_under_a_key_of_its_own() -> None:
    def decide(_: Visit | None, _message: Message[Any], _now: datetime) -> Decision[Visit]:
        return Decision(OVER, (Event(LEFT, "done", key="another"),))

    effects = decided(arrivals(leave("m-1")), made=the_handlers(decide=decide))
    ((_, topic, key, _),) = effects.rows
    assert (topic, key) == ("feedback.events.v1", b"another")
    assert told(effects)[0]["subject"] == "another"


def test_a_key_of_the_services_own_finds_the_state() -> None:
    made = the_handlers(key=lambda message: message.data.visit_id)
    data = {"feedback_id": "f-1", "visit_id": "visit-1", "stars": 5}
    batch = arrivals(message("m-1", "feedback.leave-feedback.v1", "whoever", data))
    effects = decided(batch, before=[OVER], made=made)
    assert effects.results == {"done": 1}
