"""A process starts when all is as it must be, waits for what is not there yet, and else says in a line why not."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

import services.payments
from local.infrastructure import Endpoints
from local.ports import free_port
from local.processes import answers
from shared.events.topics import TOPICS
from shared.messaging import topics
from shared.migrations import SchemaError, check, upgrade
from tests.flow.kit import DEADLINE_S, eventually, new_database

REVISIONS = Path(services.payments.__file__).parent / "migrations"


class Ended(NamedTuple):
    status: int | None
    said: list[str]


async def test_any_number_of_processes_may_migrate_at_once(infrastructure: Endpoints) -> None:
    url = await new_database(infrastructure)
    environment = {**given(infrastructure), "PAYMENTS_DATABASE_URL": url}
    ended = await asyncio.gather(*(payments(environment, "migrate") for _ in range(3)))
    assert [one.status for one in ended] == [0] * 3
    await check(url, REVISIONS)


async def test_migrating_needs_the_database_and_nothing_else(infrastructure: Endpoints) -> None:
    url = await new_database(infrastructure)
    ended = await payments({"PAYMENTS_DATABASE_URL": url}, "migrate")
    assert ended.status == 0
    told = [line for line in ended.said if '"migrated"' in line]
    assert [line for line in told if '"revision": "payments_0001"' in line]
    assert "withheld" not in "".join(ended.said)
    await check(url, REVISIONS)


async def test_a_database_that_was_not_migrated_is_refused(infrastructure: Endpoints) -> None:
    url = await new_database(infrastructure)
    with pytest.raises(SchemaError, match="run migrate first"):
        await check(url, REVISIONS)
    ended = await payments({**given(infrastructure), "PAYMENTS_DATABASE_URL": url})
    assert ended.status == 1
    assert ended.said[-1] == (
        "payments does not start: the database's schema is not up to date: run migrate first"
    )


async def test_a_database_that_is_newer_than_the_code_is_refused_and_left_alone(
    infrastructure: Endpoints,
) -> None:
    url = await new_database(infrastructure)
    environment = {**given(infrastructure), "PAYMENTS_DATABASE_URL": url}
    await upgrade(url, REVISIONS)
    connection = await asyncpg.connect(url)
    await connection.execute("update alembic_version set version_num = 'payments_9999' where version_num ~ 'pay'")
    for command in ((), ("migrate",)):
        ended = await payments(environment, *command)
        assert ended.status == 1
        assert ended.said[-1].endswith(
            "the database's schema is newer than this code knows: deploy the newer code"
        )
    assert await connection.fetchval("select count(*) from alembic_version where version_num = 'payments_9999'")
    await connection.close()


async def test_settings_that_lose_messages_and_names_that_are_none_stop_the_start(
    infrastructure: Endpoints,
) -> None:
    wrong = {"PAYMENTS_COLOUR": "red", "PAYMENTS_HTTP_PORT": "99999"}
    unsafe = {
        "KAFKA_ACKS": "1",
        "KAFKA_ENABLE_IDEMPOTENCE": "false",
        "KAFKA_ENABLE_AUTO_COMMIT": "true",
        "KAFKA_AUTO_OFFSET_RESET": "latest",
        "KAFKA_GROUP_ID": "",
    }
    for environment in (wrong, unsafe):
        ended = await payments({**given(infrastructure), **environment})
        assert ended.status == 2
        assert sorted(line.replace(":", " ").split()[0] for line in ended.said) == sorted(environment)


@pytest.mark.parametrize("command", [(), ("migrate",)])
async def test_a_variable_of_postgresql_that_is_wrong_stops_the_start(
    command: tuple[str, ...], infrastructure: Endpoints
) -> None:
    ended = await payments({**given(infrastructure), "PGSSLMODE": "banana"}, *command)
    assert ended.status == 2
    assert ended.said[-1].startswith("PAYMENTS_DATABASE_URL, or a variable PG… beside it: `sslmode` parameter")


async def test_a_wrong_password_of_the_database_is_told_in_a_line(infrastructure: Endpoints) -> None:
    url = urlsplit(infrastructure.databases["payments"])
    wrong = urlunsplit(url._replace(netloc=f"{url.username}:wrong@{url.hostname}:{url.port}"))
    ended = await payments({**given(infrastructure), "PAYMENTS_DATABASE_URL": wrong})
    assert ended.status == 1
    assert ended.said[-1] == ("payments does not start: the database does not let us in: InvalidPasswordError")


async def test_a_user_of_the_database_who_may_not_migrate_is_told_so_in_a_line(infrastructure: Endpoints) -> None:
    url = await new_database(infrastructure)
    role = f"reader_{urlsplit(url).path.lstrip('/')}"
    owner = await asyncpg.connect(url)
    await owner.execute(f"create role {role} login password 'secret'")
    own = urlsplit(url)._replace(netloc=f"{role}:secret@{urlsplit(url).hostname}:{urlsplit(url).port}")
    ended = await payments({"PAYMENTS_DATABASE_URL": urlunsplit(own)}, "migrate")
    await owner.execute(f"drop role {role}")
    await owner.close()
    assert ended.status == 1
    assert ended.said[-1].startswith("payments does not start: its user of the database lacks a right")
    assert not [line for line in ended.said if "nobody caught" in line or "Traceback" in line]


async def test_a_port_that_is_taken_is_told_in_a_line(infrastructure: Endpoints) -> None:
    await topics.create({"bootstrap_servers": infrastructure.kafka}, TOPICS)
    url = await new_database(infrastructure)
    await upgrade(url, REVISIONS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {"PAYMENTS_DATABASE_URL": url, "PAYMENTS_HTTP_PORT": str(port)}
        ended = await payments({**given(infrastructure), **environment})
    assert ended.status == 1
    assert ended.said[-1].startswith(f"payments does not start: it cannot listen on 127.0.0.1:{port}: Address")
    assert not [line for line in ended.said if "nobody caught" in line or "Traceback" in line]


async def test_a_process_waits_for_a_database_that_is_not_there_yet(
    infrastructure: Endpoints, tmp_path: Path
) -> None:
    await topics.create({"bootstrap_servers": infrastructure.kafka}, TOPICS)
    url, port, log = await new_database(infrastructure), free_port(), tmp_path / "log"
    environment = {**given(infrastructure), "PAYMENTS_HTTP_PORT": str(port)}
    await upgrade(url, REVISIONS)
    with log.open("wb") as stderr:
        async with running({**environment, "PAYMENTS_DATABASE_URL": f"{url}_later"}, stderr=stderr):
            await eventually(lambda: "waiting for what is not there yet" in log.read_text(), "it waits")
            admin = await asyncpg.connect(infrastructure.databases["inbox"])
            name = urlsplit(url).path.lstrip("/")
            await admin.execute(f"alter database {name} rename to {name}_later")
            await admin.close()
            await eventually(lambda: answers(port, "/health/ready"), "it is ready")


async def test_a_running_process_waits_for_a_database_that_takes_no_connections_and_ends_without_a_password(
    infrastructure: Endpoints, tmp_path: Path
) -> None:
    await topics.create({"bootstrap_servers": infrastructure.kafka}, TOPICS)
    url, port, log = await new_database(infrastructure), free_port(), tmp_path / "log"
    await upgrade(url, REVISIONS)
    name = urlsplit(url).path.lstrip("/")
    role, end = f"only_{name}", f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
    owner = await asyncpg.connect(url)
    await owner.execute(f"create role {role} superuser login password 'before'")
    await owner.close()
    own = urlsplit(url)
    own_url = urlunsplit(own._replace(netloc=f"{role}:before@{own.hostname}:{own.port}"))
    environment = {**given(infrastructure), "PAYMENTS_HTTP_PORT": str(port), "PAYMENTS_DATABASE_URL": own_url}
    admin = await asyncpg.connect(infrastructure.databases["inbox"])
    with log.open("wb") as stderr:
        async with running(environment, stderr=stderr) as process, asyncio.timeout(DEADLINE_S):
            await eventually(lambda: answers(port, "/health/ready"), "it is ready")
            await admin.execute(f"alter database {name} allow_connections false")
            await admin.execute(end)
            await eventually(lambda: "ObjectNotInPrerequisiteState" in log.read_text(), "it waits")
            await admin.execute(f"alter database {name} allow_connections true")
            await eventually(lambda: answers(port, "/health/ready"), "it is ready again")
            await admin.execute(f"alter role {role} password 'after'")
            await admin.execute(end)
            assert await process.wait() == 1
    await admin.execute(f"drop role {role}")
    await admin.close()
    assert log.read_text().splitlines()[-1] == "payments ends: the database does not let us in any more"


async def test_a_process_that_waits_ends_on_a_signal(infrastructure: Endpoints, tmp_path: Path) -> None:
    log, nowhere = tmp_path / "log", f"{infrastructure.databases['payments']}_never"
    with log.open("wb") as stderr:
        environment = {**given(infrastructure), "PAYMENTS_DATABASE_URL": nowhere}
        async with running(environment, stderr=stderr) as process, asyncio.timeout(DEADLINE_S):
            await eventually(lambda: "waiting for what is not there yet" in log.read_text(), "it waits")
            process.terminate()
            assert await process.wait() == 0


def given(infrastructure: Endpoints) -> dict[str, str]:
    """Return all that payments must be given; nothing of it is asked before the start."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": infrastructure.kafka,
        "PAYMENTS_DATABASE_URL": infrastructure.databases["payments"],
        "PAYMENTS_HTTP_PORT": "0",
        "PAYMENTS_PROCESSOR_URL": "http://127.0.0.1:1",
        "PAYMENTS_PROCESSOR_SECRET": "a secret, long enough",
        "PAYMENTS_SECRET": "another secret, and longer",
        "AUTH_ISSUER": "http://127.0.0.1:1",
        "AUTH_JWKS_URL": "http://127.0.0.1:1/keys",
    }


@asynccontextmanager
async def running(
    environment: Mapping[str, str], *command: str, stderr: IO[bytes] | int = asyncio.subprocess.PIPE
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.payments", *command),
        env={"PATH": os.environ["PATH"], **environment},
        stderr=stderr,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def payments(environment: Mapping[str, str], *command: str) -> Ended:
    """Run payments until it ends by itself; return how, and what it said."""
    async with running(environment, *command) as process, asyncio.timeout(DEADLINE_S):
        _, said = await process.communicate()
        return Ended(process.returncode, said.decode().splitlines())
