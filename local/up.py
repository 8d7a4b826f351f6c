"""Starts everything and stays: Kafka and PostgreSQL, then the programs of the plan; stops them in order."""

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from local import StartError
from local.infrastructure import embedded
from local.plan import Addresses, Plan, Program
from local.ports import free_port, is_free
from local.processes import Process, answers
from local.supervision import keep_running
from local.tether import Tether

_ROOT = Path(__file__).parents[1]
_HIGHEST_PORT = 65_535
_ENDPOINTS = "endpoints.json"


def up(directory: Path, plan: Plan, play: Callable[[Path], bool] | None = None) -> None:
    """Start what the plan names, say `ready`, and keep it running until a signal interrupts.

    Args:
        directory: holds the data, the logs and, while everything runs, `endpoints.json`.
        plan: what is started beside Kafka and PostgreSQL.
        play: what is done when all is ready, given `endpoints.json`; everything stops when it says false.

    Raises:
        StartError: something cannot start; what had started is stopped.
    """
    directory = directory.resolve()
    with ExitStack() as stack:
        stack.enter_context(_alone_in(directory))
        tether = stack.enter_context(Tether())
        ports = {name: _port(name) for stage in plan.stages for program in stage for name in program.listeners}
        print(f"Starting Kafka and PostgreSQL in {directory}", flush=True)
        servers = stack.enter_context(embedded(directory, tether, given=os.environ))
        at = Addresses(servers.kafka, servers.databases, ports, directory)
        process = partial(_process, at, directory / "logs", tether)
        _run_once([process(program) for program in plan.once])
        running = [server for server in (servers.postgres, servers.broker) if isinstance(server, Process)]
        for stage in plan.stages:
            running += stack.enter_context(_stage([process(program) for program in stage]))
        for started in running:
            started.wait_ready()
        tether.remove(directory / _ENDPOINTS)
        stack.enter_context(_told(at, plan, directory / _ENDPOINTS))
        if play is None or play(directory / _ENDPOINTS):
            keep_running(running)


def _process(at: Addresses, logs: Path, tether: Tether, program: Program) -> Process:
    return Process(
        program.name,
        [sys.executable, "-m", program.module, *program.arguments],
        logs / f"{program.name}.log",
        tether,
        ready=lambda _: answers(at.ports[program.name], "/health/ready"),
        env=os.environ | program.env(at) | {"PYTHONUNBUFFERED": "1"},
        directory=_ROOT,
    )


def _run_once(processes: Sequence[Process]) -> None:
    print(f"Running {', '.join(process.name for process in processes)}", flush=True)
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.wait_done()
    finally:
        for process in processes:
            process.stop()


@contextmanager
def _stage(processes: Sequence[Process]) -> Iterator[Sequence[Process]]:
    """These processes, started side by side and stopped side by side."""
    print(f"Starting {', '.join(process.name for process in processes)}", flush=True)
    try:
        for process in processes:
            process.start()
        yield processes
    finally:
        for process in processes:
            process.ask_to_stop()
        for process in processes:
            process.wait_stopped()


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold the directory against a second launcher; the hold ends with this process, however it ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"Another start runs in {directory}: stop it, or set LOCAL_DIR to another directory."
            ) from None
        (directory / _ENDPOINTS).unlink(missing_ok=True)
        yield


def _port(name: str) -> int:
    program, _, what = name.upper().partition("-")
    variable = f"{program}_{what or 'HTTP'}_PORT"
    given = os.environ.get(variable)
    if not given:
        return free_port()
    if not given.isdecimal() or not 0 < int(given) <= _HIGHEST_PORT:
        raise StartError(f"{variable} is {given!r}, and must be a port from 1 to {_HIGHEST_PORT}.")
    if not is_free(int(given)):
        raise StartError(f"{variable} is {given}, and another program listens there.")
    return int(given)


@contextmanager
def _told(at: Addresses, plan: Plan, file: Path) -> Iterator[None]:
    """Tell where everything is: to people in a table, to programs in a file which stays while it is true."""
    urls = {program.name: at.url(program.name) for stage in plan.stages for program in stage}
    urls |= {name: at.url(program) + path for name, program, path in plan.pages}
    new = file.with_suffix(".new")
    new.touch(mode=0o600)  # it has the passwords of the databases
    new.write_text(json.dumps({"kafka": at.kafka, **urls, "databases": at.databases}, indent=2))
    new.replace(file)
    try:
        databases = {f"{name} database": url for name, url in at.databases.items()}
        for name, address in {"kafka": at.kafka, **urls, **databases}.items():
            print(f"{name:<24}{address}")
        print("ready", flush=True)
        yield
    finally:
        file.unlink()
