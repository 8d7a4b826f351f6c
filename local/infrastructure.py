"""Kafka and PostgreSQL: embedded, in containers, or given from outside."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local import StartError, kafka, postgres
from local.tether import Tether
from shared.events.topics import SERVICES

DATABASES = tuple(SERVICES)


class Server(Protocol):
    """A server that a test may take away and give back, with the same address and data."""

    def stop(self) -> None:
        """End it orderly."""

    def kill(self) -> None:
        """End it as a crash would."""

    def restart(self) -> None:
        """Start it, after stopping it if it runs, and wait until it can be used."""


@dataclass(frozen=True)
class Elsewhere:
    """A server that was given from outside: it can be used, but is not ours to stop."""

    name: str

    def stop(self) -> None:
        """Raises StartError, as all of these do."""
        raise StartError(f"{self.name} was given from outside and cannot be stopped or started from here.")

    kill = restart = stop


@dataclass(frozen=True)
class Endpoints:
    """Where the infrastructure is: `host:port` of Kafka and a `postgresql://` URL for each service."""

    kafka: str
    databases: dict[str, str]
    broker: Server
    postgres: Server


@contextmanager
def infrastructure(directory: Path) -> Iterator[Endpoints]:
    """Kafka and PostgreSQL for tests, as the variable `TEST_INFRA` chooses; made anew in `directory`.

    `embedded` (the default) starts both as processes; `containers` starts both in Docker; `external` takes
    those that `KAFKA_BOOTSTRAP_SERVERS` and `<SERVICE>_DATABASE_URL` name.

    Raises:
        StartError: something that is needed is missing.
    """
    with ExitStack() as stack:
        tether = stack.enter_context(Tether())
        match chosen := os.environ.get("TEST_INFRA", "embedded"):
            case "embedded":
                yield stack.enter_context(embedded(directory, tether, given={}))
            case "containers":
                # Only who chooses containers needs Docker's client.
                from local.containers import containers  # noqa: PLC0415

                yield stack.enter_context(containers(DATABASES))
            case "external":
                _demand_all(os.environ)
                yield stack.enter_context(embedded(directory, tether, given=os.environ))
            case _:
                raise StartError(f"TEST_INFRA is {chosen!r}, and must be embedded, containers or external.")


@contextmanager
def embedded(directory: Path, tether: Tether, given: Mapping[str, str]) -> Iterator[Endpoints]:
    """Kafka and PostgreSQL with their data in `directory`, as processes that run inside of the context.

    Args:
        directory: what it holds from an earlier time is used again.
        tether: what ends them when this process ends.
        given: an environment; what it names (as in `infrastructure`) is taken from there and not started.

    Raises:
        StartError: something that is needed is missing.
    """
    address = given.get("KAFKA_BOOTSTRAP_SERVERS") or None
    databases = {name: url for name in DATABASES if (url := given.get(_url_variable(name)))}
    missing = [name for name in DATABASES if name not in databases]
    broker: Server = Elsewhere("Kafka")
    server: Server = Elsewhere("PostgreSQL")
    logs = directory / "logs"
    # They start side by side, and stop in the opposite order.
    with ExitStack() as stack:
        starting = []
        if missing:
            server, made = postgres.server(directory / "postgres", logs / "postgres.log", tether, missing)
            databases |= made
            starting.append(server)
        if address is None:
            broker, address = kafka.broker(directory / "kafka", logs / "kafka.log", tether)
            starting.append(broker)
        for process in starting:
            stack.callback(process.stop)
            process.start()
        for process in starting:
            process.wait_ready()
        yield Endpoints(address, databases, broker, server)


def _demand_all(given: Mapping[str, str]) -> None:
    needed = ["KAFKA_BOOTSTRAP_SERVERS", *map(_url_variable, DATABASES)]
    if missing := [name for name in needed if not given.get(name)]:
        raise StartError(f"TEST_INFRA=external needs {', '.join(missing)}.")


def _url_variable(name: str) -> str:
    return f"{name.upper()}_DATABASE_URL"
