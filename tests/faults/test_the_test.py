"""The test of the fault campaign: with a safeguard taken out of a service it must find a promise broken."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults.__main__ import say
from tests.faults.campaign import GOES_ON, Course, run
from tests.faults.system import MODULES


async def broken(tmp_path: Path, modules: Mapping[str, tuple[str, ...]], *faults: str, **course: Any) -> list[str]:
    """Return the promises that a nasty course finds broken."""
    nasty = Course(seconds=60, faults=faults, accounts=50, modules=modules, **course)
    return [check.promise for check in await run(nasty, tmp_path, say) if check.faults]


async def broken_payments(tmp_path: Path, sabotage: str, *faults: str) -> list[str]:
    modules = {"payments": ("tests.faults.sabotaged", sabotage)}
    return await broken(tmp_path, modules, *faults, seed=1, poison_share=0.4)


async def test_offsets_that_move_unchecked_are_found_by_a_pause(tmp_path: Path) -> None:
    # A zombie moves offsets back: records are handled again, or, if nothing follows them, seem never handled.
    assert {"what is no message is a dead letter, once", GOES_ON} & set(
        await broken_payments(tmp_path, "offsets", "pause one")
    )


async def test_messages_that_are_not_noted_are_found_by_repeats(tmp_path: Path) -> None:
    assert "what is sent again is the same to the byte" in await broken_payments(
        tmp_path, "notes", "cut connections"
    )


async def test_charges_without_a_key_of_their_own_are_found_by_repeats(tmp_path: Path) -> None:
    assert "the ledger has what happened, and once" in await broken_payments(
        tmp_path, "postings", "cut connections"
    )


async def test_alerts_that_are_sent_whether_or_not_they_were_before_are_found_by_kills(tmp_path: Path) -> None:
    modules = {"payments": MODULES["payments"], "notifications": ("tests.faults.sabotaged", "attempts")}
    # By this seed they are killed when they have sent alerts and not yet committed that they did.
    found = await broken(tmp_path, modules, "kill all", "kill all", seed=6)
    assert "an alert arrives once, as it is told" in found
