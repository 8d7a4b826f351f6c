"""The fault campaign's checks of notifications: each finds what is not well."""

from typing import Any

import pytest

from tests.unit.faults.story import Campaign, Json, done, intent, published, said

COMMANDS, FACTS = "notifications.commands.v1", "host.billing.v1"
CONTACT = {"contact_id": "K-1", "person_id": "P-1", "address": "ada@mail.example"}


def issued(number: str, statement: str, expects: str) -> Any:
    data = {"statement_id": statement, "account_number": "G-1"}
    return intent(FACTS, "G-1", "fact", number, "billing.statement-issued", data, expects=expects)


def alert(number: str, statement: str, channel: str, status: str) -> Json:
    about = {"alert_id": number, "statement_id": statement, "contact_id": "K-1"}
    return about | {"channel": channel, "status": status}


def told(number: str, kind: str, alert_id: str) -> Any:
    return said(number, f"notifications.{kind}", {"alert_id": alert_id})


def mail(reference: str, **headers: str) -> Json:
    return {"to": "ada@mail.example", "headers": {"Message-ID": f"<{reference}@portal.example>", **headers}}


LEDGER = published(
    intent(FACTS, "G-1", "fact", "m-1", "billing.guarantor-account-opened", {"account_number": "G-1"}),
    intent("host.registration.v1", "M-1", "fact", "m-2", "registration.patient-registered", {"patient_id": "M-1"}),
    intent(COMMANDS, "P-1", "command", "m-3", "notifications.add-contact", CONTACT),
    issued("m-4", "ST-1", "told"),
    issued("m-5", "ST-2", "told"),
    issued("m-6", "ST-3", "printed"),
    issued("m-7", "ST-4", "told"),
)
DELIVERED = alert("11111111-aaaa-0000", "ST-1", "email", "delivered")
FAILED = alert("22222222-bbbb-0000", "ST-2", "email", "failed")
TEXTED = alert("33333333-cccc-0000", "ST-4", "text", "delivered")
SENT = mail("11111111-aaaa-0000", **{"List-Unsubscribe": "<link>"})
CODE = mail("code-1")
TEXT = {"to": "+12025550123", "text": "Sign in: http://portal/?notice=33333333cccc"}
HEARD = told("e-3", "alert-delivered", "11111111-aaaa-0000")
PAPER = said("e-6", "notifications.paper-statement-due", {"statement_id": "ST-2"})
PAPER_AGAIN = said("e-7", "notifications.paper-statement-due", {"statement_id": "ST-2"})


def statement(number: str, reason: str | None = None) -> Json:
    return {"statement_id": number, "account_number": "G-1", "paper_reason": reason}


STATEMENTS = [statement("ST-1"), statement("ST-2", "hard_bounce"), statement("ST-3"), statement("ST-4")]
CAMPAIGN = Campaign(
    "notifications",
    LEDGER,
    events=[
        done("e-1", "notifications.code-sent", "m-3", CONTACT),
        told("e-2", "alert-sent", "11111111-aaaa-0000"),
        HEARD,
        told("e-4", "alert-failed", "22222222-bbbb-0000"),
        told("e-5", "alert-delivered", "33333333-cccc-0000"),
        PAPER,
    ],
    rows={
        "patients": [{"patient_id": "M-1"}],
        "accounts": [{"number": "G-1"}],
        "contacts": [{"contact_id": "K-1"}],
        "statements": STATEMENTS,
        "alerts": [DELIVERED, FAILED, TEXTED],
    },
    outside={"mails": [SENT, CODE, CODE], "texts": [TEXT]},
    handled=3,
)
EVENTS = CAMPAIGN.part.events
TOLD = "each statement is one alert, or on paper once"
ARRIVED = "an alert arrives once, as it is told"
HEARD_ONCE = "what becomes of an alert is told once"
CODES = "each contact gets the codes that are told, only"


def test_all_promises_are_kept_where_all_is_well() -> None:
    assert CAMPAIGN.broken() == set()


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("every record is accounted for", {"accounts": []}),
        (TOLD, {"alerts": [FAILED, TEXTED]}),
        (TOLD, {"alerts": [DELIVERED, FAILED, TEXTED, DELIVERED]}),
        (TOLD, {"alerts": [DELIVERED, FAILED, TEXTED, alert("4", "ST-3", "email", "delivered")]}),
        (TOLD, {"events": CAMPAIGN.without(PAPER)}),
        (TOLD, {"events": [*EVENTS, PAPER_AGAIN]}),
        (TOLD, {"statements": STATEMENTS[1:]}),
        (ARRIVED, {"mails": [SENT, SENT, CODE]}),
        (ARRIVED, {"mails": [CODE]}),
        (ARRIVED, {"texts": [TEXT, TEXT]}),
        (HEARD_ONCE, {"events": CAMPAIGN.without(HEARD)}),
        (HEARD_ONCE, {"events": [*EVENTS, told("e-9", "alert-delivered", "11111111-aaaa-0000")]}),
        (CODES, {"mails": [SENT]}),
        (CODES, {"mails": [SENT, CODE, mail("code-2")]}),
        (CODES, {"mails": [SENT, CODE, CODE | {"to": "eve@mail.example"}]}),
        (CODES, {"contacts": []}),
    ],
)
def test_a_broken_promise_is_found(promise: str, change: Json) -> None:
    assert promise in CAMPAIGN.broken(**change)
