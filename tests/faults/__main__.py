"""`python -m tests.faults`: a campaign of FAULT_SECONDS (300) with FAULT_SEED (any); 1 if a check fails."""

import asyncio
import logging
import os
import random
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp

from local import StartError
from tests.faults.campaign import Course, run


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    seconds, given = os.environ.get("FAULT_SECONDS") or "300", os.environ.get("FAULT_SEED")
    seed = given or str(random.randrange(10**6))  # noqa: S311  # any will do
    if not seconds.isdecimal() or not seed.isdecimal():
        sys.exit("FAULT_SECONDS and FAULT_SEED must be whole numbers.")
    # What it has to say of a broker that is away is no news here.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    directory = Path(mkdtemp(prefix="faults-"))
    try:
        checks = asyncio.run(run(Course(int(seed), int(seconds)), directory, say))
    except StartError as error:
        say(f"  ✗ {error}")
        kept = False
    else:
        kept = not any(check.faults for check in checks)
    if not kept:
        say(f"FAILED with FAULT_SEED={seed} FAULT_SECONDS={seconds}; the logs are in {directory}/logs")
        return 1
    say(f"every promise was kept, with FAULT_SEED={seed} FAULT_SECONDS={seconds}")
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
