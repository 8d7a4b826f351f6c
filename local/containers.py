"""Kafka and PostgreSQL in Docker containers, for tests where a Docker engine runs."""

import secrets
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy

from local import kafka, postgres
from local.infrastructure import Endpoints
from local.ports import free_port

_READY_WITHIN_S = 180


@dataclass(frozen=True)
class Container:
    """A started container as a server that a test may take away and give back."""

    container: DockerContainer
    ready: ExecWaitStrategy

    def stop(self) -> None:
        """End it orderly."""
        self.container.get_wrapped_container().stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self.container.get_wrapped_container().kill()

    def restart(self) -> None:
        """Start it, after stopping it if it runs, and wait until it can be used."""
        self.container.get_wrapped_container().restart()
        self.ready.wait_until_ready(self.container)


@contextmanager
def containers(databases: Collection[str]) -> Iterator[Endpoints]:
    """A Kafka and a PostgreSQL with these databases, running inside of the context."""
    # Ports are chosen here, not by Docker, which would choose others at a restart.
    kafka_port, postgres_port, password = free_port(), free_port(), secrets.token_hex(16)
    with ExitStack() as stack:
        broker = _started(stack, *_kafka(kafka_port))
        server = _started(stack, *_postgres(postgres_port, password, databases))
        url = f"postgresql://postgres:{password}@127.0.0.1:{postgres_port}"
        urls = {name: f"{url}/{name}" for name in databases}
        yield Endpoints(f"127.0.0.1:{kafka_port}", urls, broker, server)


def _started(stack: ExitStack, container: DockerContainer, ready: list[str]) -> Container:
    strategy = ExecWaitStrategy(ready).with_startup_timeout(_READY_WITHIN_S)
    return Container(stack.enter_context(container.waiting_for(strategy)), strategy)


def _kafka(port: int) -> tuple[DockerContainer, list[str]]:
    settings = kafka.SETTINGS | {
        # The same port inside and outside: clients on both sides are sent to the advertised one.
        "listeners": f"PLAINTEXT://:{port},CONTROLLER://localhost:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": "1@localhost:9093",
    }
    container = DockerContainer("apache/kafka:4.3.0").with_bind_ports(port, port)
    container.with_envs(**{f"KAFKA_{name.replace('.', '_').upper()}": v for name, v in settings.items()})
    container.with_env("KAFKA_HEAP_OPTS", "-Xmx512m")
    # It listens only once it has caught up; Kafka's own tools would start a JVM for each look.
    return container, ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"]


def _postgres(port: int, password: str, databases: Collection[str]) -> tuple[DockerContainer, list[str]]:
    script = "".join(f"create database {name};\n" for name in databases)
    container = DockerContainer("postgres:18").with_bind_ports(5432, port)
    container.with_env("POSTGRES_PASSWORD", password)
    container.with_copy_into_container(script.encode(), "/docker-entrypoint-initdb.d/databases.sql")
    container.with_command([f"--{name}={value}" for name, value in postgres.SETTINGS.items()])
    # Over TCP: the server that runs the script above listens only on a socket.
    return container, ["pg_isready", "--host=127.0.0.1"]
