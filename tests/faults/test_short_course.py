"""A short course of the fault campaign, as a part of all tests; `make faults` is the long one."""

from pathlib import Path

from tests.faults.__main__ import say
from tests.faults.campaign import Course, run


async def test_every_promise_is_kept_while_everything_is_killed(tmp_path: Path) -> None:
    faults = ["kill broker", "cut connections", "kill one", "pause one", "kill database", "scale orderly"]

    checks = await run(Course(seed=1, seconds=120, accounts=100, faults=faults), tmp_path, say)

    assert len(checks) > 40
    assert not [str(check) for check in checks if check.faults]
