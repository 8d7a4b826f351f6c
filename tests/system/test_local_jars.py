from pathlib import Path

import pytest

from local import StartError, kafka
from local.jars import resolve, write_lock

SMALL = "org.slf4j:slf4j-simple:1.7.36"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of one small artifact, as the lock of Kafka has it, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lock = tmp_path / "small.sha256"
    lock.write_text(next(line for line in kafka.LOCK.read_text().splitlines(True) if SMALL in line))
    return lock


def test_a_cached_jar_needs_no_network_and_a_spoilt_one_is_fetched_again(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (jar,) = resolve([SMALL], lock)
    whole = jar.read_bytes()
    jar.write_bytes(whole[:-1])
    assert resolve([SMALL], lock) == [jar]
    assert jar.read_bytes() == whole
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE)
    assert resolve([SMALL], lock) == [jar]


def test_a_download_with_another_checksum_is_refused_and_not_kept(lock: Path, tmp_path: Path) -> None:
    lock.write_text(f"{'0' * 64}  {SMALL}\n")
    with pytest.raises(StartError, match="its checksum differs"):
        resolve([SMALL], lock)
    assert not list(tmp_path.rglob("*.jar"))


def test_without_network_the_artifact_that_is_missing_is_named(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE)
    with pytest.raises(StartError, match=r"^Cannot download slf4j-simple 1\.7\.36: no connection"):
        resolve([SMALL], lock)


def test_an_artifact_that_does_not_exist_is_named(lock: Path) -> None:
    lock.write_text(f"{'0' * 64}  org.slf4j:slf4j-simple:0.0.0\n")
    with pytest.raises(StartError, match=r"^Cannot download slf4j-simple 0\.0\.0: .* does not have it"):
        resolve(["org.slf4j:slf4j-simple:0.0.0"], lock)


def test_a_lock_lists_what_an_artifact_needs_as_well(lock: Path) -> None:
    write_lock([SMALL], lock)
    names = [line.split()[1] for line in lock.read_text().splitlines()]
    assert names == [SMALL, "org.slf4j:slf4j-api:1.7.36"]
    assert all(f"  {name}\n" in kafka.LOCK.read_text() for name in names)
    assert len(resolve([SMALL], lock)) == 2
