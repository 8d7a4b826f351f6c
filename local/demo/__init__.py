"""The demo: the patient stories, played step by step as real clients would, with what became of each message.

People visit the portal, in a real browser where there is one; where a story is about messages, it is told on
Kafka. What really happened is asked of the outside world: the processor's charges, the mailboxes, the payer.
A story is a function of the world; another one is another line in `STORIES`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import aiohttp
import asyncpg
from aiokafka.errors import KafkaError

from local.demo import coverage, guests, mending, messages, paperless, paying, plans
from local.demo.arriving import arrival
from local.demo.story import Disappointment, Story
from local.demo.summing import sum_up
from local.demo.wire import Json, Wire
from local.demo.world import World

Tale: TypeAlias = Callable[[World, Story], Awaitable[None]]

STORIES: tuple[Tale, ...] = (
    paying.card_and_double_click,
    paying.never_answered,
    paying.debit_returned,
    paying.refusals,
    plans.three_months,
    guests.relative_pays,
    paperless.statement_by_mail_and_text,
    coverage.added_and_verified,
    coverage.payer_down,
    messages.card_picture,
    messages.billing_question,
    mending.poison_and_replay,
)


async def play(endpoints: Json) -> bool:
    """Play all stories where `endpoints` says; return whether each ended as it should."""
    story = Story()
    async with _world(endpoints) as world:
        await world.open_hospital()
        for one in (*STORIES, sum_up):
            try:
                await one(world, story)
            except Disappointment as error:
                story.step(str(error), "", proves=False)
            except (aiohttp.ClientError, asyncpg.PostgresError, KafkaError, OSError, LookupError) as error:
                story.step("a step of the story", f"{type(error).__name__}: {error}", proves=False)
    return not story.faults


@asynccontextmanager
async def _world(endpoints: Json) -> AsyncIterator[World]:
    async with aiohttp.ClientSession() as http, arrival(endpoints["portal"]) as arrives:
        wire = Wire(endpoints["kafka"])
        await wire.start()
        hearing = asyncio.create_task(wire.hear())
        try:
            yield World(endpoints, http, wire, arrives)
        finally:
            hearing.cancel()
            await wire.stop()
