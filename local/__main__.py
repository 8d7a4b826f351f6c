"""Commands: `python -m local up` starts everything and stays, `… lock` pins the jars of Kafka anew."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from local import StartError, kafka
from local.jars import write_lock
from local.plan import PLAN, Plan
from local.up import up

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(plan: Plan = PLAN) -> int:
    """Run one command and return its exit code: 0 also when a signal ended it orderly."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=("up", "lock"))
    for number in _STOPS:
        signal.signal(number, _interrupt)
    try:
        if parser.parse_args().command == "lock":
            write_lock(kafka.COORDINATES, kafka.LOCK)
        else:
            up(Path(os.environ.get("LOCAL_DIR") or ".local"), plan)
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


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Begin the orderly stop; further signals do not cut it short, each of its waits has an end."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
