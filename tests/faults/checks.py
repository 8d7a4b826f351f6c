"""What must hold in the end: pure comparisons of the ledger of intents with what really came of it."""

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from tests.faults.intents import Intent
from tests.faults.load import Published
from tests.faults.truth import Json, Truth

Cause = tuple[str, str, str]
"""The account of a posting, its kind, and the id of what caused it."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_SHOWN_MAX: Final = 5
_ENDED: Final = {"payments.payment-succeeded.v1": "succeeded", "payments.payment-failed.v1": "failed"}


@dataclass(frozen=True, slots=True)
class Check:
    """One promise: what was counted, and where it is broken."""

    promise: str
    counted: str
    faults: Sequence[str]

    def __str__(self) -> str:
        shown = [f"\n      {fault}" for fault in self.faults[:_SHOWN_MAX]]
        more = [f"\n      … {len(self.faults)} in all"] if len(self.faults) > _SHOWN_MAX else []
        return "".join([f"  {'✗' if self.faults else '✓'} {self.promise:<50} {self.counted}", *shown, *more])


@dataclass(frozen=True)
class Evidence:
    """What was published and what came of it, put in order once for all checks."""

    ledger: Sequence[Published]
    truth: Truth

    @cached_property
    def messages(self) -> list[Intent]:
        """The messages, each at its first place, in their order for each key and topic."""
        ordered = sorted(self.ledger, key=lambda published: (published.place, published.offset))
        return _firsts((one.intent for one in ordered if one.intent.id), lambda intent: intent.id)

    @cached_property
    def commands(self) -> dict[str, Intent]:
        """Commands by id, in their order for each key."""
        return {one.id: one for one in self.messages if one.fate == "command" and one.id is not None}

    @cached_property
    def facts(self) -> list[Intent]:
        """Facts, whether or not they had an effect."""
        return [one for one in self.messages if one.fate == "fact"]

    @cached_property
    def events(self) -> list[Json]:
        """Events, each at its first place, in their order for each key."""
        return _firsts((said.told for said in self.truth.events), lambda event: event["id"])

    @cached_property
    def outcomes(self) -> list[Json]:
        """Events that end a command."""
        return [event for event in self.events if "outcome" in event]

    @cached_property
    def postings(self) -> list[tuple[Cause, Json]]:
        """Postings with their account, kind and cause."""
        return [((one["account_number"], one["kind"], one["cause_id"]), one) for one in self.truth.postings]

    @cached_property
    def letters(self) -> dict[str, Json]:
        """Dead letters by id, each as it was told last."""
        return {said.told["id"]: said.told for said in self.truth.letters}


def check_all(ledger: Sequence[Published], truth: Truth) -> list[Check]:
    """Return every check."""
    evidence = Evidence(ledger, truth)
    return [check(evidence) for check in _CHECKS]


def _every_command_ends_once(evidence: Evidence) -> Check:
    ends = Counter(event["causationid"] for event in evidence.outcomes)
    faults = [f"{one} has {ends[one]} outcomes" for one in evidence.commands if ends[one] != 1]
    faults += [f"{one} has an outcome and is no command" for one in ends if one not in evidence.commands]
    told = Counter(event["outcome"] for event in evidence.outcomes)
    counted = f"{len(evidence.commands)} commands, {told['done']} done, {told['refused']} refused"
    return Check("every command has exactly one outcome", counted, faults)


def _bad_commands_are_refused(evidence: Evidence) -> Check:
    reasons = {event["causationid"]: event["data"].get("reason") for event in evidence.outcomes}
    bad = [one for one in evidence.commands.values() if one.refusal]
    faults = [
        f"{one.id} ended as {reasons.get(one.id)}, not {one.refusal}"
        for one in bad
        if reasons.get(one.id) != one.refusal
    ]
    return Check("commands that cannot be right are refused for it", f"{len(bad)} commands", faults)


def _order_is_kept(evidence: Evidence) -> Check:
    """Of commands that are refused unread the outcome waits for nobody; of all others it keeps their order."""
    asked, ended = defaultdict(list), defaultdict(list)
    for one in evidence.commands.values():
        if not one.refusal:
            asked[one.key].append(one.id)
    for event in evidence.outcomes:
        command = evidence.commands.get(event["causationid"])
        if command and not command.refusal:
            ended[command.key].append(command.id)
    faults = [
        f"account {key}: {next(pair for pair in zip(ids, ended[key], strict=False) if pair[0] != pair[1])}"
        for key, ids in asked.items()
        if len(ended[key]) == len(ids) and ended[key] != ids
    ]
    return Check("outcomes are in the order of their commands", f"{len(asked)} accounts", faults)


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


def _balances_are_told_in_order(evidence: Evidence) -> Check:
    told = defaultdict(list)
    for event in evidence.events:
        if event["type"] == "payments.balance-changed.v1":
            told[event["data"]["account_number"]].append(event["data"])
    owed: Counter[str] = Counter()
    for visit in evidence.truth.visits:
        owed[visit["account_number"]] += 0 if visit["closed"] else visit["balance_minor"]
    faults = []
    for account in evidence.truth.accounts:
        number, version = account["number"], account["version"]
        versions = [data["version"] for data in told[number]]
        if versions != list(range(1, version + 1)):
            faults.append(f"account {number} is at version {version} and told {versions}")
        elif told[number] and told[number][-1]["balance_minor"] != owed[number]:
            faults.append(f"account {number} owes {owed[number]} and told {told[number][-1]['balance_minor']}")
    counted = f"{sum(map(len, told.values()))} balances of {len(told)} accounts"
    return Check("each balance is told once, in its turn", counted, faults)


def _payments_end(evidence: Evidence) -> Check:
    accepted = {
        event["data"]["payment_id"] for event in evidence.events if event["type"] == "payments.payment-accepted.v1"
    }
    ends = defaultdict(list)
    for event in evidence.events:
        if event["type"] in _ENDED:
            ends[event["data"]["payment_id"]].append(_ENDED[event["type"]])
    work = {
        event["data"]["about"].get("payment_id")
        for event in evidence.events
        if event["type"] == "payments.work-raised.v1"
    }
    kept = {one["payment_id"]: one["status"] for one in evidence.truth.payments}
    faults = [f"{one} is kept and was not accepted" for one in kept.keys() - accepted]
    for one in sorted(accepted):
        told = ends[one] or ["unknown" if one in work else "open"]
        if told != [kept.get(one)]:
            faults.append(f"{one} is kept as {kept.get(one)} and told as {told}")
    counted = ", ".join(f"{number} {status}" for status, number in sorted(Counter(kept.values()).items()))
    return Check("every accepted payment came to its end", counted, faults)


def _charged_once(evidence: Evidence) -> Check:
    kept = {one["payment_id"]: one for one in evidence.truth.payments}
    charged = Counter(charge["payment_id"] for charge in evidence.truth.charges)
    faults = [f"{one} was charged {times} times" for one, times in charged.items() if times > 1]
    for charge in evidence.truth.charges:
        payment = kept.get(charge["payment_id"])
        if payment is None or payment["status"] not in ("succeeded", "unknown"):
            faults.append(f"{charge['payment_id']} was charged and is {payment and payment['status']}")
        elif charge["amount_minor"] != payment["amount_minor"]:
            faults.append(f"{charge['payment_id']} was charged {charge['amount_minor']}")
    faults += [
        f"{one} succeeded and was not charged"
        for one, payment in kept.items()
        if payment["status"] == "succeeded" and one not in charged
    ]
    return Check(
        "the processor charged what succeeded, and once", f"{len(evidence.truth.charges)} charges", faults
    )


def _the_ledger_balances(evidence: Evidence) -> Check:
    sums: Counter[str] = Counter()
    faults = [f"posting {key} is {one['amounts']}" for key, one in evidence.postings if sum(one["amounts"])]
    for _, one in evidence.postings:
        for account, amount in zip(one["accounts"], one["amounts"], strict=True):
            sums[account] += amount
    if sum(sums.values()) != 0:
        faults.append(f"debits and credits differ by {sum(sums.values())}")
    faults += [
        f"visit {visit['number']} owes {visit['balance_minor']}, and not by its postings"
        for visit in evidence.truth.visits
        if visit["balance_minor"] != sums[f"receivable:{visit['number']}"]
    ]
    debits = sum(amount for amount in sums.values() if amount > 0)
    counted = f"{len(evidence.postings)} postings, {len(evidence.truth.visits)} visits, {debits} on each side"
    return Check("postings, visits and the trial balance agree", counted, faults)


def _posted_once(evidence: Evidence) -> Check:
    """What was published to be posted, and what succeeded, is in the ledger with its amount, and nothing else."""
    wanted = {
        (fact.key, *cause): fact.data["amount_minor"]
        for fact in evidence.facts
        if fact.data is not None and (cause := _cause(fact.data))
    }
    for one in evidence.truth.payments:
        if one["status"] == "succeeded":
            wanted[one["account_number"], "payment", one["payment_id"]] = one["amount_minor"]
    posted = {key: one["amounts"][0] for key, one in evidence.postings}
    times = Counter(key for key, _ in evidence.postings)
    faults = [
        f"{key} is posted as {posted.get(key)}, not {amount}"
        for key, amount in wanted.items()
        if posted.get(key) != amount
    ]
    faults += [f"{key} is posted, and nobody asked for it" for key in posted.keys() - wanted.keys()]
    faults += [f"{key} is posted {number} times" for key, number in times.items() if number > 1]
    kinds = Counter(kind for _, kind, _ in posted)
    counted = ", ".join(f"{number} {kind}s" for kind, number in sorted(kinds.items()))
    return Check("the ledger has what happened, and once", counted, faults)


def _poison_is_dead(evidence: Evidence) -> Check:
    """Each record that is no message is one dead letter, whole, at its first attempt."""
    poison = {(*one.place, one.offset): one.intent for one in evidence.ledger if one.intent.fate == "dead"}
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


def _all_are_accounted_for(evidence: Evidence) -> Check:
    posted = {key for key, _ in evidence.postings}
    opened = {account["number"] for account in evidence.truth.accounts}
    visits = {visit["number"] for visit in evidence.truth.visits if visit["opened"]}
    effects = 0
    for fact in evidence.facts:
        data = fact.data or {}
        if cause := _cause(data):
            effects += (fact.key, *cause) in posted
        else:
            effects += data["visit_account_number"] in visits if "visit_date" in data else fact.key in opened
    outcomes, dead = len(evidence.outcomes), len(evidence.letters)
    repeats = sum(one.intent.id is not None for one in evidence.ledger) - len(evidence.messages)
    total = outcomes + effects + dead + repeats
    faults = [] if total == len(evidence.ledger) else [f"that makes {total}"]
    counted = (
        f"{len(evidence.ledger)} = {outcomes} outcomes + {effects} facts + {dead} dead letters + {repeats} repeats"
    )
    return Check("every record is accounted for", counted, faults)


def _nothing_is_left(evidence: Evidence) -> Check:
    left = evidence.truth.counts
    published = Counter(one.place for one in evidence.ledger)
    faults = [
        f"{place} is at {evidence.truth.offsets.get(place)} of {end}, with {published[place]} published"
        for place, end in evidence.truth.ends.items()
        if not evidence.truth.offsets.get(place) == end == published[place]
    ]
    faults += [f"{left[name]} {name}" for name in ("unsent", "parked", "due") if left[name]]
    if left["handled"] != len(evidence.messages):
        faults.append(f"{left['handled']} messages are noted as handled, of {len(evidence.messages)}")
    return Check(
        "all is read, sent and done", f"{len(evidence.messages)} messages, {left['tasks']} tasks later", faults
    )


def _all_are_well(evidence: Evidence) -> Check:
    faults = [f"{name} is not ready" for name in evidence.truth.not_ready] + list(evidence.truth.ended)
    return Check("no process gave up, and all are ready", "", faults)


_CHECKS: Final[Sequence[Callable[[Evidence], Check]]] = (
    _all_are_accounted_for,
    _every_command_ends_once,
    _bad_commands_are_refused,
    _order_is_kept,
    _poison_is_dead,
    _a_repeat_is_the_same,
    _balances_are_told_in_order,
    _payments_end,
    _charged_once,
    _posted_once,
    _the_ledger_balances,
    _nothing_is_left,
    _all_are_well,
)


def _firsts(things: Iterable[T], key: Callable[[T], K]) -> list[T]:
    """Return things without those whose key was there before."""
    first: dict[K, T] = {}
    for thing in things:
        first.setdefault(key(thing), thing)
    return list(first.values())


def _cause(data: Json) -> tuple[str, str] | None:
    """Return the kind and cause of the posting that a fact leads to, if it does."""
    for kind in ("charge", "adjustment"):
        if f"{kind}_id" in data:
            return (kind, data[f"{kind}_id"])
    return None
