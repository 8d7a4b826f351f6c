"""A figure with what it stands beside, and how figures are kept: `bench.json` and `docs/performance.md`."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing.

    Attributes:
        name: snake_case.
        value: in `unit`.
        unit: such as messages/s.
        beside: what was measured in the same run, by name.
        ratio: value divided by what it stands beside, by name.
    """

    name: str
    value: float
    unit: str
    beside: dict[str, float] = field(default_factory=dict)
    ratio: dict[str, float] = field(default_factory=dict)


def _rounded(number: float) -> float:
    return round(number, 2) if abs(number) < 100 else round(number)  # noqa: PLR2004  # three figures are enough


def keep(figures: list[Figure], path: Path) -> None:
    """Write figures as JSON: `{"name": {"value", "unit", "beside", "ratio"}}`."""
    kept = {}
    for figure in figures:
        told = asdict(figure)
        kept[told.pop("name")] = {
            "value": _rounded(figure.value),
            "unit": figure.unit,
            "beside": {name: _rounded(value) for name, value in figure.beside.items()},
            "ratio": {name: _rounded(value) for name, value in figure.ratio.items()},
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def show(figure: Figure) -> str:
    """Return a figure as lines for a person."""
    lines = [f"{figure.name}: {_rounded(figure.value):,} {figure.unit}"]
    for name, value in figure.beside.items():
        ratio = f"  ({_rounded(figure.ratio[name]):,} times that)" if name in figure.ratio else ""
        lines.append(f"    {name}: {_rounded(value):,}{ratio}")
    return "\n".join(lines)
