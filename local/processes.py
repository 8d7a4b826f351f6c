"""Programs: run to their end, or kept running with a log, a tether and an orderly end."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TypeAlias

from local import StartError
from local.tether import Tether

Argv: TypeAlias = Sequence[str | Path]

_POLL_S = 0.05
_ANSWER_WITHIN_S = 5.0
_LOG_LINES_SHOWN = 15
_REASON = re.compile(r"\b(error|fatal|panic|exception)\b", re.IGNORECASE)


class Process:
    """One program and, while it runs, its process.

    It leads a process group of its own, so that Ctrl-C in a terminal reaches only the launcher, which then
    stops everything in order.

    Args:
        name: what people call it.
        argv: the program and its arguments.
        log: where its output is appended.
        tether: what ends it when the launcher ends.
        ready: whether the running process can be used.
        env: its whole environment; that of the launcher when not given.
        directory: where it runs; that of the launcher when not given.
        stop_signal: asks it to end orderly.
        kill_signal: ends it at once, as a crash would.
        stop_within_s: how long it may take to end orderly before it is killed.
    """

    def __init__(
        self,
        name: str,
        argv: Argv,
        log: Path,
        tether: Tether,
        *,
        ready: Callable[["Process"], bool] = lambda _: True,
        env: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        kill_signal: signal.Signals = signal.SIGKILL,
        stop_within_s: float = 20.0,
    ) -> None:
        self.name = name
        self.log = log
        self._argv = argv
        self._tether = tether
        self._ready = ready
        self._env = env
        self._directory = directory
        self._stop_signal = stop_signal
        self._kill_signal = kill_signal
        self._stop_within_s = stop_within_s
        self._running: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The number of the running process, `None` while there is none."""
        return self._running.pid if self._running else None

    def start(self) -> None:
        """Start the process; `wait_ready` tells when it can be used."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._running = subprocess.Popen(  # noqa: S603 (the programs are named in this package)
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._directory,
                start_new_session=True,
            )
        self._tether.hold(self._running.pid)

    def ended(self) -> str | None:
        """How a process that was started has ended by itself since, `None` while it has not."""
        if self._running is None or (code := self._running.poll()) is None:
            return None
        self._tether.release(self._running.pid)
        self._running = None
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def wait_ready(self, within_s: float = 120.0) -> None:
        """Wait until the process can be used.

        Raises:
            StartError: it ended or did not become ready in time; with the last lines of its log.
        """
        deadline = time.monotonic() + within_s
        while not self._ready(self):
            if how := self.ended():
                raise StartError(f"{self.name} ended at its start ({how}).{self._last_lines()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready within {within_s:.0f} s.{self._last_lines()}")
            time.sleep(_POLL_S)

    def wait_done(self, within_s: float = 120.0) -> None:
        """Wait until the program has done its work and ended.

        Raises:
            StartError: it failed or did not end in time; with the last lines of its log.
        """
        deadline = time.monotonic() + within_s
        while (how := self.ended()) is None:
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} did not end within {within_s:.0f} s.{self._last_lines()}")
            time.sleep(_POLL_S)
        if how != "exit code 0":
            raise StartError(f"{self.name} failed ({how}).{self._last_lines()}")

    def ask_to_stop(self) -> None:
        """Ask the process to end orderly; `wait_stopped` waits for it."""
        self._signal(self._stop_signal)

    def wait_stopped(self) -> None:
        """Wait until a process that was asked to stop has ended, and end it by force if it takes too long."""
        if self._running is None:
            return
        try:
            self._running.wait(self._stop_within_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()
        self.ended()

    def stop(self) -> None:
        """End the process orderly if it can, by force if it must."""
        self.ask_to_stop()
        self.wait_stopped()

    def kill(self) -> None:
        """End the process as a crash would."""
        self._signal(self._kill_signal)
        self.wait_stopped()

    def restart(self) -> None:
        """Start the program again, after stopping it if it runs, and wait until it can be used."""
        self.stop()
        self.start()
        self.wait_ready()

    def output(self) -> str:
        """What the process wrote to its log since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        if self._running is not None:
            self._running.send_signal(number)

    def _last_lines(self) -> str:
        lines = self.output().splitlines()[-_LOG_LINES_SHOWN:]
        return "".join(f"\n  {line}" for line in (*lines, f"(all of it: {self.log})"))


def says(text: str) -> Callable[[Process], bool]:
    """Ready when this text is in what the process has written."""
    return lambda process: text in process.output()


def answers(port: int, path: str) -> bool:
    """Whether a GET of this path on 127.0.0.1 is answered with 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_ANSWER_WITHIN_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def run(command: Argv, failure: str, script: str = "", directory: Path | None = None) -> None:
    """Run a command to its end, with `script` as its input.

    Raises:
        StartError: it failed; the sentence begins with `failure` and gives the command's own reason.
    """
    done = subprocess.run(  # noqa: S603 (the programs are named in this package)
        command, input=script, cwd=directory, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
        reasons = (*filter(_REASON.search, lines), *lines[-1:], f"exit code {done.returncode}")
        raise StartError(f"{failure}: {reasons[0].strip()}")
