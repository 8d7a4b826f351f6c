"""The fault campaign: load, faults, a rest in which all comes to its end, and then the checks."""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.checks.check import Check
from tests.faults.checks.course import check_all
from tests.faults.director import Director, Say
from tests.faults.group import POLL_S, start
from tests.faults.intents.world import World
from tests.faults.load import Load
from tests.faults.system import MODULES, StuckError, System, system
from tests.faults.truth import counts, truth

GOES_ON: Final = "it goes on after each fault"
_QUIET_WITHIN_S: Final = 180.0
# Each a little longer than services wait before they ask once more; half a day, so that no night lasts; and in
# the end payers are asked no more, and the processor's keys are forgotten.
_LEAPS_S: Final = (0, 15, 330, 3_700, 43_200, 90_000, 90_000, 90_000)


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
        modules: what starts a process of each service that is under test.
    """

    seed: int
    seconds: float
    faults: Sequence[str] | None = None
    accounts: int = 200
    per_second: int = 60
    poison_share: float = 0.06
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MODULES)


async def run(course: Course, directory: Path, say: Say) -> list[Check]:
    """Do a course, with all data and logs in a directory; say what happens, and return all checks.

    When a service is stuck, that is the one check: what else holds cannot be told before all is at rest.

    Raises:
        StartError: a process did not start.
    """
    say(f"seed {course.seed}")
    async with system(directory, course.modules) as under_test:
        world = World(course.seed, course.accounts, course.poison_share, list(course.modules))
        load = Load(under_test, world, course.per_second)
        # Payments asks the processor and takes no webhooks: the processor would send them again and again.
        await under_test.sandbox_says("/processor/behaviour", {"webhooks": "off"})
        try:
            try:
                await load.start()
                await _do_faults(course, Director(under_test, load, course.seed, say))
            finally:
                await load.stop()
            say(f"{len(load.ledger)} records published; waiting until nothing is under way")
            await _come_to_rest(under_test)
        except StuckError as error:
            checks = [Check(GOES_ON, "it is stuck", [str(error)])]
            for line in await under_test.state():
                say(f"  {line}")
        else:
            checks = check_all(load.ledger, await truth(under_test, load.calls))
    for check in checks:
        say(str(check))
    return checks


async def _do_faults(course: Course, director: Director) -> None:
    until = time.monotonic() + course.seconds
    names = director.deck() if course.faults is None else iter(course.faults)
    for name in itertools.takewhile(lambda _: time.monotonic() < until, names):
        await director.do(name)


async def _come_to_rest(under_test: System) -> None:
    """Wait until all is handled, and let the time pass that services wait before they ask again."""
    # Receipts come to the address of the first process, again until somebody is there.
    await start([group.first for group in under_test.groups.values() if group.first.pid is None])
    for leap_s in _LEAPS_S:
        await under_test.sandbox_says("/clock", {"advance_s": leap_s})
        started = time.monotonic()
        while under_way := await _under_way(under_test):
            if time.monotonic() - started > _QUIET_WITHIN_S:
                raise StuckError(f"still under way after {_QUIET_WITHIN_S:.0f} s: {under_way}")
            await under_test.revive()
            await asyncio.sleep(POLL_S)


async def _under_way(under_test: System) -> dict[str, int]:
    """Return what is not done; nothing means that nothing was said meanwhile that could lead to more."""
    before = await under_test.ends()
    await under_test.catches_up(_QUIET_WITHIN_S)
    left = {
        f"{name} of {group.name}": number
        for group in under_test.groups.values()
        for name, number in (await counts(under_test, group)).items()
        if number and name in ("unsent", "parked", "due", "unheard")
    }
    after = await under_test.ends()
    return left or {
        f"{topic}/{partition}": end for (topic, partition), end in after.items() if end != before[topic, partition]
    }
