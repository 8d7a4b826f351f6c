"""The plan: which programs run beside Kafka and PostgreSQL, and what each is told about the others."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

SERVICES = ("payments",)

Environment: TypeAlias = dict[str, str]


@dataclass(frozen=True)
class Addresses:
    """Where everything is, also what is not started yet: `host:port` of Kafka, else by name."""

    kafka: str
    databases: dict[str, str]
    ports: dict[str, int]
    sandbox_data: Path
    processor_secret: str

    def url(self, name: str) -> str:
        """The address of a program that answers over HTTP."""
        return f"http://127.0.0.1:{self.ports[name]}"


@dataclass(frozen=True)
class Program:
    """A Python module that is started with `arguments` and with what `env` adds to the environment."""

    name: str
    module: str
    env: Callable[[Addresses], Environment]
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is started, in order.

    Args:
        once: what runs to its end first.
        stages: what stays, each stage started when the one before is ready and stopped before it. Each
            program is told its port and answers `GET /health/ready` there with 200 when it can be used.
    """

    once: tuple[Program, ...]
    stages: tuple[tuple[Program, ...], ...]


def _common(at: Addresses) -> Environment:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": at.kafka,
        "AUTH_ISSUER": f"{at.url('sandbox')}/identity",
        "AUTH_AUDIENCE": "patient-portal",
        "AUTH_JWKS_URL": f"{at.url('sandbox')}/identity/jwks",
        "CLOCK_URL": f"{at.url('sandbox')}/clock",
    }


def _http(name: str, at: Addresses) -> Environment:
    return {f"{name.upper()}_HTTP_HOST": "127.0.0.1", f"{name.upper()}_HTTP_PORT": str(at.ports[name])}


def _sandbox(at: Addresses) -> Environment:
    told = {
        "SANDBOX_DIR": str(at.sandbox_data),
        "SANDBOX_PROCESSOR_SECRET": at.processor_secret,
        "SANDBOX_WEBHOOK_URL": f"{at.url('payments')}/v1/processor/webhooks",
    }
    return _common(at) | _http("sandbox", at) | told


def _service(name: str, at: Addresses) -> Environment:
    database = {f"{name.upper()}_DATABASE_URL": at.databases[name]}
    return _common(at) | _http(name, at) | database | _adapters(at).get(name, {})


def _adapters(at: Addresses) -> dict[str, Environment]:
    return {
        "payments": {
            "PAYMENTS_PROCESSOR_URL": f"{at.url('sandbox')}/processor",
            "PAYMENTS_PROCESSOR_SECRET": at.processor_secret,
        },
    }


PLAN = Plan(
    once=(
        Program("create-topics", "shared.messaging", _common, ("create-topics",)),
        *(
            Program(f"{name}-migrate", f"services.{name}", partial(_service, name), ("migrate",))
            for name in SERVICES
        ),
    ),
    stages=(
        (Program("sandbox", "sandbox", _sandbox),),
        tuple(Program(name, f"services.{name}", partial(_service, name)) for name in SERVICES),
    ),
)
