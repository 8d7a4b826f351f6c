"""A clearinghouse with payers that take their time, as long for the same member in every run."""

import asyncio
import math
import random
import resource
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from benchmarks.world import size
from sandbox.clearinghouse import MEDIA_TYPE, answer
from sandbox.x12 import read_question
from shared.clock import Clock

MEDIAN_S: Final = size("BENCH_PAYER_S", 3)
SIGMA: Final = 0.5
_SEED: Final = 20260101
_WAITING_MAX: Final = 8_192
"""Connections that may wait to be taken: thousands come at once."""


def takes_s(member_id: str) -> float:
    """Return how long the payer takes to answer about a member: lognormal, and always the same."""
    return random.Random(f"{_SEED} {member_id}").lognormvariate(math.log(MEDIAN_S), SIGMA)  # noqa: S311


class Payers:
    """What was asked, and how many questions waited for their answer at once."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.most = 0
        self._now = 0
        self._clock = Clock()

    async def respond(self, request: web.Request) -> web.Response:
        """Answer a 270, in time."""
        question = read_question(await request.text())
        self.asked[question.member_id] += 1
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(takes_s(question.member_id))
        self._now -= 1
        return web.Response(text=answer(question, "ACTIVE", self._clock.now()), content_type=MEDIA_TYPE)


@asynccontextmanager
async def payers() -> AsyncIterator[Payers]:
    """Offer them on a port of this machine; they, and processes started meanwhile, may have many connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    made = Payers()
    app = web.Application()
    app.router.add_post("/", made.respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=_WAITING_MAX)
        await site.start()
        host, port = runner.addresses[0][:2]
        made.url = f"http://{host}:{port}/"
        yield made
    finally:
        await runner.cleanup()
