"""The fault campaign's checks of the inbox: each finds what is not well."""

from typing import Any

import pytest

from tests.unit.faults.story import Campaign, Json, done, intent, published

COMMANDS = "inbox.commands.v1"
SENT = {"message_id": "msg-1", "patient_id": "M-1"}
JOINED = {"message_id": "msg-2", "patient_id": "M-1"}
WORK = {"work_id": "W-1", "pool": "crm"}


def command(number: str, kind: str, data: Json, pool: str) -> Any:
    return intent(COMMANDS, "M-1", "command", number, f"inbox.{kind}", data, expects=pool)


def routed(number: str, cause: str, message: str) -> Any:
    told = {"message_id": message, "item_id": "I-1", "pool": "billing"}
    return done(number, "inbox.message-routed", cause, told)


def written(message: str) -> Json:
    return {"message_id": message, "item_id": "I-1", "author": "patient", "body": "When?"}


def what(item: str, happened: str, by: str | None = None) -> Json:
    return {"item_id": item, "what": happened, "by": by}


LEDGER = published(
    intent("host.registration.v1", "M-1", "fact", "m-1", "registration.patient-registered", {"patient_id": "M-1"}),
    intent(
        "host.scheduling.v1", "M-1", "fact", "m-2", "scheduling.appointment-booked", {"appointment_id": "AP-1"}
    ),
    command("m-3", "send-message", SENT, "billing"),
    command("m-4", "send-message", SENT, "billing"),
    command("m-5", "send-message", JOINED, "billing"),
    command("m-6", "raise-work", WORK, "crm"),
)
THREAD = {"item_id": "I-1", "pool": "billing", "version": 4, "thread_id": "T-1", "work_id": None}
ITEM = {"item_id": "I-2", "pool": "crm", "version": 1, "thread_id": None, "work_id": "W-1"}
REPLY = {"message_id": "r-1", "item_id": "I-1", "author": "staff", "body": "Now. (1)"}
ANSWERED = {"action": "reply", "item_id": "I-1", "body": "Now. (1)", "status": 200}
LOST = {"action": "reply", "item_id": "I-1", "body": "Now. (2)", "status": None}
CLAIMED = {"action": "claim", "item_id": "I-1", "body": None, "status": 200}
WRITTEN = [written("msg-1"), written("msg-2")]
HISTORY = [
    what("I-1", "new"),
    what("I-1", "message"),
    what("I-1", "claimed", "staff:ann"),
    what("I-1", "replied", "staff:ann"),
    what("I-1", "escalated"),
    what("I-2", "new"),
]
CAMPAIGN = Campaign(
    "inbox",
    LEDGER,
    events=[
        routed("e-1", "m-3", "msg-1"),
        routed("e-2", "m-4", "msg-1"),
        routed("e-3", "m-5", "msg-2"),
        done("e-4", "inbox.work-queued", "m-6", WORK | {"item_id": "I-2"}),
    ],
    rows={
        "patients": [{"patient_id": "M-1"}],
        "appointments": [{"appointment_id": "AP-1"}],
        "items": [THREAD, ITEM],
        "messages": [*WRITTEN, REPLY],
        "history": HISTORY,
    },
    outside={"calls": [CLAIMED, ANSWERED, LOST]},
    handled=6,
)
ROUTED = "each message is in one item of its pool"
QUEUED = "each piece of work is one item"
STAFF = "what staff did over HTTP is done, and once"
DONE_ONCE = "each item has what was done to it, and once"


def test_all_promises_are_kept_where_all_is_well() -> None:
    assert CAMPAIGN.broken() == set()
    settled: Json = {"items": [THREAD, ITEM | {"version": 2}], "history": [*HISTORY, what("I-2", "done")]}
    assert CAMPAIGN.broken(**settled) == set()


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("every record is accounted for", {"appointments": []}),
        (ROUTED, {"items": [THREAD | {"pool": "crm"}, ITEM]}),
        (ROUTED, {"items": [THREAD, ITEM, THREAD | {"item_id": "I-3"}]}),
        (ROUTED, {"messages": [written("msg-1")]}),
        (ROUTED, {"messages": [*WRITTEN, REPLY, written("msg-2")]}),
        (ROUTED, {"messages": [*WRITTEN, REPLY, written("msg-3")]}),
        (QUEUED, {"items": [THREAD]}),
        (QUEUED, {"items": [THREAD, ITEM, ITEM | {"item_id": "I-3"}]}),
        (QUEUED, {"items": [THREAD, ITEM | {"pool": "billing"}]}),
        (DONE_ONCE, {"items": [THREAD | {"version": 5}, ITEM]}),
        (DONE_ONCE, {"history": HISTORY[1:]}),
        (STAFF, {"messages": WRITTEN}),
        (STAFF, {"messages": [*WRITTEN, REPLY, REPLY | {"message_id": "r-2"}]}),
        (STAFF, {"calls": [CLAIMED, ANSWERED | {"status": 412}]}),
        (STAFF, {"calls": [ANSWERED]}),
        (STAFF, {"calls": [CLAIMED, CLAIMED, ANSWERED]}),
    ],
)
def test_a_broken_promise_is_found(promise: str, change: Json) -> None:
    assert promise in CAMPAIGN.broken(**change)
