"""The checks of the fault campaign: each is quiet where all is well, and finds what is not."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.checks import check_all
from tests.faults.intents import Intent
from tests.faults.load import Published
from tests.faults.truth import Said, Truth

Json = dict[str, Any]

COMMANDS, FACTS = ("payments.commands.v1", 0), ("host.billing.v1", 0)
PAID = {"payment_id": "pay-1", "account_number": "G-1", "amount_minor": 300}
VISIT = {"visit_account_number": "G-1-V1"}


def intent(place: tuple[str, int], fate: Any, number: str | None, data: Json | None = None) -> Intent:
    return Intent(place[0], "G-1", b"{", fate, number, data=data)


def said(number: str, kind: str, data: Json, **envelope: Any) -> Said:
    told = {"id": number, "type": f"payments.{kind}.v1", "data": data, **envelope}
    return Said(json.dumps(told).encode(), told)


def letter(offset: int, attempts: int = 1) -> Said:
    value = base64.b64encode(b"{").decode()
    told = {"topic": COMMANDS[0], "partition": 0, "offset": offset, "value_base64": value}
    told |= {"id": f"dead-{offset}", "reason": "unreadable", "attempts": attempts}
    return Said(json.dumps(told).encode(), told)


def posting(kind: str, cause: str, *lines: tuple[str, int]) -> Json:
    accounts, amounts = zip(*lines, strict=True)
    return {"account_number": "G-1", "kind": kind, "cause_id": cause, "accounts": accounts, "amounts": amounts}


def balance(version: int, owed: int) -> Said:
    told = {"account_number": "G-1", "version": version, "balance_minor": owed}
    return said(f"b-{version}", "balance-changed", told)


LEDGER = [
    Published(FACTS, 0, intent(FACTS, "fact", "m-1", {})),
    Published(FACTS, 1, intent(FACTS, "fact", "m-2", VISIT | {"visit_date": "2025-01-10"})),
    Published(FACTS, 2, intent(FACTS, "fact", "m-3", VISIT | {"charge_id": "C-1", "amount_minor": 900})),
    Published(COMMANDS, 0, intent(COMMANDS, "command", "m-4", PAID)),
    Published(COMMANDS, 1, intent(COMMANDS, "command", "m-4", PAID)),
    Published(COMMANDS, 2, intent(COMMANDS, "dead", None)),
    Published(COMMANDS, 3, intent(COMMANDS, "command", "m-5", PAID)),
    Published(COMMANDS, 4, replace(intent(COMMANDS, "command", "m-6", {}), refusal="invalid_data")),
]
ACCEPTED = said("e-1", "payment-accepted", PAID, causationid="m-4", outcome="done")
AGAIN = said("e-2", "payment-accepted", PAID, causationid="m-5", outcome="done")
REFUSED = said("e-3", "command-refused", {"reason": "invalid_data"}, causationid="m-6", outcome="refused")
SUCCEEDED = said("e-4", "payment-succeeded", PAID, causationid="m-4")
CHARGED = posting("charge", "C-1", ("receivable:G-1-V1", 900), ("charges", -900))
RECEIVED = posting("payment", "pay-1", ("processor:clearing", 300), ("receivable:G-1-V1", -300))
KEPT = PAID | {"status": "succeeded", "reason": None}
OWED = {"account_number": "G-1", "number": "G-1-V1", "closed": False, "opened": True, "balance_minor": 600}
TRUTH = Truth(
    events=[balance(1, 900), ACCEPTED, ACCEPTED, AGAIN, REFUSED, SUCCEEDED, balance(2, 600)],
    letters=[letter(2)],
    charges=[PAID],
    accounts=[{"number": "G-1", "version": 2}],
    visits=[OWED],
    payments=[KEPT],
    postings=[CHARGED, RECEIVED],
    counts={"handled": 6, "unsent": 0, "parked": 0, "tasks": 0, "due": 0},
    offsets={COMMANDS: 5, FACTS: 3},
    ends={COMMANDS: 5, FACTS: 3},
    not_ready=[],
    ended=[],
)


def without(event: Said) -> list[Said]:
    return [one for one in TRUTH.events if one is not event]


def otherwise(event: Said) -> Said:
    return Said(event.raw + b" ", event.told)


def broken(truth: Truth) -> set[str]:
    return {check.promise for check in check_all(LEDGER, truth) if check.faults}


def test_all_promises_are_kept_where_all_is_well() -> None:
    assert broken(TRUTH) == set()


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("every record is accounted for", {"visits": [OWED | {"opened": False}]}),
        ("every command has exactly one outcome", {"events": without(AGAIN)}),
        (
            "every command has exactly one outcome",
            {"events": [*TRUTH.events, said("e-9", "payment-accepted", PAID, causationid="m-4", outcome="done")]},
        ),
        (
            "commands that cannot be right are refused for it",
            {
                "events": [
                    *without(REFUSED),
                    said("e-3", "command-refused", {"reason": "not_found"}, causationid="m-6"),
                ]
            },
        ),
        ("outcomes are in the order of their commands", {"events": [AGAIN, *without(AGAIN)]}),
        ("what is no message is a dead letter, once", {"letters": []}),
        ("what is no message is a dead letter, once", {"letters": [letter(2, attempts=2)]}),
        ("what is no message is a dead letter, once", {"letters": [letter(2), letter(3)]}),
        ("what is sent again is the same to the byte", {"events": [*TRUTH.events, otherwise(ACCEPTED)]}),
        ("each balance is told once, in its turn", {"events": [balance(2, 600), *without(TRUTH.events[-1])]}),
        ("each balance is told once, in its turn", {"events": TRUTH.events[1:]}),
        ("each balance is told once, in its turn", {"events": [*TRUTH.events[:-1], balance(2, 700)]}),
        ("every accepted payment came to its end", {"payments": [KEPT | {"status": "processing"}]}),
        ("every accepted payment came to its end", {"payments": []}),
        ("every accepted payment came to its end", {"events": without(SUCCEEDED)}),
        ("the processor charged what succeeded, and once", {"charges": [PAID, PAID]}),
        ("the processor charged what succeeded, and once", {"charges": []}),
        ("the processor charged what succeeded, and once", {"charges": [PAID | {"amount_minor": 301}]}),
        ("the processor charged what succeeded, and once", {"payments": [KEPT | {"status": "failed"}]}),
        ("the ledger has what happened, and once", {"postings": [CHARGED, CHARGED, RECEIVED]}),
        ("the ledger has what happened, and once", {"postings": [CHARGED]}),
        ("postings, visits and the trial balance agree", {"visits": [OWED | {"balance_minor": 601}]}),
        ("postings, visits and the trial balance agree", {"postings": [CHARGED | {"amounts": (900, -899)}]}),
        ("all is read, sent and done", {"offsets": {COMMANDS: 4, FACTS: 3}}),
        ("all is read, sent and done", {"counts": TRUTH.counts | {"unsent": 1}}),
        ("all is read, sent and done", {"counts": TRUTH.counts | {"handled": 5}}),
        ("no process gave up, and all are ready", {"ended": ["one ended by itself"]}),
        ("no process gave up, and all are ready", {"not_ready": ["one"]}),
    ],
)
def test_a_broken_promise_is_found(promise: str, change: Json) -> None:
    assert promise in broken(replace(TRUTH, **change))
