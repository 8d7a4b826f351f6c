"""What must hold of the inbox: each message, and each piece of work, is in one item of one pool."""

from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from tests.faults.checks.check import Check, Effect, Evidence
from tests.faults.intents.making import Intent

_ACTS: Final = {"claim": "claimed", "reply": "replied", "done": "done"}


def effects(evidence: Evidence) -> Effect:
    """Return what tells whether a host's fact is kept."""
    rows = evidence.truth.rows
    patients = {row["patient_id"] for row in rows["patients"]}
    appointments = {row["appointment_id"] for row in rows["appointments"]}

    def had_effect(fact: Intent) -> bool:
        data = fact.data or {}
        return (
            data["appointment_id"] in appointments if "appointment_id" in data else data["patient_id"] in patients
        )

    return had_effect


def _messages_are_routed(evidence: Evidence) -> Check:
    pools = {row["item_id"]: row["pool"] for row in evidence.truth.rows["items"]}
    kept = {row["message_id"]: row["item_id"] for row in evidence.truth.rows["messages"]}
    times = Counter(row["message_id"] for row in evidence.truth.rows["messages"])
    sent, faults = set(), []
    for command in evidence.done("send-message"):
        told = evidence.outcomes[command.id or ""]["data"]
        one, item = told["message_id"], told["item_id"]
        sent.add(one)
        where = {command.expects, told.get("pool"), pools.get(item)}
        if len(where) > 1:
            faults.append(f"{one} belongs to {command.expects}, and is told and kept in {where}")
        if times[one] != 1 or kept[one] != item:
            faults.append(f"{one} is kept {times[one]} times, told in {item} and kept in {kept.get(one)}")
    patients = {row["message_id"] for row in evidence.truth.rows["messages"] if row["author"] == "patient"}
    faults += [f"{one} is kept and nobody sent it" for one in patients - sent]
    threads = Counter(row["thread_id"] for row in evidence.truth.rows["items"] if row["thread_id"])
    faults += [f"{thread} has {items} items" for thread, items in threads.items() if items != 1]
    in_pools = Counter(pools[item] for item in kept.values()).most_common(3)
    counted = f"{len(sent)} in {len(threads)} threads; " + ", ".join(
        f"{number} {pool}" for pool, number in in_pools
    )
    return Check("each message is in one item of its pool", counted, faults)


def _work_is_queued(evidence: Evidence) -> Check:
    raised = {one.data["work_id"]: one.data["pool"] for one in evidence.done("raise-work") if one.data}
    asked = len(raised)
    raised |= {
        event["data"]["work_id"]: event["data"]["pool"]
        for event in evidence.news
        if event["type"].endswith(".work-raised.v1")
    }
    items = [row for row in evidence.truth.rows["items"] if row["work_id"]]
    times = Counter(row["work_id"] for row in items)
    faults = [
        f"{one} has {times[one]} items" for one in raised.keys() | times.keys() if times[one] != (one in raised)
    ]
    faults += [
        f"{row['work_id']} is in {row['pool']}" for row in items if raised.get(row["work_id"]) != row["pool"]
    ]
    counted = f"{asked} by commands, {len(raised) - asked} that other services raised"
    return Check("each piece of work is one item", counted, faults)


def _items_have_what_was_done(evidence: Evidence) -> Check:
    """Each thing that a person or a service did to an item is one version; what time brought is none."""
    done = Counter(
        row["item_id"]
        for row in evidence.truth.rows["history"]
        if row["by"] or row["what"] in ("new", "message", "reopened", "done")
    )
    written = Counter(row["item_id"] for row in evidence.truth.rows["messages"])
    faults = []
    for row in evidence.truth.rows["items"]:
        one = row["item_id"]
        if row["version"] != done[one]:
            faults.append(f"{one} is at version {row['version']}, and {done[one]} things were done to it")
        if row["thread_id"] and done[one] < written[one]:
            faults.append(f"{one} has {written[one]} messages, of {done[one]} things")
    counted = f"{sum(done.values())} things to {len(evidence.truth.rows['items'])} items"
    return Check("each item has what was done to it, and once", counted, faults)


def _staff_act_once(evidence: Evidence) -> Check:
    """What was answered well is done, once; what was refused is not; of what had no answer nobody can know."""
    replies = Counter(row["body"] for row in evidence.truth.rows["messages"] if row["author"] == "staff")
    acts = Counter((row["item_id"], row["what"]) for row in evidence.truth.rows["history"] if row["by"])
    well, lost = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    faults = []
    for call in evidence.truth.outside["calls"]:
        act, status = (call["item_id"], _ACTS[call["action"]]), call["status"]
        answered = status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR
        least, most = int(status == HTTPStatus.OK), int(status == HTTPStatus.OK or not answered)
        well[act] += least
        lost[act] += not answered
        if call["action"] == "reply" and not least <= replies[call["body"]] <= most:
            faults.append(f"a reply to {act[0]}, answered with {status}, is there {replies[call['body']]} times")
    faults += [
        f"{act} was done {acts[act]} times, with {well[act]} answers and {lost[act]} calls without one"
        for act in acts.keys() | well.keys()
        if not well[act] <= acts[act] <= well[act] + lost[act]
    ]
    counted = f"{sum(well.values())} times; {sum(lost.values())} calls had no answer"
    return Check("what staff did over HTTP is done, and once", counted, faults)


CHECKS: Final[Sequence[Callable[[Evidence], Check]]] = (
    _messages_are_routed,
    _work_is_queued,
    _items_have_what_was_done,
    _staff_act_once,
)
