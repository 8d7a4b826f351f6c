import base64
from pathlib import Path

import pytest

from local.plan import PLAN, Addresses, Environment
from shared.events.topics import SERVICES

PROGRAMS = {program.name: program for stage in PLAN.stages for program in stage}
LISTENERS = [name for program in PROGRAMS.values() for name in program.listeners]


@pytest.fixture(name="at")
def addresses(tmp_path: Path) -> Addresses:
    return Addresses(
        kafka="127.0.0.1:9092",
        databases={name: f"postgresql://127.0.0.1/{name}" for name in SERVICES},
        ports={name: 8000 + number for number, name in enumerate(LISTENERS)},
        directory=tmp_path,
    )


@pytest.fixture(name="told")
def environments(at: Addresses) -> dict[str, Environment]:
    return {name: program.env(at) for name, program in PROGRAMS.items()}


def test_everything_is_started(told: dict[str, Environment]) -> None:
    assert set(told) == {"sandbox", "payments", "insurance", "inbox", "notifications", "portal"}
    assert PLAN.pages == (("basket", "portal", "/basket"),)


def test_services_trust_the_identity_provider_of_the_sandbox(told: dict[str, Environment], at: Addresses) -> None:
    for name in SERVICES:
        assert told[name]["AUTH_ISSUER"] == f"{at.url('sandbox')}/identity"
        assert told[name]["AUTH_JWKS_URL"] == f"{at.url('sandbox')}/identity/jwks"
        assert told[name]["AUTH_AUDIENCE"] == "patient-portal"
        assert told[name]["CLOCK_URL"] == f"{at.url('sandbox')}/clock"


def test_each_service_is_told_its_own_database_and_port_and_no_other(
    told: dict[str, Environment], at: Addresses
) -> None:
    for name in SERVICES:
        own = {key: value for key, value in told[name].items() if key.startswith(name.upper())}
        assert own[f"{name.upper()}_DATABASE_URL"] == at.databases[name]
        assert own[f"{name.upper()}_HTTP_PORT"] == str(at.ports[name])
        assert sum(key.endswith("_DATABASE_URL") for key in told[name]) == 1


def test_the_portal_knows_every_service_and_no_database(told: dict[str, Environment], at: Addresses) -> None:
    for name in SERVICES:
        assert told["portal"][f"PORTAL_{name.upper()}_URL"] == at.url(name)
    assert not [key for key in told["portal"] if "DATABASE" in key]


@pytest.mark.parametrize(
    ("program", "variable", "variable_of_the_sandbox"),
    [
        ("payments", "PAYMENTS_PROCESSOR_SECRET", "SANDBOX_PROCESSOR_SECRET"),
        ("notifications", "NOTIFICATIONS_EMAIL_SECRET", "SANDBOX_MAIL_SECRET"),
        ("notifications", "NOTIFICATIONS_SMS_SECRET", "SANDBOX_SMS_SECRET"),
        ("portal", "PORTAL_OIDC_CLIENT_SECRET", "SANDBOX_PORTAL_CLIENT_SECRET"),
    ],
)
def test_who_talks_to_the_sandbox_shares_a_secret_with_it(
    told: dict[str, Environment], program: str, variable: str, variable_of_the_sandbox: str
) -> None:
    assert told[program][variable] == told["sandbox"][variable_of_the_sandbox]


def test_no_two_secrets_are_the_same_and_all_are_there_at_the_next_start(
    told: dict[str, Environment], at: Addresses
) -> None:
    secrets = {value for key, value in told["sandbox"].items() if key.endswith("_SECRET")}
    assert len(secrets) == sum(key.endswith("_SECRET") for key in told["sandbox"])
    assert {name: program.env(at) for name, program in PROGRAMS.items()} == told


def test_the_key_of_raw_answers_has_32_bytes(told: dict[str, Environment]) -> None:
    assert len(base64.urlsafe_b64decode(told["insurance"]["INSURANCE_RAW_KEY"])) == 32


def test_the_sandbox_is_told_where_its_calls_go(told: dict[str, Environment], at: Addresses) -> None:
    sandbox = told["sandbox"]
    assert told["payments"]["PAYMENTS_PROCESSOR_URL"] == f"{at.url('sandbox')}/processor"
    assert sandbox["SANDBOX_WEBHOOK_URL"] == f"{at.url('payments')}/v1/processor/webhooks"
    assert sandbox["SANDBOX_MAIL_EVENTS_URL"] == f"{at.url('notifications')}/v1/email/events"
    assert sandbox["SANDBOX_SMS_INBOUND_URL"] == f"{at.url('notifications')}/v1/sms/inbound"
    assert told["notifications"]["NOTIFICATIONS_SMTP_URL"] == f"smtp://127.0.0.1:{sandbox['SANDBOX_SMTP_PORT']}"
    assert told["inbox"]["INBOX_CLAMD_URL"] == f"tcp://127.0.0.1:{sandbox['SANDBOX_CLAMD_PORT']}"


def test_topics_and_tables_are_made_before_anything_stays() -> None:
    once = [(program.module, program.arguments) for program in PLAN.once]
    assert ("shared.messaging", ("create-topics",)) in once
    for name in SERVICES:
        assert (f"services.{name}", ("migrate",)) in once
