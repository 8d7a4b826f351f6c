"""The pages' stylesheet and script of others: pinned WebJars, of which the few files needed are unpacked.

Nothing of others is kept in the repository; the lock holds every download to what was looked at.
"""

import hashlib
import os
import zipfile
from pathlib import Path

from local.jars import cache_directory, resolve

LOCK = Path(__file__).with_name("portal.sha256")
COORDINATES = (
    "org.webjars.npm:htmx.org:2.0.4",
    "org.webjars.npm:tabler__core:1.4.0",
    "org.webjars.npm:axe-core:4.6.3",
)
_FILES = (
    "htmx.org/2.0.4/dist/htmx.min.js",
    "tabler__core/1.4.0/dist/css/tabler.min.css",
    "axe-core/4.6.3/axe.min.js",
)
_INSIDE = "META-INF/resources/webjars/"


def unpacked() -> Path:
    """Return the folder with the files of others that the pages (and their tests) use, by their bare names.

    Raises:
        StartError: a WebJar cannot be downloaded, or is not what was locked.
    """
    folder = cache_directory() / "assets" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    if all((folder / Path(name).name).exists() for name in _FILES):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for jar in resolve(COORDINATES, LOCK):
        with zipfile.ZipFile(jar) as archive:
            held = set(archive.namelist())
            for name in _FILES:
                if _INSIDE + name in held:
                    _put(folder / Path(name).name, archive.read(_INSIDE + name))
    return folder


def _put(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it, also when several checkouts do it at once."""
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
