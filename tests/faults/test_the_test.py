"""The test of the fault campaign: with a safeguard taken out of payments it must find a promise broken."""

from pathlib import Path

from tests.faults.__main__ import say
from tests.faults.campaign import GOES_ON, Course, run


async def broken(tmp_path: Path, sabotage: str, *faults: str) -> list[str]:
    """Return the promises that a nasty course finds broken by a sabotage."""
    module = ("tests.faults.sabotaged", sabotage)
    course = Course(seed=1, seconds=60, faults=faults, accounts=50, poison_share=0.4, module=module)
    return [check.promise for check in await run(course, tmp_path, say) if check.faults]


async def test_offsets_that_move_unchecked_are_found_by_a_pause(tmp_path: Path) -> None:
    # A zombie moves offsets back: records are handled again, or, if nothing follows them, seem never handled.
    assert {"what is no message is a dead letter, once", GOES_ON} & set(
        await broken(tmp_path, "offsets", "pause one")
    )


async def test_messages_that_are_not_noted_are_found_by_repeats(tmp_path: Path) -> None:
    assert "what is sent again is the same to the byte" in await broken(tmp_path, "notes", "cut connections")


async def test_charges_without_a_key_of_their_own_are_found_by_repeats(tmp_path: Path) -> None:
    assert "the ledger has what happened, and once" in await broken(tmp_path, "postings", "cut connections")
