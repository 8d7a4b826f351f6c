"""All checks of all services that were under test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tests.faults.checks import inbox, insurance, kit, notifications, payments
from tests.faults.checks.check import Check, Effect, Evidence
from tests.faults.load import Published
from tests.faults.truth import Truth

_OWN: Final[Mapping[str, tuple[Callable[[Evidence], Effect], Sequence[Callable[[Evidence], Check]]]]] = {
    "payments": (payments.effects, payments.CHECKS),
    "insurance": (insurance.effects, insurance.CHECKS),
    "inbox": (inbox.effects, inbox.CHECKS),
    "notifications": (notifications.effects, notifications.CHECKS),
}


def check_all(ledger: Sequence[Published], truth: Truth) -> list[Check]:
    """Return every check."""
    checks = []
    for name in truth.parts:
        evidence = Evidence.of(name, ledger, truth)
        effects, own = _OWN[name]
        found = [kit.all_are_accounted_for(evidence, effects(evidence))]
        found += [check(evidence) for check in (*kit.CHECKS, *own)]
        checks += [replace(check, service=name) for check in found]
    return checks
