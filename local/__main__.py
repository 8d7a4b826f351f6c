"""Commands: `python -m local up` starts everything and stays, `… demo` plays the stories on it as well.

`… lock` pins the jars of Kafka anew. The demo stays afterwards when a terminal is attached, unless `ONCE=1`.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from local import StartError, demo, kafka
from local.jars import write_lock
from local.plan import PLAN, Plan
from local.up import up

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(plan: Plan = PLAN) -> int:
    """Run one command and return its exit code: 0 also when a signal ended it orderly."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=("up", "demo", "lock"))
    for number in _STOPS:
        signal.signal(number, _interrupt)
    directory = Path(os.environ.get("LOCAL_DIR") or ".local")
    try:
        match parser.parse_args().command:
            case "lock":
                write_lock(kafka.COORDINATES, kafka.LOCK)
            case "demo":
                up(directory, plan, _play)
            case _:
                up(directory, plan)
    except KeyboardInterrupt:
        return 0
    except StartError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"{error.strerror}{where}", file=sys.stderr)
    else:
        return 0
    return 1


def _play(endpoints: Path) -> bool:
    """Play the demo; say whether to stay up for whoever looks on.

    Raises:
        StartError: a story did not end as it should, and nobody looks on.
    """
    stays = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("ONCE") != "1"
    told = json.loads(endpoints.read_text())
    ended_well = asyncio.run(demo.play(told))
    if not ended_well and not stays:
        raise StartError("The demo did not end as it should.")
    if stays:
        print("\nEverything stays up until Ctrl-C.")
        print(f"The portal is at {told['portal']}, the in basket at {told['basket']}.")
        print(f"Mails and texts that went out are at {told['sandbox']}/mail/messages and /sms/messages.")
        print(
            "Log in as maria, sofia, james or grace; as ann, sam or sue at the in basket. The password is demo.",
            flush=True,
        )
    return stays


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Begin the orderly stop; further signals do not cut it short, each of its waits has an end."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
