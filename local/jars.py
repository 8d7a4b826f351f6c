"""Java libraries: pinned Maven artifacts, downloaded once and held against a committed lock.

A lock file has a line `sha256  group:artifact:version` for each artifact of the whole closure, so that
nothing is left to decide when it is used, and a start with a filled cache needs no network.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from jgo.maven import Artifact, MavenContext
from rich.console import Console
from rich.progress import track

from local import StartError

_PARALLEL_DOWNLOADS = 8


def cache_directory() -> Path:
    """Where downloads are kept for all checkouts of this project."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "patient-portal-back-office"


def resolve(coordinates: Iterable[str], lock: Path) -> list[Path]:
    """The jars of these artifacts and of all they need, every one checked.

    Args:
        coordinates: `group:artifact:version` of what is wanted; the lock must have been made for it.
        lock: lines of `sha256  group:artifact:version`.

    Raises:
        StartError: an artifact is not in the lock, cannot be downloaded or is not what was locked.
    """
    locked = _read(lock)
    if unlocked := set(coordinates) - locked.keys():
        raise StartError(f"{lock.name} does not list {', '.join(sorted(unlocked))}: run `python -m local lock`.")
    paths = {artifact: _cached(artifact) for artifact in locked}
    wanted = {name: sha256 for name, sha256 in locked.items() if not _is(paths[name], sha256)}
    if wanted:
        _download(wanted, title=f"Downloading {lock.stem}")
    return list(paths.values())


def write_lock(coordinates: Iterable[str], lock: Path) -> None:
    """Resolve the closure of these artifacts as Maven would and write it, with checksums, as the lock.

    Raises:
        StartError: an artifact cannot be found or downloaded.
    """
    with _downloads() as scratch:
        context = MavenContext(repo_cache=Path(scratch))
        try:
            roots = [context.create_dependency(coordinate) for coordinate in coordinates]
            needed = [dep for dep in context.resolver.resolve(roots)[1] if dep.scope in {"compile", "runtime"}]
        except (OSError, RuntimeError) as error:
            raise _failed("the list of dependencies", error) from error
        artifacts = [dependency.artifact for dependency in (*roots, *needed)]
        with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
            sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in pool.map(_fetch, artifacts)]
    names = [f"{a.groupId}:{a.artifactId}:{a.version}" for a in artifacts]
    lock.write_text("".join(f"{sha256}  {name}\n" for name, sha256 in zip(names, sums, strict=True)))


def _read(lock: Path) -> dict[str, str]:
    lines = (line.split() for line in lock.read_text().splitlines())
    return {name: sha256 for sha256, name in lines}


def _cached(name: str) -> Path:
    group, artifact, version = name.split(":")
    return cache_directory() / "jars" / group / f"{artifact}-{version}.jar"


def _is(path: Path, sha256: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _download(wanted: dict[str, str], title: str) -> None:
    with _downloads() as scratch:
        context = MavenContext(repo_cache=Path(scratch))
        with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
            done = pool.map(partial(_download_one, context), wanted.keys(), wanted.values())
            # Each is counted when it is done; a person sees where a first start spends its time.
            for _ in track(done, title, total=len(wanted), console=Console(stderr=True)):
                pass


def _download_one(context: MavenContext, name: str, sha256: str) -> None:
    path = _fetch(context.create_dependency(name).artifact)
    if not _is(path, sha256):
        raise StartError(f"The download of {name} is not the file that was locked: its checksum differs.")
    # Only whole and checked files enter the cache, also when several checkouts fill it at once.
    _cached(name).parent.mkdir(parents=True, exist_ok=True)
    path.replace(_cached(name))


def _downloads() -> tempfile.TemporaryDirectory[str]:
    cache_directory().mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=cache_directory(), prefix="download-")


def _fetch(artifact: Artifact) -> Path:
    try:
        return artifact.resolve()
    except (OSError, RuntimeError) as error:
        raise _failed(f"{artifact.artifactId} {artifact.version}", error) from error


def _failed(what: str, error: OSError | RuntimeError) -> StartError:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StartError(f"The disk with {cache_directory()} is full.")
    if isinstance(error, OSError):
        return StartError(f"Cannot download {what}: no connection to Maven Central.")
    return StartError(f"Cannot download {what}: Maven Central does not have it.")
