"""The plan: which programs run beside Kafka and PostgreSQL, and what each is told about the others."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from local.assets import unpacked
from local.secret import kept_secret
from shared.events.topics import SERVICES

Environment: TypeAlias = dict[str, str]


@dataclass(frozen=True)
class Addresses:
    """Where everything is, also what is not started yet: `host:port` of Kafka, else by name.

    Args:
        kafka: `host:port`.
        databases: a URL for each service.
        ports: of each program that answers over HTTP by its name, of what else it listens for by `name-what`.
        directory: holds all data of this start.
    """

    kafka: str
    databases: dict[str, str]
    ports: dict[str, int]
    directory: Path

    def url(self, name: str) -> str:
        """The address of a program that answers over HTTP."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def secret(self, name: str) -> str:
        """What those who share a secret are told; the same at the next start."""
        return kept_secret(self.directory / f"{name}-secret")


@dataclass(frozen=True)
class Program:
    """A Python module that is started with `arguments` and with what `env` adds to the environment.

    `listens` names what it listens for beside HTTP.
    """

    name: str
    module: str
    env: Callable[[Addresses], Environment]
    arguments: tuple[str, ...] = ()
    listens: tuple[str, ...] = ()

    @property
    def listeners(self) -> tuple[str, ...]:
        """What its ports are called; the one for HTTP is called as the program is."""
        return (self.name, *(f"{self.name}-{what}" for what in self.listens))


@dataclass(frozen=True)
class Plan:
    """What is started, in order.

    Args:
        once: what runs to its end first.
        stages: what stays; started side by side, and stopped in the opposite order, stage by stage. Each
            program is told its port and answers `GET /health/ready` there with 200 when it can be used; one
            that needs another waits for it.
        pages: pages that are worth an address of their own, each with the program and its path.
    """

    once: tuple[Program, ...]
    stages: tuple[tuple[Program, ...], ...]
    pages: tuple[tuple[str, str, str], ...] = ()


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
        "SANDBOX_DIR": str(at.directory / "sandbox"),
        "SANDBOX_PROCESSOR_SECRET": at.secret("processor"),
        "SANDBOX_WEBHOOK_URL": f"{at.url('payments')}/v1/processor/webhooks",
        "SANDBOX_PORTAL_CLIENT_SECRET": at.secret("portal-client"),
        "SANDBOX_SMTP_PORT": str(at.ports["sandbox-smtp"]),
        "SANDBOX_SMPP_PORT": str(at.ports["sandbox-smpp"]),
        "SANDBOX_CLAMD_PORT": str(at.ports["sandbox-clamd"]),
        "SANDBOX_MAIL_SECRET": at.secret("mail"),
        "SANDBOX_MAIL_EVENTS_URL": f"{at.url('notifications')}/v1/email/events",
        "SANDBOX_SMS_SECRET": at.secret("sms"),
        "SANDBOX_SMS_INBOUND_URL": f"{at.url('notifications')}/v1/sms/inbound",
    }
    return _common(at) | _http("sandbox", at) | told


def _service(name: str, at: Addresses) -> Environment:
    database = {f"{name.upper()}_DATABASE_URL": at.databases[name]}
    return _common(at) | _http(name, at) | database | _ADAPTERS[name](at)


def _payments(at: Addresses) -> Environment:
    return {
        "PAYMENTS_PROCESSOR_URL": f"{at.url('sandbox')}/processor",
        "PAYMENTS_PROCESSOR_SECRET": at.secret("processor"),
        "PAYMENTS_SECRET": at.secret("payments"),
    }


def _insurance(at: Addresses) -> Environment:
    return {
        "INSURANCE_CLEARINGHOUSE_URL": f"{at.url('sandbox')}/clearinghouse",
        "INSURANCE_CLEARINGHOUSE_TIMEOUT_S": "15",
        "INSURANCE_RAW_KEY": base64.urlsafe_b64encode(at.secret("raw").encode()).decode(),
    }


def _inbox(at: Addresses) -> Environment:
    return {
        "INBOX_ATTACHMENTS_URL": (at.directory / "attachments").as_uri(),
        "INBOX_CLAMD_URL": f"tcp://127.0.0.1:{at.ports['sandbox-clamd']}",
    }


def _notifications(at: Addresses) -> Environment:
    return {
        "NOTIFICATIONS_SMTP_URL": f"smtp://127.0.0.1:{at.ports['sandbox-smtp']}",
        "NOTIFICATIONS_EMAIL_SECRET": at.secret("mail"),
        "NOTIFICATIONS_SMS_URL": f"{at.url('sandbox')}/sms/2010-04-01/Accounts/ACsandbox",
        "NOTIFICATIONS_SMS_SECRET": at.secret("sms"),
        "NOTIFICATIONS_PUBLIC_URL": at.url("notifications"),
        "NOTIFICATIONS_PORTAL_URL": at.url("portal"),
        "NOTIFICATIONS_SECRET": at.secret("notifications"),
    }


_ADAPTERS: dict[str, Callable[[Addresses], Environment]] = {
    "payments": _payments,
    "insurance": _insurance,
    "inbox": _inbox,
    "notifications": _notifications,
}


def _portal(at: Addresses) -> Environment:
    services = {f"PORTAL_{name.upper()}_URL": at.url(name) for name in SERVICES}
    told = {
        "PORTAL_SECRET": at.secret("portal"),
        "PORTAL_PUBLIC_URL": at.url("portal"),
        "PORTAL_OIDC_ISSUER": f"{at.url('sandbox')}/identity",
        "PORTAL_OIDC_CLIENT_ID": "portal",
        "PORTAL_OIDC_CLIENT_SECRET": at.secret("portal-client"),
        "PORTAL_PROCESSOR_JS_URL": f"{at.url('sandbox')}/processor/js",
        "PORTAL_ASSETS_DIR": str(unpacked()),
    }
    return _common(at) | _http("portal", at) | services | told


PLAN = Plan(
    once=(
        Program("create-topics", "shared.messaging", _common, ("create-topics",)),
        *(
            Program(f"{name}-migrate", f"services.{name}", partial(_service, name), ("migrate",))
            for name in SERVICES
        ),
    ),
    stages=(
        (Program("sandbox", "sandbox", _sandbox, listens=("smtp", "smpp", "clamd")),),
        tuple(Program(name, f"services.{name}", partial(_service, name)) for name in SERVICES),
        (Program("portal", "portal", _portal),),
    ),
    pages=(("basket", "portal", "/basket"),),
)
