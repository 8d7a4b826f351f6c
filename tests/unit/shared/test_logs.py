import ast
import asyncio
import errno
import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from pydantic import BaseModel, ValidationError

from shared import logs
from tests.unit.house.test_tidiness import ROOT, tracked

CARD = "4111111111111111"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The logs of one test; afterwards everything is as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.raiseExceptions, sys.excepthook)
    root.handlers = []
    stream = io.StringIO()
    logs.configure("payments", stream=stream)
    yield stream
    root.handlers, level, logging.raiseExceptions, sys.excepthook = before
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_json_object_with_level_time_service_and_correlation_id(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(correlation_id="018f-abc"):
        structlog.get_logger().info("partition assigned", topic="payments.commands.v1", partition=3)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "partition assigned",
        "level": "info",
        "service": "payments",
        "correlation_id": "018f-abc",
        "topic": "payments.commands.v1",
        "partition": 3,
    }


def test_a_line_names_the_module_that_it_is_from(stream: io.StringIO) -> None:
    structlog.get_logger(__name__).info("partition assigned")
    assert lines(stream)[0]["logger"] == "tests.unit.shared.test_logs"


def test_only_keys_that_somebody_logs_are_on_the_list() -> None:
    calls = [
        call
        for path in tracked("*.py")
        if path.relative_to(ROOT).parts[0] in {"shared", "services", "portal", "sandbox", "local"}
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and re.fullmatch(r"log\.\w+|structlog\.contextvars\.bound_contextvars", ast.unparse(call.func))
    ]
    logged = {keyword.arg for call in calls for keyword in call.keywords} - {"exc_info"}
    everywhere = {"event", "level", "service", "timestamp", "logger"}
    assert logged | everywhere == logs.IDS | logs.WORDS_AND_NUMBERS


def test_a_key_that_is_not_on_the_list_is_withheld(stream: io.StringIO) -> None:
    structlog.get_logger().info("payment refused", kind="account_closed", last_name="Doe", card=CARD)
    (line,) = lines(stream)
    assert (line["kind"], line["last_name"], line["card"]) == ("account_closed", "[withheld]", "[withheld]")


@pytest.mark.parametrize(
    "fields",
    [
        {"event": f"could not charge {CARD}"},
        {"event": "could not charge 4111 1111 1111 1111"},
        {"event": "refused", "kind": "no mail to jane@example.com"},
        {"event": "refused", "kind": {"last_name": "Doe"}},
        {"event": "refused", "kind": ValueError("Doe")},
        {"event": "refused", "correlation_id": CARD},
        {"event": "refused", "correlation_id": "jane@example.com"},
        {"event": "refused", "correlation_id": 4111111111111111},
    ],
)
def test_data_under_a_permitted_key_is_withheld(fields: dict[str, Any], stream: io.StringIO) -> None:
    structlog.get_logger().info(**fields)
    told = stream.getvalue()
    assert "[withheld]" in told
    assert not any(data in told for data in ("4111", "Doe", "jane"))


def test_an_exception_is_logged_by_class_and_place_and_never_by_its_message(stream: io.StringIO) -> None:
    class Card(BaseModel):
        last4: int

    def fall_over() -> None:
        try:
            Card.model_validate({"last4": f"card {CARD}"})
        except ValidationError as error:
            raise LookupError(f"no account for {CARD}") from error

    try:
        fall_over()
    except LookupError:
        structlog.get_logger().exception("batch failed")
    assert CARD not in stream.getvalue()
    error = lines(stream)[0]["error"]
    assert error["type"] == "LookupError"
    assert error["frames"][-1].endswith("fall_over")
    assert "test_logs.py:" in error["frames"][-1]
    assert error["cause"]["type"] == "pydantic_core._pydantic_core.ValidationError"


def test_the_members_of_an_exception_group_are_all_told(stream: io.StringIO) -> None:
    group = ExceptionGroup(CARD, [ValueError(CARD), OSError(CARD)])
    structlog.get_logger().error("tasks failed", exc_info=group)
    assert CARD not in stream.getvalue()
    assert [one["type"] for one in lines(stream)[0]["error"]["group"]] == ["ValueError", "OSError"]


def test_a_library_that_logs_with_arguments_keeps_its_phrase_and_numbers(stream: io.StringIO) -> None:
    logging.getLogger("aiokafka.consumer").warning("Joined '%s' (generation %s): %r", "g", 4, ValueError(CARD))
    (line,) = lines(stream)
    assert line["event"] == "Joined '[withheld]' (generation 4): [withheld]"
    assert (line["level"], line["logger"]) == ("warning", "aiokafka.consumer")


@pytest.mark.parametrize(
    ("message", "arguments"),
    [("%d of %s", ("x", "y")), ("%s", ()), ("%(a)s", ({"a": CARD},)), ("%s %s", (1,))],
)
def test_a_library_whose_arguments_do_not_fit_is_logged_all_the_same(
    message: str, arguments: tuple[Any, ...], stream: io.StringIO
) -> None:
    logging.getLogger("uvicorn.error").handle(
        logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, message, arguments, None)
    )
    assert len(lines(stream)) == 1
    assert CARD not in stream.getvalue()


def test_the_text_of_any_other_library_is_withheld_but_its_exception_is_placed(stream: io.StringIO) -> None:
    error = ValueError("no account of Jane Doe")
    logging.getLogger("faststream").error(f"ValueError: {error}", exc_info=error)  # noqa: G004  # as it does
    (line,) = lines(stream)
    assert line["event"] == "[withheld]"
    assert line["logger"] == "faststream"
    assert line["error"]["type"] == "ValueError"
    assert "Doe" not in stream.getvalue()


async def test_a_task_that_nobody_awaited_is_logged_without_its_message(stream: io.StringIO) -> None:
    async def fail() -> None:
        raise ValueError(CARD)

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    (line,) = lines(stream)
    assert line["logger"] == "asyncio"
    assert line["error"]["type"] == "ValueError"
    assert CARD not in stream.getvalue()


def test_levels_below_the_chosen_one_are_not_logged(stream: io.StringIO) -> None:
    structlog.get_logger().debug("too much")
    logging.getLogger("aiokafka").debug("too much")
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("stream")
def test_a_terminal_gets_lines_for_the_eye_through_the_same_gate() -> None:
    terminal = Terminal()
    logs.configure("payments", stream=terminal)
    structlog.get_logger().info("payment refused", card=CARD)
    assert "payment refused" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert CARD not in terminal.getvalue()


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("stream")
@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "exception", "critical"])
def test_a_line_that_cannot_be_written_is_dropped_and_counted(level: str) -> None:
    logs.configure("payments", stream=FullDisk(), level="DEBUG")
    dropped = REGISTRY.get_sample_value("log_lines_dropped_total") or 0
    getattr(structlog.get_logger(), level)("partition assigned")
    logging.getLogger("aiokafka").warning("no connection")
    assert REGISTRY.get_sample_value("log_lines_dropped_total") == dropped + 2


def test_a_process_goes_on_when_nobody_reads_its_log_any_more() -> None:
    program = """
from shared import logs
logs.configure("payments")
for _ in range(100):
    logs.log.info("partition assigned")
print("done")
"""
    reader, writer = os.pipe()
    os.close(reader)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=buffered, stdout=subprocess.PIPE, stderr=writer, check=False)  # noqa: S603
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_an_error_that_ends_the_process_is_logged_like_any_other() -> None:
    program = f"from shared import logs; logs.configure('payments'); raise ValueError('{CARD}')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 1
    line = json.loads(done.stderr)
    assert (line["level"], line["error"]["type"]) == ("critical", "ValueError")
    assert CARD not in done.stderr
