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


@pytest.mark.parametrize("path", [p for p in PYTHON if "/domain/" in name(p)], ids=name)
def test_rules_are_pure(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    } | {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {
        "asyncio",
        "faststream",
        "aiokafka",
        "sqlmodel",
        "sqlalchemy",
        "asyncpg",
        "random",
        "time",
    }
    assert not any(isinstance(f, ast.AsyncFunctionDef) for f in functions(path))


def test_nothing_records_a_machine_or_a_package_index() -> None:
    for path in tracked("*.txt", "*.toml", "*.md", "*.yml", "*.json", "*.sha256", "Makefile"):
        text = path.read_text()
        assert not re.search(r"(?<![\w.])/(work|root|home)/", text), name(path)
        if path.suffix in {".txt", ".sha256"}:
            assert "://" not in text, name(path)
