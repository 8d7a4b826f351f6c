"""The fault campaign: load, faults, a rest in which all comes to its end, and then the checks."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.checks import Check, check_all
from tests.faults.director import Director, Say
from tests.faults.intents import World
from tests.faults.load import Load
from tests.faults.system import PAYMENTS, POLL_S, StuckError, System, system
from tests.faults.truth import counts, truth

GOES_ON: Final = "it goes on after each fault"
_QUIET_WITHIN_S: Final = 120.0
# Each a little longer than payments waits before it asks once more; in the end the processor's keys are forgotten.
_LEAPS_S: Final = (0, 15, 330, 3_700, 90_000, 90_000)


@dataclass(frozen=True, slots=True)
class Course:
    """What a campaign does.

    Attributes:
        seed: of everything that is left to chance.
        seconds: how long faults are done; the last one begins before.
        faults: their names, in order; all of them in random order, again and again, when absent.
        accounts: how many there are.
        per_second: how many records are published, without the rushes.
        poison_share: the part of them that is poison.
        module: what starts a process of payments.
    """

    seed: int
    seconds: float
    faults: Sequence[str] | None = None
    accounts: int = 200
    per_second: int = 60
    poison_share: float = 0.06
    module: tuple[str, ...] = PAYMENTS


async def run(course: Course, directory: Path, say: Say) -> list[Check]:
    """Do a course, with all data and logs in a directory; say what happens, and return all checks.

    When payments is stuck, that is the one check: what else holds cannot be told before all is at rest.

    Raises:
        StartError: a process did not start.
    """
    say(f"seed {course.seed}")
    async with system(directory, course.module) as under_test:
        load = Load(
            under_test.servers.kafka, World(course.seed, course.accounts, course.poison_share), course.per_second
        )
        # Payments asks the processor and takes no webhooks: the processor would send them again and again.
        await under_test.sandbox_says("/processor/behaviour", {"webhooks": "off"})
        try:
            await load.start()
            try:
                await _do_faults(course, Director(under_test, load, course.seed, say))
            finally:
                await load.stop()
            say(f"{len(load.ledger)} records published; waiting until nothing is under way")
            await _come_to_rest(under_test)
        except StuckError as error:
            checks = [Check(GOES_ON, "it is stuck", [str(error)])]
        else:
            checks = check_all(load.ledger, await truth(under_test))
    for check in checks:
        say(str(check))
    return checks


async def _do_faults(course: Course, director: Director) -> None:
    until = time.monotonic() + course.seconds
    names = director.deck() if course.faults is None else iter(course.faults)
    for name in itertools.takewhile(lambda _: time.monotonic() < until, names):
        await director.do(name)


async def _come_to_rest(under_test: System) -> None:
    """Wait until all is handled, and let the time pass that payments waits before it asks again."""
    for leap_s in _LEAPS_S:
        await under_test.sandbox_says("/clock", {"advance_s": leap_s})
        started = time.monotonic()
        while under_way := await _under_way(under_test):
            if time.monotonic() - started > _QUIET_WITHIN_S:
                raise StuckError(f"still under way after {_QUIET_WITHIN_S:.0f} s: {under_way}")
            await under_test.revive()
            await asyncio.sleep(POLL_S)


async def _under_way(under_test: System) -> dict[str, int]:
    await under_test.catches_up(_QUIET_WITHIN_S)
    left = await counts(under_test)
    return {name: left[name] for name in ("unsent", "parked", "due") if left[name]}
