"""`python -m local` with a plan that needs nothing of the project's own programs."""

import sys

from local.__main__ import main
from local.plan import Addresses, Plan, Program


def env(at: Addresses) -> dict[str, str]:
    return {"ANSWERING_HTTP_PORT": str(at.ports["answering"])}


if __name__ == "__main__":
    prepare = Program("prepare", "tests.system.answering", env, ("prepare",))
    sys.exit(main(Plan((prepare,), ((Program("answering", "tests.system.answering", env),),))))
