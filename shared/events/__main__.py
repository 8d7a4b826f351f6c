"""`python -m shared.events` publishes the contract in `docs/events/`; with `--check` it only compares."""

import argparse
import sys

from shared.events.publishing import FOLDER, broken, publish, stale


def main() -> int:
    """Publish, or say what is stale; refuse what would break those who know the published messages."""
    parser = argparse.ArgumentParser(prog="python -m shared.events", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is stale")
    check: bool = parser.parse_args().check
    problems = broken(FOLDER)
    if check:
        problems += [f"{name} is stale: run `python -m shared.events`" for name in stale(FOLDER)]
    if problems:
        sys.stderr.write("\n".join(problems) + "\n")
        return 1
    if not check:
        publish(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
