"""What deploys and watches the project speaks of settings, topics and metrics that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic_settings import BaseSettings

import portal.commands
import shared.messaging.metrics
from portal.settings import PortalSettings
from sandbox.settings import Settings as SandboxSettings
from services.inbox.settings import Settings as InboxSettings
from services.insurance.settings import Settings as InsuranceSettings
from services.notifications.settings import Settings as NotificationsSettings
from services.payments.settings import Settings as PaymentsSettings
from shared.auth import AuthSettings
from shared.database import CLOSE_S_MAX
from shared.events.topics import SERVICES
from shared.messaging.run import STOP_S_MAX
from shared.settings import ClockSettings, KafkaSettings
from shared.telemetry import TelemetrySettings
from tests.unit.house.test_tidiness import ROOT

OWN: dict[str, type[BaseSettings]] = {
    "payments": PaymentsSettings,
    "insurance": InsuranceSettings,
    "inbox": InboxSettings,
    "notifications": NotificationsSettings,
    "portal": PortalSettings,
    "sandbox": SandboxSettings,
}
EVERY: tuple[type[BaseSettings], ...] = (
    *(KafkaSettings, AuthSettings, ClockSettings, TelemetrySettings),
    *OWN.values(),
)
OF_COMPOSE = {"IMAGE", "PYTHON_IMAGE", "SECRETS_DIR", "PUBLISHED_KAFKA_PORT", "PUBLISHED_POSTGRES_PORT"}
OF_LIBRARIES = {"PGSSLMODE", "PGSSLROOTCERT"}

EXAMPLE = (ROOT / ".env.example").read_text()
COMPOSE = (ROOT / "docker-compose.yml").read_text()
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
ALERT_TESTS = (ROOT / "deploy" / "prometheus" / "alerts_test.yml").read_text()
DASHBOARD = (ROOT / "deploy" / "grafana" / "messages.json").read_text()
CLUSTER = ROOT / "deploy" / "kubernetes"

ALERT = re.compile(r"- alert: (\w+)\n(?:.*\n)*?\s+runbook: (\S+)")
METRIC = re.compile(r"\b((?:messaging|portal|process|python)_\w+)\b")
LOCKED = re.compile(r"^([a-z0-9][\w.-]*==\S+(?: ;.*?)?)(?: \\)?\n((?:    --hash=.*\n?)+)", re.MULTILINE)
PARTS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def variable(settings: type[BaseSettings], name: str) -> str:
    prefix = settings.model_config.get("env_prefix", "")
    return str(settings.model_fields[name].validation_alias or f"{prefix}{name}").upper()


def variables(settings: type[BaseSettings]) -> set[str]:
    return {variable(settings, name) for name in settings.model_fields}


def explained() -> Iterator[tuple[str, str]]:
    """Return each variable of the example with the line above the first of its block."""
    comment = ""
    for line in EXAMPLE.splitlines():
        if named := re.match(r"#([A-Z_]+)=", line):
            yield named[1], comment
        else:
            comment = line


def metrics() -> set[str]:
    """Return the names of all series that our processes can show."""
    assert portal.commands
    assert shared.messaging.metrics
    return {metric.name + part for metric in REGISTRY.collect() for part in PARTS.get(metric.type, ())}


def test_every_setting_is_in_the_example_and_no_other() -> None:
    known = {name for settings in EVERY for name in variables(settings)}
    named = [name for name, _ in explained()]
    assert set(named) == known | OF_COMPOSE
    assert len(named) == len(set(named))
    assert all(re.match(r"# \S", comment) for _, comment in explained())


def test_the_example_s_values_are_the_defaults() -> None:
    told = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    known = {
        variable(settings, name): field.default
        for settings in EVERY
        for name, field in settings.model_fields.items()
        if isinstance(field.default, str | int | float | Path)
    }
    assert {name: told.get(name) for name in known} == {
        name: str(default).removesuffix(".0") for name, default in known.items()
    }


def test_what_is_set_beside_the_compose_file_counts_unless_the_example_says_otherwise() -> None:
    known = {name for settings in EVERY for name in variables(settings)}
    given = re.findall(r"\b([A-Z_]+): (.+)$", COMPOSE, re.MULTILINE)
    fixed = {name for name, value in given if name in known and not re.search(rf"\${{{name}\b", value)}
    (said,) = re.findall(r"^# Fixed here, whatever is set: ((?:.+\n# )*?.+)\.$", EXAMPLE, re.MULTILINE)
    assert fixed == set(re.findall(r"[A-Z_]{5,}", said))


def test_the_compose_file_asks_for_nothing_that_the_example_does_not_name() -> None:
    assert set(re.findall(r"\$\{([A-Z_]+)", COMPOSE)) <= {name for name, _ in explained()}


def test_every_secret_of_the_compose_file_is_made_and_is_a_setting() -> None:
    made = (ROOT / "deploy" / "compose" / "secrets.sh").read_text()
    known = {name.lower() for settings in OWN.values() for name in variables(settings)}
    for source in re.findall(r"^  (\w+): \{file:", COMPOSE, re.MULTILINE):
        assert source in made or (source.endswith("_database_url") and source.split("_")[0] in made)
        targets = re.findall(rf"source: {source}, target: (\w+)", COMPOSE) or [source]
        assert source == "postgres_password" or set(targets) <= known


@pytest.mark.parametrize("text", [ALERTS, ALERT_TESTS, DASHBOARD], ids=["alerts", "tests of alerts", "dashboard"])
def test_only_metrics_that_there_are_get_watched(text: str) -> None:
    watched = set(METRIC.findall(text)) - {"portal_"}
    assert watched
    # The processor and memory of a process are told on Linux alone.
    assert watched - {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= metrics()


def test_every_metric_of_messages_is_on_the_dashboard() -> None:
    families = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("messaging_")}
    assert not {name for name in families if name not in DASHBOARD}
    assert json.loads(DASHBOARD)["uid"] == "patient-portal"


def test_every_alert_is_tested_and_has_a_page() -> None:
    alerts = dict(ALERT.findall(ALERTS))
    assert len(alerts) == ALERTS.count("- alert:")
    assert set(re.findall(r'alertname="(\w+)', ALERT_TESTS)) == set(alerts)
    pages = {page.relative_to(ROOT).as_posix() for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert set(alerts.values()) == pages - {"docs/runbooks/README.md"}
    for name, page in alerts.items():
        text = (ROOT / page).read_text()
        assert text.startswith(f"# {name}\n")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Symptom", "Check", "What to do"]
        assert re.search(r"^\$ ", text, re.MULTILINE), f"{page} shows no command"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_scales_by_the_lag_of_all_that_it_reads(service: str) -> None:
    described = (CLUSTER / "base" / service / f"{service}.yaml").read_text()
    assert set(re.findall(r"topic: (\S+)", described)) == {heard.topic.name for heard in SERVICES[service].reads}
    assert set(re.findall(r"consumerGroup: (\S+)", described)) == {service}


def test_each_service_is_fenced_and_watched() -> None:
    policies = (CLUSTER / "base" / "network-policies.yaml").read_text()
    lists = [set(found.split(", ")) for found in re.findall(r"operator: In, values: \[(.+)\]", policies)]
    assert {frozenset(found) for found in lists if len(found & SERVICES.keys()) > 2} == {frozenset(SERVICES)}
    watched = re.findall(r'up\{job=~"(.+?)"\}', ALERTS)
    assert [set(found.split("|")) for found in watched] == [{*SERVICES, "portal"}]
    assert set(re.findall(r'absent\(up\{job="(\w+)"\}\)', ALERTS)) == {*SERVICES, "portal"}


def test_the_ways_out_that_settings_offer_are_open() -> None:
    policies = (CLUSTER / "base" / "network-policies.yaml").read_text()
    opened = {int(port) for port in re.findall(r"\bport: (\d+)", policies)}
    kafka, postgresql, https, smtps, submission, scanner, smpp, otlp = 9092, 5432, 443, 465, 587, 3310, 2775, 4318
    assert opened >= {kafka, postgresql, https, smtps, submission, scanner, smpp, otlp}


def test_a_process_has_the_time_that_it_needs_to_end() -> None:
    needed_s = STOP_S_MAX + 2 * CLOSE_S_MAX
    (compose_s, *_) = re.findall(r"stop_grace_period: (\d+)s", COMPOSE)
    described = (CLUSTER / "base" / "common" / "deployment.yaml").read_text()
    (given_s,), (asleep_s,) = (
        re.findall(form, described)
        for form in (r"terminationGracePeriodSeconds: (\d+)", r"sleep: {seconds: (\d+)}")
    )
    assert needed_s < min(int(compose_s), int(given_s) - int(asleep_s))


def test_no_program_s_processor_is_limited() -> None:
    programs = [part for part in re.split(r"^(?=\S|  \w)", COMPOSE, flags=re.MULTILINE) if "cpus:" in part]
    assert {part.split(":")[0].strip() for part in programs} <= {"kafka", "postgres"}
    assert "cpu:" not in "".join(
        found for page in CLUSTER.rglob("*.yaml") for found in re.findall(r"limits: .*", page.read_text())
    )


def test_the_cluster_is_told_settings_that_there_are() -> None:
    told = (CLUSTER / "overlays" / "example" / "kustomization.yaml").read_text()
    known = OF_LIBRARIES | {name for settings in EVERY for name in variables(settings)}
    assert set(re.findall(r"- ([A-Z_]+)=", told)) <= known
    secrets = re.findall(r"^#   \w+ {2,}(\w.*)$", told, re.MULTILINE)
    assert secrets
    assert {name.upper() for line in secrets for name in line.split(", ")} <= known


@pytest.mark.parametrize("name", ["requirements.txt", "assets.txt"])
def test_the_image_has_what_the_tests_have(name: str) -> None:
    everything = dict(LOCKED.findall((ROOT / "requirements.txt").read_text()))
    locked = dict(LOCKED.findall((ROOT / "deploy" / "image" / name).read_text()))
    assert locked
    assert {pin: everything.get(pin) for pin in locked} == locked
