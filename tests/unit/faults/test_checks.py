"""The checks of the fault campaign, of every service and of payments: each finds what is not well."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.intents.making import Intent
from tests.unit.faults.story import Campaign, Json, done, intent, letter, otherwise, published, said

COMMANDS, FACTS = "payments.commands.v1", "host.billing.v1"
PAID = {"payment_id": "pay-1", "account_number": "G-1", "amount_minor": 300}
VISIT = {"visit_account_number": "G-1-V1"}


def fact(number: str, kind: str, data: Json) -> Intent:
    return intent(FACTS, "G-1", "fact", number, f"billing.{kind}", data)


def command(number: str, data: Json, **more: Any) -> Intent:
    return intent(COMMANDS, "G-1", "command", number, "payments.submit-payment", data, **more)


def posting(kind: str, cause: str, *lines: tuple[str, int]) -> Json:
    accounts, amounts = zip(*lines, strict=True)
    return {"account_number": "G-1", "kind": kind, "cause_id": cause, "accounts": accounts, "amounts": amounts}


def balance(version: int, owed: int) -> Any:
    told = {"account_number": "G-1", "version": version, "balance_minor": owed}
    return said(f"b-{version}", "payments.balance-changed", told)


LEDGER = published(
    fact("m-1", "guarantor-account-opened", {}),
    fact("m-2", "visit-account-opened", VISIT | {"visit_date": "2025-01-10"}),
    fact("m-3", "charge-posted", VISIT | {"charge_id": "C-1", "amount_minor": 900}),
    fact("m-7", "statement-issued", {"statement_id": "ST-1"}),
    command("m-4", PAID),
    command("m-4", PAID),
    Intent(COMMANDS, "G-1", b"{", "dead"),
    command("m-5", PAID),
    command("m-6", {}, refusal="invalid_data"),
)
ACCEPTED = done("e-1", "payments.payment-accepted", "m-4", PAID)
AGAIN = done("e-2", "payments.payment-accepted", "m-5", PAID)
TWICE = done("e-9", "payments.payment-accepted", "m-4", PAID)
SUCCEEDED = said("e-4", "payments.payment-succeeded", PAID, causationid="m-4")


def refused(reason: str) -> Any:
    data = {"reason": reason}
    return said("e-3", "payments.command-refused", data, causationid="m-6", outcome="refused")


CHARGED = posting("charge", "C-1", ("receivable:G-1-V1", 900), ("charges", -900))
RECEIVED = posting("payment", "pay-1", ("processor:clearing", 300), ("receivable:G-1-V1", -300))
KEPT = PAID | {"status": "succeeded", "reason": None}
OWED = {"account_number": "G-1", "number": "G-1-V1", "closed": False, "opened": True, "balance_minor": 600}
REFUSED, FIRST, LAST = refused("invalid_data"), balance(1, 900), balance(2, 600)
POISON = (COMMANDS, 0)
CAMPAIGN = Campaign(
    "payments",
    LEDGER,
    events=[FIRST, ACCEPTED, ACCEPTED, AGAIN, REFUSED, SUCCEEDED, LAST],
    letters=[letter(POISON, 2)],
    rows={
        "accounts": [{"number": "G-1", "version": 2}],
        "visits": [OWED],
        "payments": [KEPT],
        "postings": [CHARGED, RECEIVED],
        "statements": [{"statement_id": "ST-1"}],
    },
    outside={"charges": [PAID]},
    handled=7,
)
EVENTS, COUNTS, OFFSETS = CAMPAIGN.part.events, CAMPAIGN.part.counts, CAMPAIGN.part.offsets
without = CAMPAIGN.without


def test_all_promises_are_kept_where_all_is_well() -> None:
    assert CAMPAIGN.broken() == set()


def test_what_was_asked_over_http_is_no_command_of_a_topic() -> None:
    asked = done("e-9", "payments.work-settled", "a-call", {})
    assert CAMPAIGN.broken(events=[*EVENTS, asked]) == set()


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("every record is accounted for", {"visits": [OWED | {"opened": False}]}),
        ("every record is accounted for", {"statements": []}),
        ("every command has exactly one outcome", {"events": without(AGAIN)}),
        ("every command has exactly one outcome", {"events": [*EVENTS, TWICE]}),
        (
            "commands that cannot be right are refused for it",
            {"events": [*without(REFUSED), refused("not_found")]},
        ),
        ("outcomes are in the order of their commands", {"events": [AGAIN, *without(AGAIN)]}),
        ("what is no message is a dead letter, once", {"letters": []}),
        ("what is no message is a dead letter, once", {"letters": [letter(POISON, 2, attempts=2)]}),
        ("what is no message is a dead letter, once", {"letters": [letter(POISON, 2), letter(POISON, 3)]}),
        ("what is sent again is the same to the byte", {"events": [*EVENTS, otherwise(ACCEPTED)]}),
        ("each balance is told once, in its turn", {"events": [LAST, *without(LAST)]}),
        ("each balance is told once, in its turn", {"events": without(FIRST)}),
        ("each balance is told once, in its turn", {"events": [*without(LAST), balance(2, 700)]}),
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
        ("all is read, sent and done", {"offsets": {**OFFSETS, POISON: 4}}),
        ("all is read, sent and done", {"counts": {**COUNTS, "unsent": 1}}),
        ("all is read, sent and done", {"counts": {**COUNTS, "handled": 5}}),
        ("all is read, sent and done", {"counts": {**COUNTS, "unheard": 1}}),
        ("no process gave up, and all are ready", {"faults": ["one ended by itself"]}),
    ],
)
def test_a_broken_promise_is_found(promise: str, change: Json) -> None:
    assert promise in CAMPAIGN.broken(**change)


def test_what_a_service_passes_over_needs_no_effect() -> None:
    closed = intent("host.registration.v1", "M-1", "fact", "m-1", "registration.coverage-on-file", {})
    ledger = published(closed, replace(closed, id=None, fate="dead"))
    kept: dict[str, list[Json]] = {"patients": [], "appointments": [], "items": [], "messages": [], "history": []}
    assert Campaign("inbox", ledger, [], kept, {"calls": []}, handled=0).broken() == set()
