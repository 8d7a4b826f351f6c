"""What must hold of notifications: one alert of each statement, or paper, and one mail or text of each alert."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from tests.faults.checks.check import Check, Effect, Evidence
from tests.faults.intents.making import Intent

_ALERT: Final = re.compile(r"notice=(\w{12})")
_NOT_ARRIVED: Final = ("failed", "suppressed", "unknown")
_TOLD: Final = {"delivered": "alert-delivered", "failed": "alert-failed", "suppressed": "alert-failed"}


def effects(evidence: Evidence) -> Effect:
    """Return what tells whether a host's fact is kept."""
    patients = {row["patient_id"] for row in evidence.truth.rows["patients"]}
    accounts = {row["number"] for row in evidence.truth.rows["accounts"]}

    def had_effect(fact: Intent) -> bool:
        data = fact.data or {}
        return data["account_number"] in accounts if "account_number" in data else data["patient_id"] in patients

    return had_effect


def _told_or_printed(evidence: Evidence) -> Check:
    """Who is enrolled, or was, hears of each statement, or has it printed; for others nothing changes."""
    issued = {
        one.intent.data["statement_id"]: one.intent.expects
        for one in evidence.ledger
        if one.intent.data and one.intent.kind == "billing.statement-issued.v1"
    }
    alerts = defaultdict(list)
    for row in evidence.truth.rows["alerts"]:
        alerts[row["statement_id"]].append(row["status"])
    due = Counter(told["statement_id"] for told in evidence.told("paper-statement-due"))
    papers = {row["statement_id"] for row in evidence.truth.rows["statements"] if row["paper_reason"]}
    faults, ends = [], Counter[str]()
    for one, expects in issued.items():
        match expects, alerts[one], due[one]:
            case "printed", [], 0:
                ends["never paperless"] += 1
            case "told", ["delivered"], 0:
                ends["alerts"] += 1
            case "told", [] | ["failed" | "suppressed" | "unknown"], 1:
                ends["on paper"] += 1
            case _:
                faults.append(f"{one}, to be {expects}, has the alerts {alerts[one]} and paper {due[one]} times")
    faults += [f"{one} is told of, or printed, and was not issued" for one in alerts.keys() - issued.keys()]
    faults += [f"{one} is kept as on paper, or told, and not both" for one in papers ^ set(due)]
    kept = {row["statement_id"] for row in evidence.truth.rows["statements"]}
    faults += [f"{one} was not heard of, or never issued" for one in kept ^ set(issued)]
    counted = ", ".join(f"{number} {end}" for end, number in sorted(ends.items()))
    return Check("each statement is one alert, or on paper once", counted, faults)


def _alerts_arrive_once(evidence: Evidence) -> Check:
    """No alert is sent twice, whatever dies; one that is said to have arrived did."""
    mails = Counter(
        mail["headers"]["Message-ID"].strip("<>").split("@")[0] for mail in evidence.truth.outside["mails"]
    )
    texts = Counter(found[1] for text in evidence.truth.outside["texts"] if (found := _ALERT.search(text["text"])))
    faults = []
    arrived = Counter[str]()
    for row in evidence.truth.rows["alerts"]:
        one, channel = row["alert_id"], row["channel"]
        times = mails[one] if channel == "email" else texts[one.replace("-", "")[:12]]
        arrived[channel] += times
        if times > 1 or times < (row["status"] == "delivered"):
            faults.append(f"{one} is {row['status']}, and arrived {times} times by {channel}")
    counted = ", ".join(f"{number} by {channel}" for channel, number in sorted(arrived.items()))
    return Check("an alert arrives once, as it is told", counted, faults)


def _alerts_are_told(evidence: Evidence) -> Check:
    told = {
        kind: Counter(data["alert_id"] for data in evidence.told(kind))
        for kind in ("alert-sent", "alert-delivered", "alert-failed", "alert-unknown")
    }
    faults = []
    for row in evidence.truth.rows["alerts"]:
        one, status = row["alert_id"], row["status"]
        often = {kind: times[one] for kind, times in told.items() if times[one]}
        if max(often.values(), default=0) > 1 or (status in _TOLD and _TOLD[status] not in often):
            faults.append(f"{one} is {status} and told as {often}")
    statuses = Counter(row["status"] for row in evidence.truth.rows["alerts"])
    counted = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
    return Check("what becomes of an alert is told once", counted, faults)


def _codes_arrive(evidence: Evidence) -> Check:
    """A code may be sent twice by a process that died, as the same mail; never another one."""
    added = {one.data["contact_id"]: one.data["address"] for one in evidence.done("add-contact") if one.data}
    sent = defaultdict(list)
    for mail in evidence.truth.outside["mails"]:
        if "List-Unsubscribe" not in mail["headers"]:
            sent[mail["to"]].append(mail["headers"]["Message-ID"])
    for text in evidence.truth.outside["texts"]:
        if not _ALERT.search(text["text"]):
            sent[text["to"]].append(text["text"])
    told = defaultdict(set)
    for one in evidence.told("code-sent"):
        told[one["contact_id"]].add(one.get("expires_at"))
    faults = []
    for contact, address in added.items():
        codes = len(set(sent[address]))
        if not 1 <= codes <= len(told[contact]):
            faults.append(f"{contact} got {codes} codes, and was told of {len(told[contact])}")
    faults += ["somebody got a code who is no contact" for address in sent.keys() - set(added.values())]
    kept = {row["contact_id"] for row in evidence.truth.rows["contacts"]}
    faults += [f"{one} was added, or is kept, and not both" for one in kept ^ added.keys()]
    again = sum(len(codes) - len(set(codes)) for codes in sent.values())
    enrolled = {one.data["person_id"] for one in evidence.done("enrol-paperless") if one.data}
    counted = f"{len(added)} contacts, {len(enrolled)} persons enrolled, {again} codes sent again"
    return Check("each contact gets the codes that are told, only", counted, faults)


CHECKS: Final[Sequence[Callable[[Evidence], Check]]] = (
    _told_or_printed,
    _alerts_arrive_once,
    _alerts_are_told,
    _codes_arrive,
)
