import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from local import StartError, postgres
from local.infrastructure import DATABASES, Endpoints
from local.infrastructure import infrastructure as start
from local.processes import run


@pytest.fixture(scope="module")
def own() -> Iterator[Endpoints]:
    """Servers that these tests may take away; those of the whole run must stay."""
    with TemporaryDirectory() as directory, start(Path(directory)) as endpoints:
        yield endpoints


async def test_each_service_has_a_database_that_keeps_its_data_over_a_crash(own: Endpoints) -> None:
    assert tuple(own.databases) == DATABASES
    for name, url in own.databases.items():
        connection = await asyncpg.connect(url)
        await connection.execute("create table kept (name text)")
        await connection.execute("insert into kept values ($1)", name)
        await connection.close()
    own.postgres.kill()
    with pytest.raises(ConnectionError):
        await asyncpg.connect(own.databases["inbox"])
    own.postgres.restart()
    for name, url in own.databases.items():
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("select name from kept") == name
        assert await connection.fetchval("show fsync") == "on"
        assert str(await connection.fetchval("show server_version")).startswith("18.")
        await connection.close()


async def test_kafka_keeps_what_it_acknowledged_over_a_crash(own: Endpoints) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=own.kafka)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1, topic_configs={"max.message.bytes": str(4 << 20)})])
    await admin.close()
    large = b"x" * (3 << 20)
    async with AIOKafkaProducer(bootstrap_servers=own.kafka, acks="all", max_request_size=4 << 20) as producer:
        await producer.send_and_wait("kept", large)
    own.broker.kill()
    own.broker.restart()
    consumer = AIOKafkaConsumer(bootstrap_servers=own.kafka, auto_offset_reset="earliest")
    async with consumer:
        consumer.assign([TopicPartition("kept", 0)])
        record = await consumer.getone()
    assert record.value == large


async def test_topics_are_not_made_by_asking_for_them(own: Endpoints) -> None:
    async with AIOKafkaProducer(bootstrap_servers=own.kafka, request_timeout_ms=500) as producer:
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.send("asked.for", b"")


def test_postgres_starts_for_a_user_who_is_not_root(tmp_path: Path) -> None:
    directory = tmp_path / "its"
    directory.mkdir()
    script = (
        "import os, pathlib, sys; from local import postgres; from local.tether import Tether\n"
        "directory = pathlib.Path(sys.argv[1]); assert os.geteuid() != 0\n"
        "with Tether() as tether:\n"
        "    server, urls = postgres.server(directory, directory / 'log', tether, ['payments'])\n"
        "    server.start(); server.wait_ready(); server.stop()\n"
    )
    if postgres.unprivileged():
        shutil.chown(directory, "nobody")
    command = [*postgres.unprivileged(), sys.executable, "-c", script, directory]
    run(command, "It does not start", directory=Path(__file__).parents[2])
    assert "database system is shut down" in (directory / "log").read_text()


def test_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    for program in ("initdb", "postgres"):
        shutil.copy(postgres.programs() / program, tmp_path)
    with pytest.raises(StartError, match=r"^PostgreSQL cannot run here: .*libpq[^\n]*$"):
        postgres.check(tmp_path)


def test_servers_given_from_outside_are_used_and_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: Endpoints
) -> None:
    monkeypatch.setenv("TEST_INFRA", "external")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", own.kafka)
    for name in ("payments", "insurance", "inbox"):
        monkeypatch.setenv(f"{name.upper()}_DATABASE_URL", own.databases[name])
    with pytest.raises(StartError, match="needs NOTIFICATIONS_DATABASE_URL"), start(tmp_path):
        pass
    monkeypatch.setenv("NOTIFICATIONS_DATABASE_URL", own.databases["notifications"])
    with start(tmp_path) as given:
        assert (given.kafka, given.databases) == (own.kafka, own.databases)
        with pytest.raises(StartError, match="Kafka was given from outside"):
            given.broker.kill()
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_of_infrastructure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_INFRA", "embeded")
    with pytest.raises(StartError, match="TEST_INFRA is 'embeded', and must be"), start(tmp_path):
        pass
