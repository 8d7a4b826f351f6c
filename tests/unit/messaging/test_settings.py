"""Settings that are wrong, unsafe or none at all end the process with one line each, which shows no secret."""

from pathlib import Path
from typing import Any

import certifi
import pytest
from faststream.kafka.security import parse_security
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.auth import AuthSettings
from shared.messaging.security import security
from shared.settings import ClockSettings, DatabaseSettings, KafkaSettings, ServiceSettings, read, unknown
from shared.telemetry import TelemetrySettings

KAFKA = {"KAFKA_BOOTSTRAP_SERVERS": "kafka-1:9092,kafka-2:9092"}
SASL = {
    **KAFKA,
    "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "portal",
    "KAFKA_SASL_PASSWORD": "a-secret",
}
LIBRARY = {"LIBRARY_DATABASE_URL": "postgresql://library:a-secret@database/library"}


class LibrarySettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="LIBRARY_", frozen=True)

    shelves: int = 3


@pytest.fixture(name="environment", autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("BOOTSTRAP_SERVERS", "SECURITY_PROTOCOL", "GROUP_ID"):
        monkeypatch.delenv(f"KAFKA_{name}", raising=False)
    return monkeypatch


def refusal(
    settings: type[Any],
    given: dict[str, str],
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> list[str]:
    """Return what is said about an environment that is not accepted."""
    for name, value in given.items():
        environment.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        read(settings)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "a-secret" not in said
    return said.splitlines()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_ACKS", "1"),
        ("KAFKA_ACKS", "0"),
        ("KAFKA_ENABLE_IDEMPOTENCE", "false"),
        ("KAFKA_ENABLE_AUTO_COMMIT", "true"),
        ("KAFKA_AUTO_OFFSET_RESET", "latest"),
        ("KAFKA_AUTO_OFFSET_RESET", "none"),
        ("KAFKA_GROUP_ID", ""),
        ("KAFKA_BOOTSTRAP_SERVERS", ""),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092,"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:99999"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092,kafka:0"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("KAFKA_SSL_CAFILE", "/no/such/file"),
        ("KAFKA_SSL_CAFILE", __file__),
    ],
)
def test_an_unsafe_or_impossible_value_is_told_by_its_name(
    name: str, value: str, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = refusal(KafkaSettings, {**KAFKA, name: value}, environment, capsys)
    assert line.startswith(f"{name}: ")


def test_safe_values_may_be_said_aloud(environment: pytest.MonkeyPatch) -> None:
    safe = {
        "KAFKA_ACKS": "all",
        "KAFKA_ENABLE_IDEMPOTENCE": "true",
        "KAFKA_ENABLE_AUTO_COMMIT": "false",
        "KAFKA_AUTO_OFFSET_RESET": "earliest",
        "KAFKA_GROUP_ID": "payments-2",
    }
    for name, value in {**KAFKA, **safe}.items():
        environment.setenv(name, value)
    assert read(KafkaSettings).group_id == "payments-2"


def test_every_fault_is_told_at_once(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = refusal(KafkaSettings, {"KAFKA_ACKS": "1", "KAFKA_GROUP_ID": ""}, environment, capsys)
    assert [line.split(":")[0] for line in lines] == ["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_GROUP_ID", "KAFKA_ACKS"]


@pytest.mark.parametrize("missing", ["MECHANISM", "USERNAME", "PASSWORD"])
def test_a_password_needs_a_name_and_a_mechanism(
    missing: str, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {name: value for name, value in SASL.items() if not name.endswith(missing)}
    (line,) = refusal(KafkaSettings, given, environment, capsys)
    assert line == (
        "KAFKA: Value error, SASL needs KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
    )


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
@pytest.mark.parametrize("name", [name for name in SASL if "_SASL_" in name])
def test_what_is_set_for_a_password_needs_a_protocol_with_one(
    name: str, protocol: str, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {**KAFKA, "KAFKA_SECURITY_PROTOCOL": protocol, name: SASL[name]}
    (line,) = refusal(KafkaSettings, given, environment, capsys)
    assert line.endswith("KAFKA_SASL_… needs KAFKA_SECURITY_PROTOCOL=SASL_SSL or SASL_PLAINTEXT")


@pytest.mark.parametrize("given", [KAFKA, SASL])
def test_an_authority_needs_a_protocol_with_tls(
    given: dict[str, str], environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = refusal(KafkaSettings, {**given, "KAFKA_SSL_CAFILE": certifi.where()}, environment, capsys)
    assert line.endswith("KAFKA_SSL_CAFILE needs KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (AuthSettings, "AUTH_JWKS_URL"),
        (ClockSettings, "CLOCK_URL"),
        (TelemetrySettings, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (TelemetrySettings, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    ],
)
def test_an_address_that_is_none_is_told_by_its_name(
    settings: type[BaseSettings], name: str, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("AUTH_ISSUER", "https://issuer")
    for address in ("nope", "https://host:99999/", "https://host:port/"):
        (line,) = refusal(settings, {name: address}, environment, capsys)
        assert line.startswith(f"{name}: ")


def test_what_looks_like_a_setting_of_all_services_and_is_none_is_known_by_name(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("KAFKA_BOOTSTRAP_SERVER", "kafka:9092")
    environment.setenv("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1")
    environment.setenv("AUTH_AUDIENCES", "patient-portal")
    environment.setenv("CLOCK_URLS", "http://127.0.0.1:1")
    assert "KAFKA_BOOTSTRAP_SERVER" in unknown(KafkaSettings)
    assert "KAFKA_PORT_9092_TCP_ADDR" not in unknown(KafkaSettings)
    assert unknown(AuthSettings) == ["AUTH_AUDIENCES"]
    assert unknown(ClockSettings) == ["CLOCK_URLS"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_both_kinds_of_client_are_told_the_same(
    protocol: str, mechanism: str, environment: pytest.MonkeyPatch
) -> None:
    login = {**SASL, "KAFKA_SASL_MECHANISM": mechanism} if protocol.startswith("SASL") else KAFKA
    given = {**login, "KAFKA_SECURITY_PROTOCOL": protocol}
    for name, value in given.items():
        environment.setenv(name, value)
    settings = read(KafkaSettings)
    one, other = settings.connection(), parse_security(security(settings))
    assert one["security_protocol"] == other["security_protocol"] == protocol
    assert [bool(told["ssl_context"]) for told in (one, other)] == [protocol.endswith("SSL")] * 2
    if protocol.startswith("SASL"):
        for told in (one, other):
            assert told["sasl_mechanism"] == mechanism
            assert told["sasl_plain_username"] == "portal"
            assert told["sasl_plain_password"] == "a-secret"


def test_tls_always_checks_the_certificate_and_its_host(environment: pytest.MonkeyPatch) -> None:
    for name, value in {**KAFKA, "KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": certifi.where()}.items():
        environment.setenv(name, value)
    context = read(KafkaSettings).ssl_context()
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("LIBRARY_SHELFS", "4", "LIBRARY_SHELFS is no setting"),
        ("LIBRARY_SHELVES", "many", "LIBRARY_SHELVES: "),
        ("LIBRARY_HTTP_PORT", "99999", "LIBRARY_HTTP_PORT: "),
        ("LIBRARY_DATABASE_URL", "library", "LIBRARY_DATABASE_URL: "),
        ("LIBRARY_HTTP_HOST", "", "LIBRARY_HTTP_HOST: "),
        ("LIBRARY_DATABASE_URL", "mysql://library:a-secret@database/library", "LIBRARY_DATABASE_URL: "),
        ("LIBRARY_DATABASE_URL", "postgresql://library@127.0.0.1:99999/library", "LIBRARY_DATABASE_URL: "),
        ("LIBRARY_DATABASE_URL", "postgresql://library@one:5432,two:0/library", "LIBRARY_DATABASE_URL: "),
        ("LIBRARY_DATABASE_URL", "postgresql://library@database:port/library", "LIBRARY_DATABASE_URL: "),
        ("LIBRARY_DATABASE_URL", "postgresql://library@[bad/library", "LIBRARY_DATABASE_URL: "),
        ("LIBRARY_DATABASE_URL", "postgresql://library:a-secret/9@database/library", "LIBRARY_DATABASE_URL: "),
        ("LIBRARY_DATABASE_URL", "postgresql://library:a-secret@9@database/library", "LIBRARY_DATABASE_URL: "),
        ("LIBRARY_DATABASE_URL", "postgresql://library@database/library?sslmode", "LIBRARY_DATABASE_URL: "),
        ("LIBRARY_DATABASE_URL", "postgresql://library@database/library?sslmode=banana", "LIBRARY_DATABASE_URL: "),
    ],
)
def test_a_service_refuses_what_is_wrong_and_what_it_does_not_know(
    name: str, value: str, line: str, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (said,) = refusal(LibrarySettings, {**LIBRARY, name: value}, environment, capsys)
    assert said.startswith(line)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://library:a-secret@database:5432/library?sslmode=require",
        "postgres://library@one:5432,two/library",
        "postgresql://library@[::1]:5432/library",
        "postgresql:///library?host=/var/run/postgresql",
    ],
)
def test_a_database_may_be_wherever_asyncpg_finds_one(url: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LIBRARY_DATABASE_URL", url)
    assert read(LibrarySettings).database_url.get_secret_value() == url


def test_what_kubernetes_says_about_its_services_is_not_taken_for_settings(
    environment: pytest.MonkeyPatch,
) -> None:
    links = {
        "LIBRARY_SERVICE_HOST": "10.0.0.1",
        "LIBRARY_SERVICE_PORT_HTTP": "8080",
        "LIBRARY_PORT": "tcp://10.0.0.1:8080",
        "LIBRARY_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    for name, value in {**LIBRARY, **links}.items():
        environment.setenv(name, value)
    assert read(LibrarySettings).shelves == 3


def test_a_secret_is_not_shown_with_its_settings(environment: pytest.MonkeyPatch) -> None:
    for name, value in {**SASL, **LIBRARY}.items():
        environment.setenv(name, value)
    assert "a-secret" not in f"{read(KafkaSettings)!r} {read(LibrarySettings)!r}"


def test_a_setting_may_be_a_file_of_secrets(tmp_path: Path) -> None:
    (tmp_path / "library_database_url").write_text("postgresql://library:from-a-file@database/library\n")
    found = read(LibrarySettings, secrets=[tmp_path])
    assert found.database_url.get_secret_value() == "postgresql://library:from-a-file@database/library"


def test_the_environment_wins_over_a_file_of_secrets(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "library_shelves").write_text("5")
    environment.setenv("LIBRARY_DATABASE_URL", LIBRARY["LIBRARY_DATABASE_URL"])
    assert read(LibrarySettings, secrets=[tmp_path]).shelves == 5
    environment.setenv("LIBRARY_SHELVES", "7")
    assert read(LibrarySettings, secrets=[tmp_path]).shelves == 7


def test_migrating_reads_the_database_of_a_service_and_nothing_else(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LIBRARY_DATABASE_URL", LIBRARY["LIBRARY_DATABASE_URL"])
    environment.setenv("LIBRARY_SHELVES", "many")
    found = read(DatabaseSettings, prefix="LIBRARY_")
    assert found.database_url.get_secret_value() == LIBRARY["LIBRARY_DATABASE_URL"]


def test_migrating_without_a_database_names_the_service_s_own_variable(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("LIBRARY_DATABASE_URL", raising=False)
    with pytest.raises(SystemExit):
        read(DatabaseSettings, prefix="LIBRARY_")
    assert capsys.readouterr().err == "LIBRARY_DATABASE_URL: Field required\n"
