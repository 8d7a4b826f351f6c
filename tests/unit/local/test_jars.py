from pathlib import Path

import pytest

from local import StartError, kafka
from local.jars import resolve


def test_what_the_lock_does_not_list_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "some.sha256"
    lock.write_text(f"{'0' * 64}  org.example:other:1.0\n")
    with pytest.raises(StartError, match=r"some\.sha256 does not list org\.example:wanted:1\.0"):
        resolve(["org.example:wanted:1.0"], lock)


def test_the_lock_of_kafka_pins_every_artifact_to_a_checksum() -> None:
    for line in kafka.LOCK.read_text().splitlines():
        sha256, name = line.split("  ")
        assert len(bytes.fromhex(sha256)) == 32
        assert len(name.split(":")) == 3
