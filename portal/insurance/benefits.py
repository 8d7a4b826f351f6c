"""What a payer said of a coverage, made ready to be looked at: progress towards limits, and a table by network.

A payer that says nothing of an amount has not said that it is zero: what was not reported stays None.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from shared.events.insurance import Benefit

Kind = Literal["deductible", "out_of_pocket"]
Level = Literal["individual", "family"]
Network = Literal["in", "any", "out"]

KINDS: Final[tuple[Kind, ...]] = ("deductible", "out_of_pocket")
LEVELS: Final[tuple[Level, ...]] = ("individual", "family")
NETWORKS: Final[tuple[Network, ...]] = ("in", "any", "out")
"""In the order in which they matter to a patient: most care is in network."""

WHOLE_PLAN: Final = "30"
"""The service type that stands for the plan as a whole."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far somebody is towards a limit; amounts in minor units, None where not reported."""

    kind: Kind
    level: Level
    network: Network
    currency: str
    total_minor: int | None = None
    left_minor: int | None = None

    @property
    def reported(self) -> bool:
        """Whether the payer said anything."""
        return self.total_minor is not None or self.left_minor is not None

    @property
    def used_minor(self) -> int | None:
        """What counts towards the limit so far; None where it cannot be known."""
        if self.total_minor is None or self.left_minor is None:
            return None
        return max(0, self.total_minor - self.left_minor)

    @property
    def percent(self) -> int | None:
        """The part of the limit that is used, 0 to 100; a limit of nothing is reached."""
        if self.used_minor is None or self.total_minor is None:
            return None
        return min(100, self.used_minor * 100 // self.total_minor) if self.total_minor > 0 else 100


def summary(benefits: Sequence[Benefit]) -> list[Progress]:
    """Return the four bars of a card: each kind and level, of the network that matters most and is reported."""
    return [_foremost(benefits, kind, level) for kind in KINDS for level in LEVELS]


def by_network(benefits: Sequence[Benefit]) -> list[tuple[Network, list[Progress]]]:
    """Return the bars of each network of which the payer said something."""
    found = [
        (network, [_progress(benefits, kind, level, network) for kind in KINDS for level in LEVELS])
        for network in NETWORKS
    ]
    return [(network, bars) for network, bars in found if any(bar.reported for bar in bars)]


def copays(benefits: Iterable[Benefit]) -> list[Benefit]:
    """Return what is paid for each visit or service, the in-network ones first."""
    shares = [b for b in benefits if b.kind in {"copay", "coinsurance"} and _has_figure(b)]
    return sorted(shares, key=lambda b: (NETWORKS.index(b.network), b.kind != "copay", b.service_type))


def _has_figure(benefit: Benefit) -> bool:
    return benefit.reported and (benefit.amount_minor is not None or benefit.percent is not None)


def _foremost(benefits: Sequence[Benefit], kind: Kind, level: Level) -> Progress:
    candidates = [_progress(benefits, kind, level, network) for network in NETWORKS]
    return next((bar for bar in candidates if bar.reported), candidates[0])


def _progress(benefits: Sequence[Benefit], kind: Kind, level: Level, network: Network) -> Progress:
    """Return one bar; a payer may report a limit for single services too, the plan's own comes first."""
    told = [
        b
        for b in benefits
        if (b.kind, b.level, b.network) == (kind, level, network) and b.reported and b.amount_minor is not None
    ]
    told.sort(key=lambda b: b.service_type != WHOLE_PLAN)
    total, left = (next((b.amount_minor for b in told if b.period == p), None) for p in ("year", "remaining"))
    currency = next((b.currency for b in told if b.currency), "USD")
    return Progress(kind, level, network, currency, total, left)
