"""What must hold of every service: commands, facts, dead letters, order, and nothing left to do."""

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from tests.faults.checks.check import Check, Effect, Evidence


def all_are_accounted_for(evidence: Evidence, had_effect: Effect) -> Check:
    effects = sum(had_effect(fact) for fact in evidence.facts)
    outcomes, dead = len(evidence.ends), len(evidence.letters)
    passed_over = sum(evidence.passes_over(one.intent.kind) for one in evidence.ledger)
    heeded = (one.intent for one in evidence.ledger if not evidence.passes_over(one.intent.kind))
    repeats = sum(one.id is not None for one in heeded) - len(evidence.messages)
    total = outcomes + effects + dead + repeats + passed_over
    faults = [] if total == len(evidence.ledger) else [f"that makes {total}"]
    counted = (
        f"{len(evidence.ledger)} = {outcomes} outcomes + {effects} facts + {dead} dead letters"
        f" + {repeats} repeats + {passed_over} passed over"
    )
    return Check("every record is accounted for", counted, faults)


def _every_command_ends_once(evidence: Evidence) -> Check:
    ends = Counter(event["causationid"] for event in evidence.ends)
    faults = [f"{one} has {ends[one]} outcomes" for one in evidence.commands if ends[one] != 1]
    faults += [f"{one} has an outcome and is no command" for one in ends if one not in evidence.commands]
    told = Counter(event["outcome"] for event in evidence.ends)
    counted = f"{len(evidence.commands)} commands, {told['done']} done, {told['refused']} refused"
    return Check("every command has exactly one outcome", counted, faults)


def _bad_commands_are_refused(evidence: Evidence) -> Check:
    reasons = {one: event["data"].get("reason") for one, event in evidence.outcomes.items()}
    bad = [one for one in evidence.commands.values() if one.refusal]
    faults = [
        f"{one.id} ended as {reasons.get(one.id or '')}, not {one.refusal}"
        for one in bad
        if reasons.get(one.id or "") != one.refusal
    ]
    return Check("commands that cannot be right are refused for it", f"{len(bad)} commands", faults)


def _order_is_kept(evidence: Evidence) -> Check:
    """Of commands that are refused unread the outcome waits for nobody; of all others it keeps their order."""
    asked, ended = defaultdict(list), defaultdict(list)
    for one in evidence.commands.values():
        if not one.refusal:
            asked[one.key].append(one.id)
    for event in evidence.ends:
        command = evidence.commands.get(event["causationid"])
        if command and not command.refusal:
            ended[command.key].append(command.id)
    faults = [
        f"key {key}: {next(pair for pair in zip(ids, ended[key], strict=False) if pair[0] != pair[1])}"
        for key, ids in asked.items()
        if len(ended[key]) == len(ids) and ended[key] != ids
    ]
    return Check("outcomes are in the order of their commands", f"{len(asked)} keys", faults)


def _a_repeat_is_the_same(evidence: Evidence) -> Check:
    """A relay that died sends again, but never the same with another content."""
    first: dict[str, bytes] = {}
    repeats, faults = 0, []
    for said in (*evidence.truth.events, *evidence.truth.letters):
        known = first.setdefault(said.told["id"], said.raw)
        repeats += known is not said.raw
        if known != said.raw:
            faults.append(f"{said.told['id']} was told again, and otherwise")
    return Check("what is sent again is the same to the byte", f"{repeats} sent again", faults)


def _poison_is_dead(evidence: Evidence) -> Check:
    """Each record that is no message is one dead letter, whole, at its first attempt."""
    poison = {
        (*one.place, one.offset): one.intent
        for one in evidence.ledger
        if one.intent.fate == "dead" and not evidence.passes_over(one.intent.kind)
    }
    faults = []
    for letter in evidence.letters.values():
        place = (letter["topic"], letter["partition"], letter["offset"])
        intent = poison.pop(place, None)
        if intent is None:
            faults.append(f"{place} is a second dead letter, or of a sound record: {letter['reason']}")
        elif letter["value_base64"] != (None if intent.value is None else base64.b64encode(intent.value).decode()):
            faults.append(f"{place} is not kept as it was")
        elif letter["attempts"] != 1:
            faults.append(f"{place} died {letter['attempts']} times")
    faults += [f"{place} is no dead letter" for place in poison]
    reasons = Counter(letter["reason"] for letter in evidence.letters.values())
    counted = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
    return Check("what is no message is a dead letter, once", counted, faults)


def _nothing_is_left(evidence: Evidence) -> Check:
    left = evidence.truth.counts
    published = Counter(one.place for one in evidence.ledger)
    from_outside = {topic for topic, _ in published}
    faults = [
        f"{place} is at {evidence.truth.offsets.get(place)} of {end}, with {published[place]} published"
        for place, end in evidence.there.items()
        if evidence.truth.offsets.get(place) != end or (place[0] in from_outside and published[place] != end)
    ]
    faults += [f"{left[name]} {name}" for name in ("unsent", "parked", "due", "unheard") if left.get(name)]
    messages = len(evidence.messages) + len(evidence.news)
    if left["handled"] != messages:
        faults.append(f"{left['handled']} messages are noted as handled, of {messages}")
    return Check("all is read, sent and done", f"{messages} messages, {left['tasks']} tasks later", faults)


def _all_are_well(evidence: Evidence) -> Check:
    return Check("no process gave up, and all are ready", "", evidence.truth.faults)


CHECKS: Final[Sequence[Callable[[Evidence], Check]]] = (
    _every_command_ends_once,
    _bad_commands_are_refused,
    _order_is_kept,
    _poison_is_dead,
    _a_repeat_is_the_same,
    _nothing_is_left,
    _all_are_well,
)
