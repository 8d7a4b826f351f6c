"""The processor's events on a real database: each counts once, and is forgotten when it is repeated no more."""

from collections.abc import AsyncIterator

import pytest

from local.infrastructure import Endpoints
from services.payments.domain.webhook import HearProcessor
from shared.database import Pool
from tests.flow.payments_batches import about, handle, numbers, payments_pool
from tests.unit.payments.story import charge, opened, outcome, submit


@pytest.fixture(scope="module")
async def pool(infrastructure: Endpoints) -> AsyncIterator[Pool]:
    async with payments_pool(infrastructure) as pool:
        yield pool


async def test_an_event_of_the_processor_counts_once_and_takes_the_place_of_old_ones(pool: Pool) -> None:
    number = next(numbers)
    await handle(pool, *about(number, opened(), charge(10_000), submit(1_000, pay := f"{number}-pay")))
    old, ids = [f"{number}-old-{count}" for count in range(2)], [f"{number}-{count}" for count in range(2)]
    await pool.execute(
        "insert into webhook select old, 'G', now() - interval '9 years' from unnest($1::text[]) old", old
    )
    told = [
        HearProcessor(event_id=event_id, account_number=number, payment_id=pay, about="payment")
        for event_id in ids
    ]

    first, repeated, other = await handle(pool, *about(number, told[0], told[0], told[1]))
    (again,) = await handle(pool, *about(number, told[0]))

    decisions = (first, repeated, other, again)
    assert [outcome(decision) for decision in decisions] == [("done", None)] * 4
    assert [len(decision.tasks) for decision in decisions] == [1, 0, 1, 0]
    left = await pool.fetch("select event_id from webhook where event_id = any($1) order by 1", [*old, *ids])
    assert [row[0] for row in left] == ids
