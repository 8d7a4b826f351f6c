"""Batches of messages for payments on a real database, without Kafka."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from local.infrastructure import Endpoints
from services.payments.app import APPLICATION
from services.payments.domain.account import GuarantorAccount
from services.payments.handlers import payments
from shared.database import Pool, connect
from shared.events.envelope import Data, Message
from shared.messaging.decision import Decision
from shared.messaging.handlers import Change
from shared.migrations import upgrade
from tests.unit.payments.story import GUARANTOR, NOW, RULES, SECOND, message

numbers = (f"G-{count}" for count in itertools.count(100))
"""Accounts that no other test has."""

_ids = itertools.count()

PAYMENTS = payments(RULES)


@asynccontextmanager
async def payments_pool(infrastructure: Endpoints) -> AsyncIterator[Pool]:
    """Connections to the database of payments, in the schema of today."""
    url = infrastructure.databases["payments"]
    await upgrade(url, APPLICATION.revisions)
    pool = await connect(url)
    yield pool
    await pool.close()


def about(number: str, *said: Data) -> list[Message[Data]]:
    """Return messages with all this said of another account, a second apart."""
    messages = []
    for second, data in enumerate(said):
        of_account = data.model_copy(update={"account_number": number})
        one = message(of_account, at=NOW + second * SECOND, actor=GUARANTOR)
        messages.append(one.model_copy(update={"id": f"m-{next(_ids)}", "subject": number}))
    return messages


async def handle(pool: Pool, *messages: Message[Data]) -> list[Decision[GuarantorAccount]]:
    """Load, decide about and save a batch, as the kit does."""
    async with pool.acquire() as connection, connection.transaction():
        before = await PAYMENTS.load(connection, messages)
        after = dict(before)
        decisions: list[Decision[GuarantorAccount]] = []
        for one in messages:
            key = PAYMENTS.key(one)
            decided = PAYMENTS.decide(after.get(key), one, one.time)
            assert isinstance(decided.state, GuarantorAccount)
            decisions.append(Decision(decided.state, decided.events, decided.tasks))
            after[key] = decided.state
        changes = [Change(key, before.get(key), state) for key, state in after.items()]
        await PAYMENTS.save(connection, changes)
    return decisions
