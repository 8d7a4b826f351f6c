"""Batches of messages for insurance on a real database, without Kafka."""

import itertools

from services.insurance.domain import State, state_key
from services.insurance.handlers import INSURANCE
from shared.database import Connection, Pool
from shared.events.envelope import Data, Message
from shared.messaging.decision import Decision
from shared.messaging.handlers import Change
from tests.unit.insurance.story import message

names = (str(count) for count in itertools.count(100))
"""Parts of ids that no other test has."""


async def handle(pool: Pool, *said: Data | Message[Data]) -> list[Decision[State]]:
    """Load, decide about and save a batch, as the kit does."""
    async with pool.acquire() as connection, connection.transaction():
        return await handle_within(connection, *said)


async def handle_within(connection: Connection, *said: Data | Message[Data]) -> list[Decision[State]]:
    """Do the same within the caller's transaction."""
    messages = [one if isinstance(one, Message) else message(one) for one in said]
    before = await INSURANCE.load(connection, messages)
    after: dict[str, State] = dict(before)
    decisions = []
    for one in messages:
        key = state_key(one)
        decisions.append(INSURANCE.decide(after.get(key), one, one.time))
        after[key] = decisions[-1].state
    await INSURANCE.save(connection, [Change(key, before.get(key), state) for key, state in after.items()])
    return decisions
