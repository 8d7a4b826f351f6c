"""What no linter knows of this repository's own rules."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE_NAMES = re.compile(r"^(utils?|helpers?|manager|service|common|misc)$")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
POLL_S_MAX = 0.2
"""A poll may wait a moment between two looks; a sleep that hopes for the best is longer."""
PURE = (
    *(
        "bisect",
        "calendar",
        "collections",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "itertools",
    ),
    *("json", "math", "re", "statistics", "typing", "unicodedata", "zlib", "zoneinfo"),
    *("uuid.NAMESPACE_URL", "uuid.uuid5"),
    *("email_validator", "holidays", "itsdangerous", "phonenumbers", "pydantic"),
    *("shared.digests", "shared.events", "shared.frozen", "shared.messaging.decision", "shared.zones"),
)
"""What rules may import: nothing that reads a clock, draws lots or asks anybody. What of it could, ruff bans."""


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(  # noqa: S603  # nothing of it comes from outside
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],  # noqa: S607  # any git will do
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def long_sleeps(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep":
            match node.args:
                case [ast.Constant(value=int() | float() as seconds)] if seconds > POLL_S_MAX:
                    yield node.lineno


PYTHON = tracked("*.py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_something_to_look_at() -> None:
    assert len(PYTHON) > 50


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_a_module_says_what_it_is_for_and_stays_small(path: Path) -> None:
    text = path.read_text()
    if not name(path).startswith("tests/"):
        assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert text.count("\n") <= LINES_MAX
    assert not VAGUE_NAMES.match(path.stem), "a name that says nothing"
    assert not UNFINISHED.search(text)
    long = [f.name for f in functions(path) if (f.end_lineno or 0) - f.lineno > FUNCTION_LINES_MAX]
    assert not long


@pytest.mark.parametrize("path", [p for p in PYTHON if name(p).startswith("tests/")], ids=name)
def test_a_test_neither_skips_nor_sleeps(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"pytest\.(mark\.)?(skip|x" r"fail)", text)
    assert not list(long_sleeps(ast.parse(text)))
    assert not re.search(r"unittest\.m" r"ock|Magic" r"Mock", text)


def imported(path: Path) -> Iterator[str]:
    """Yield what a module imports, with the name that it takes from where."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def impure(path: Path, domain: str) -> list[str]:
    """Return what the rules of a domain import though it is neither theirs nor known to be pure."""
    pure = (*PURE, domain)
    return [one for one in imported(path) if not any(f"{one}.".startswith(f"{known}.") for known in pure)]


@pytest.mark.parametrize("path", [p for p in PYTHON if "/domain/" in name(p)], ids=name)
def test_rules_are_pure(path: Path) -> None:
    service = name(path).partition("/domain/")[0].replace("/", ".")
    assert impure(path, f"{service}.domain") == []
    assert not any(isinstance(f, ast.AsyncFunctionDef) for f in functions(path))


@pytest.mark.parametrize(
    "line",
    [
        "import aiohttp",
        "import os.path",
        "import uuid",
        "from os import environ",
        "from pathlib import Path",
        "from secrets import token_hex",
        "from time import time",
        "from uuid import uuid1",
        "from shared import clock",
        "from shared.database import Pool",
        "from shared.messaging import decision, outbox",
        "from shared.messaging.decisions import more",
        "from services.payments.store import load",
        "from services.payments.settings import Settings",
        "from services.insurance.domain import decide",
        "from ..store import load",
        "def decide():\n    import random",
    ],
)
def test_rules_that_import_what_is_not_known_to_be_pure_are_found(line: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.py"
    rules.write_text(f"from services.payments.domain.account import GuarantorAccount\n{line}\n")
    assert len(impure(rules, "services.payments.domain")) == 1


def test_nothing_records_a_machine_or_a_package_index() -> None:
    for path in tracked("*.txt", "*.toml", "*.md", "*.yml", "*.json", "*.sha256", "Makefile"):
        text = path.read_text()
        assert not re.search(r"(?<![\w.])/(work|root|home)/", text), name(path)
        if path.suffix in {".txt", ".sha256"}:
            assert "://" not in text, name(path)
