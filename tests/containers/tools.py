"""Tools of others that these tests run: built or unpacked once, from package registries, and kept."""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from local.jars import cache_directory
from tests.containers.commands import run

_BUILT_WITHIN_S = 3_000


def kept(name: str) -> Path:
    """Return where a tool is kept; its folder is there."""
    path = cache_directory() / "containers" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def go_sources(module: str) -> Path:
    """Return the folder of a Go module, `path@version`."""
    assert shutil.which("go"), f"{module} needs Go"
    return Path(json.loads(run("go", "mod", "download", "-json", module))["Dir"])


def go_program(module: str, package: str, flags: str = "") -> Path:
    """Return a program built from a package of a Go module, `path@version`."""
    program = kept(module.replace("/", "-"))
    if not program.exists():
        draft = program.with_name(f"{program.name}.draft")
        options = ("-mod=readonly", "-trimpath", f"-ldflags=-s -w {flags}")
        sources = go_sources(module)
        run("go", "-C", sources, "build", *options, "-o", draft, package, within_s=_BUILT_WITHIN_S)
        draft.replace(program)
    return program


def python_package(requirement: str) -> Path:
    """Return an environment that has a package of PyPI, `name==version`."""
    environment = kept(requirement)
    if not environment.exists():
        draft = environment.with_name(f"{environment.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        run(sys.executable, "-m", "venv", draft)
        run(draft / "bin" / "python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", requirement)
        draft.replace(environment)
    return environment


def debian_program(package: str, program: str) -> Path:
    """Return a program out of one of Debian's packages, which is not installed."""
    unpacked = kept(f"debian-{package}")
    if not unpacked.exists():
        assert shutil.which("apt-get"), f"{program} comes from Debian's package {package}"
        with TemporaryDirectory(dir=unpacked.parent) as folder:
            run("apt-get", "update")
            run("sh", "-c", f"cd {folder} && apt-get download {package} && dpkg-deb --extract *.deb {folder}/root")
            Path(folder, "root").replace(unpacked)
    return unpacked / "usr" / "bin" / program
