"""Logs: one JSON object a line on stderr (easier on the eye at a terminal), without anybody's data.

Nothing is logged unless it is known to be harmless: `event` is a constant phrase, all else goes into the
keys below, and whatever is not among them is withheld. An exception is logged as its class and where it was
raised, never with its message: those of pydantic, asyncpg and many others quote the values they fell over.
The standard library's logging, which uvicorn, aiokafka and asyncio use, comes through the same gate.
"""

import io
import logging
import re
import sys
import traceback
from collections import deque
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from prometheus_client import Counter
from structlog.typing import EventDict, Processor, WrappedLogger

WITHHELD: Final = "[withheld]"
FRAMES_MAX = 12
_STDERR: Final = 2

# They name no person.
IDS = frozenset({"correlation_id", "timestamp"})
WORDS_AND_NUMBERS = frozenset(
    {
        "attempts",
        "count",
        "delay_s",
        "error_type",
        "event",
        "host",
        "kind",
        "level",
        "logger",
        "method",
        "partition",
        "port",
        "revision",
        "route",
        "service",
        "topic",
        "type",
    }
)
# Others may have chosen them, so they must look the part: no address, no mere number.
_ID = re.compile(r"(?!\d+$)[\w.:-]{1,128}")
# A constant phrase has no address and no long number in it: whoever logs one has formatted data into it.
_DATA = re.compile(r"@|\d{6}|\d{4}[ -]\d{4}")
# Those whose messages are constants with arguments; of the others the text may be anything.
_WITH_ARGUMENTS = frozenset({"aiokafka", "uvicorn"})

log = structlog.get_logger()


DROPPED: Final = Counter("log_lines_dropped_total", "Lines of the log that could not be written")


class _Printer(structlog.WriteLogger):
    """Prints the lines of one module, if it said its name to `get_logger`.

    A line that cannot be written, as on a full disk, is dropped: what was to be logged goes on.
    """

    def __init__(self, stream: TextIO, module: str | None = None) -> None:
        super().__init__(stream)
        self.of = {} if module is None else {"logger": module}

    def msg(self, message: str) -> None:
        try:
            super().msg(message)
        except OSError:
            DROPPED.inc()

    debug = info = warning = error = critical = msg


def configure(service: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logs of this process through the gate.

    Args:
        service: goes on every line.
        level: the least that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        stream: where to, stderr by default.
    """
    stream = stream or _stderr()

    def named(logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
        return {"service": service, **logger.of, **entry}

    render: Processor = structlog.processors.JSONRenderer()
    if stream.isatty():
        render = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            named,
            withhold,
            describe_exception,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *module: _Printer(stream, *module),
    )
    logging.basicConfig(handlers=[_Gate()], level=level, force=True)
    for known in logging.root.manager.loggerDict.values():
        if isinstance(known, logging.Logger):
            # A library that brings a handler of its own (FastStream does) would go round the gate.
            known.handlers, known.propagate = [], True
    # Its complaints about a call that does not fit its message would print the arguments.
    logging.raiseExceptions = False
    sys.excepthook = _log_uncaught


def _stderr() -> TextIO:
    """Return stderr without a buffer: what is left in one when Python ends spoils the exit status."""
    return io.TextIOWrapper(io.FileIO(_STDERR, "w", closefd=False), encoding="utf-8", write_through=True)


def withhold(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """Keep what may be logged, and of the rest only that it was there."""
    return {key: value if _harmless(key, value) else WITHHELD for key, value in entry.items()}


def _harmless(key: str, value: object) -> bool:
    if key in IDS:
        return isinstance(value, str) and _ID.fullmatch(value) is not None
    if key in WORDS_AND_NUMBERS:
        return (
            value is None or isinstance(value, int | float) or (isinstance(value, str) and not _DATA.search(value))
        )
    return key == "exc_info"  # for the next in line, which describes it


def describe_exception(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """Turn `exc_info` into `error`: `{"type", "frames": ["file:line function", …], "cause"?, "group"?}`."""
    error = entry.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        entry["error"] = _described(error)
    return entry


def _described(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    frames = deque(traceback.walk_tb(error.__traceback__), maxlen=FRAMES_MAX)
    described: dict[str, Any] = {
        "type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
        "frames": [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}" for frame, line in frames],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        described["cause"] = _described(cause)
    if isinstance(error, BaseExceptionGroup):
        described["group"] = [_described(one) for one in error.exceptions]
    return described


class _Gate(logging.Handler):
    """Hands the records of the standard library's loggers on."""

    def emit(self, record: logging.LogRecord) -> None:
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        log.log(level, _said(record), logger=record.name, exc_info=record.exc_info)


def _said(record: logging.LogRecord) -> str:
    """Return the record's message with numbers filled in and all other arguments withheld."""
    if record.name.partition(".")[0] not in _WITH_ARGUMENTS or not isinstance(record.msg, str):
        return WITHHELD
    arguments = record.args if isinstance(record.args, tuple) else ()
    shown = tuple(one if isinstance(one, int | float) else _Withheld() for one in arguments)
    try:
        return record.msg.strip() % shown if shown else record.msg.strip()
    except (TypeError, ValueError):
        return record.msg.strip()


class _Withheld:
    def __repr__(self) -> str:
        return WITHHELD


def _log_uncaught(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
    log.critical("the process ends by an error that nobody caught", exc_info=error)
