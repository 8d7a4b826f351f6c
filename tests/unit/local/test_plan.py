from pathlib import Path

from local.plan import PLAN, SERVICES, Addresses

AT = Addresses(
    kafka="127.0.0.1:9092",
    databases={name: f"postgresql://127.0.0.1/{name}" for name in SERVICES},
    ports={name: 8000 + number for number, name in enumerate(("sandbox", *SERVICES))},
    sandbox_data=Path("data"),
    processor_secret="not a secret",
)
ENVIRONMENTS = {program.name: program.env(AT) for stage in PLAN.stages for program in stage}


def test_services_trust_the_identity_provider_of_the_sandbox() -> None:
    for name in SERVICES:
        assert ENVIRONMENTS[name]["AUTH_ISSUER"] == "http://127.0.0.1:8000/identity"
        assert ENVIRONMENTS[name]["AUTH_JWKS_URL"] == "http://127.0.0.1:8000/identity/jwks"
        assert ENVIRONMENTS[name]["AUTH_AUDIENCE"] == "patient-portal"
        assert ENVIRONMENTS[name]["CLOCK_URL"] == "http://127.0.0.1:8000/clock"


def test_each_service_is_told_its_own_database_and_port_and_no_other() -> None:
    for name in SERVICES:
        own = {key: value for key, value in ENVIRONMENTS[name].items() if key.startswith(name.upper())}
        assert own[f"{name.upper()}_DATABASE_URL"] == AT.databases[name]
        assert own[f"{name.upper()}_HTTP_PORT"] == str(AT.ports[name])
        assert sum(key.endswith("_DATABASE_URL") for key in ENVIRONMENTS[name]) == 1


def test_payments_and_the_processor_share_a_secret_and_know_each_other() -> None:
    payments, sandbox = ENVIRONMENTS["payments"], ENVIRONMENTS["sandbox"]
    assert payments["PAYMENTS_PROCESSOR_SECRET"] == sandbox["SANDBOX_PROCESSOR_SECRET"] == "not a secret"
    assert payments["PAYMENTS_PROCESSOR_URL"] == "http://127.0.0.1:8000/processor"
    assert sandbox["SANDBOX_WEBHOOK_URL"] == "http://127.0.0.1:8001/v1/processor/webhooks"


def test_topics_and_tables_are_made_before_anything_stays() -> None:
    once = [(program.module, program.arguments) for program in PLAN.once]
    assert ("shared.messaging", ("create-topics",)) in once
    for name in SERVICES:
        assert (f"services.{name}", ("migrate",)) in once
