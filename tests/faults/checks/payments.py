"""What must hold of payments: balances, payments against the processor's charges, and the ledger."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from tests.faults.checks.check import Check, Effect, Evidence
from tests.faults.intents.making import Intent, Json

Cause = tuple[str, str, str]
"""The account of a posting, its kind, and the id of what caused it."""

_ENDED: Final = {"payments.payment-succeeded.v1": "succeeded", "payments.payment-failed.v1": "failed"}


def _balances_are_told_in_order(evidence: Evidence) -> Check:
    told = defaultdict(list)
    for event in evidence.events:
        if event["type"] == "payments.balance-changed.v1":
            told[event["data"]["account_number"]].append(event["data"])
    owed: Counter[str] = Counter()
    for visit in evidence.truth.rows["visits"]:
        owed[visit["account_number"]] += 0 if visit["closed"] else visit["balance_minor"]
    faults = []
    for account in evidence.truth.rows["accounts"]:
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
    kept = {one["payment_id"]: one["status"] for one in evidence.truth.rows["payments"]}
    faults = [f"{one} is kept and was not accepted" for one in kept.keys() - accepted]
    for one in sorted(accepted):
        told = ends[one] or ["unknown" if one in work else "open"]
        if told != [kept.get(one)]:
            faults.append(f"{one} is kept as {kept.get(one)} and told as {told}")
    counted = ", ".join(f"{number} {status}" for status, number in sorted(Counter(kept.values()).items()))
    return Check("every accepted payment came to its end", counted, faults)


def _charged_once(evidence: Evidence) -> Check:
    kept = {one["payment_id"]: one for one in evidence.truth.rows["payments"]}
    charged = Counter(charge["payment_id"] for charge in evidence.truth.outside["charges"])
    faults = [f"{one} was charged {times} times" for one, times in charged.items() if times > 1]
    for charge in evidence.truth.outside["charges"]:
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
        "the processor charged what succeeded, and once",
        f"{len(evidence.truth.outside['charges'])} charges",
        faults,
    )


def _the_ledger_balances(evidence: Evidence) -> Check:
    sums: Counter[str] = Counter()
    faults = [f"posting {key} is {one['amounts']}" for key, one in _postings(evidence) if sum(one["amounts"])]
    for _, one in _postings(evidence):
        for account, amount in zip(one["accounts"], one["amounts"], strict=True):
            sums[account] += amount
    if sum(sums.values()) != 0:
        faults.append(f"debits and credits differ by {sum(sums.values())}")
    faults += [
        f"visit {visit['number']} owes {visit['balance_minor']}, and not by its postings"
        for visit in evidence.truth.rows["visits"]
        if visit["balance_minor"] != sums[f"receivable:{visit['number']}"]
    ]
    debits = sum(amount for amount in sums.values() if amount > 0)
    counted = (
        f"{len(_postings(evidence))} postings, {len(evidence.truth.rows['visits'])} visits, {debits} on each side"
    )
    return Check("postings, visits and the trial balance agree", counted, faults)


def _posted_once(evidence: Evidence) -> Check:
    """What was published to be posted, and what succeeded, is in the ledger with its amount, and nothing else."""
    wanted = {
        (fact.key, *cause): fact.data["amount_minor"]
        for fact in evidence.facts
        if fact.data is not None and (cause := _cause(fact.data))
    }
    for one in evidence.truth.rows["payments"]:
        if one["status"] == "succeeded":
            wanted[one["account_number"], "payment", one["payment_id"]] = one["amount_minor"]
    posted = {key: one["amounts"][0] for key, one in _postings(evidence)}
    times = Counter(key for key, _ in _postings(evidence))
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


def effects(evidence: Evidence) -> Effect:
    """Return what tells whether a fact is in the ledger, or known as an account, a visit or a statement."""
    rows = evidence.truth.rows
    posted = {key for key, _ in _postings(evidence)}
    opened = {account["number"] for account in rows["accounts"]}
    visits = {visit["number"] for visit in rows["visits"] if visit["opened"]}
    told = {statement["statement_id"] for statement in rows["statements"]}

    def had_effect(fact: Intent) -> bool:
        data = fact.data or {}
        if cause := _cause(data):
            return (fact.key, *cause) in posted
        if "statement_id" in data:
            return data["statement_id"] in told
        return data["visit_account_number"] in visits if "visit_date" in data else fact.key in opened

    return had_effect


CHECKS: Final[Sequence[Callable[[Evidence], Check]]] = (
    _balances_are_told_in_order,
    _payments_end,
    _charged_once,
    _posted_once,
    _the_ledger_balances,
)


def _postings(evidence: Evidence) -> list[tuple[Cause, Json]]:
    """Return postings with their account, kind and cause."""
    postings = evidence.truth.rows["postings"]
    return [((one["account_number"], one["kind"], one["cause_id"]), one) for one in postings]


def _cause(data: Json) -> tuple[str, str] | None:
    """Return the kind and cause of the posting that a fact leads to, if it does."""
    for kind in ("charge", "adjustment"):
        if f"{kind}_id" in data:
            return (kind, data[f"{kind}_id"])
    return None
