"""A Kafka of one's own that can be made to hang, since nobody else's may."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import kafka
from local.processes import Process
from local.tether import Tether
from shared.settings import KafkaSettings


@contextmanager
def own_broker(directory: Path) -> Iterator[tuple[Process, KafkaSettings]]:
    """Start a Kafka for the length of the block."""
    with Tether() as tether:
        process, address = kafka.broker(directory / "kafka", directory / "kafka.log", tether)
        process.start()
        try:
            process.wait_ready()
            yield process, KafkaSettings(bootstrap_servers=address)
        finally:
            process.stop()


@contextmanager
def hanging(process: Process) -> Iterator[None]:
    """Have a process keep its connections and do nothing, as when its machine stands still."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)
