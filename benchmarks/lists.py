"""What staff and patients look at most, with a thousand rows and with a million: the in basket and the bills.

Beside the in basket stands the naive way to it: all items of the pool counted, and those before the page skipped.
"""

import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks import messages_routed, payment_path
from benchmarks.cases import prepare
from benchmarks.figures import Figure
from benchmarks.world import size
from local.infrastructure import Endpoints
from services.inbox import reads as inbox
from services.inbox.reads import Place
from services.inbox.tables import ItemRow
from services.payments import reads as payments
from shared.database import Pool

FEW = size("BENCH_FEW_ROWS", 1_000)
MANY = size("BENCH_ROWS", 1_000_000)
CALLS = size("BENCH_CALLS", 200)
NAIVE_CALLS = 10
PAGE = 50
_POOL = "billing"
_FIRST_AT = datetime(2026, 1, 1, tzinfo=UTC)

_ITEMS = """
    insert into item (item_id, kind, pool, state, priority, version, subject, created_at, updated_at, since,
        patient_id, thread_id, message_kind, category, about, content, urgent_words, escalated, rule_version, why,
        limit_number, limit_minutes, replied_version)
    select 'item-' || n, 'message', 'billing', 'open', 1, 1, 'Question ' || n, at, at, at,
        'patient-' || n % $2::int + 1, 'thread-' || n, 'non-medical', 'billing-question', '{}', '', '', false, 1,
        'Billing answers questions about bills', 1, 1080, 0
    from (
        select n, timestamptz '2026-01-01Z' + n * interval '1 second' as at
        from generate_series(1, $1::int) n
    ) numbered
"""


async def _nothing(_: Pool) -> None:
    """Lay out nothing."""


_NO_ACCOUNTS = replace(payment_path.CASE, lay_out=_nothing)

Call = Callable[[int], Awaitable[None]]


def _expect(found: list[str], expected: list[str]) -> None:
    if found != expected:
        raise AssertionError(f"{found[:3]} … instead of {expected[:3]} …")


def _basket(pool: Pool, rows: int) -> Call:
    """Return what shows a page of the in basket: the first one, and one from the middle, in turns."""

    async def show(number: int) -> None:
        skipped = number % 2 * (rows // 2)
        after = Place(1, _FIRST_AT + timedelta(seconds=skipped), f"item-{skipped}") if skipped else Place()
        rules = await inbox.rules_in_force(pool, _FIRST_AT)
        await inbox.find_pool(pool, _POOL, rules)
        shown = await inbox.page(pool, _POOL, "open", after, PAGE)
        _expect([one.item.item_id for one in shown], [f"item-{skipped + n}" for n in range(1, PAGE + 1)])

    return show


def _naive_basket(session: AsyncSession, rows: int) -> Call:
    """Return what shows a page from the middle with how many there are, the naive way."""
    of_pool = (col(ItemRow.pool) == _POOL, col(ItemRow.state) == "open")
    order = (col(ItemRow.priority), col(ItemRow.since), col(ItemRow.item_id))
    counting = select(func.count()).select_from(ItemRow).where(*of_pool)
    paging = select(ItemRow).where(*of_pool).order_by(*order).offset(rows // 2).limit(PAGE)

    async def show(_number: int) -> None:
        shown = (await session.exec(paging)).all()
        _expect([one.item_id for one in shown], [f"item-{rows // 2 + n}" for n in range(1, PAGE + 1)])
        _expect([str((await session.exec(counting)).one())], [str(rows)])
        session.expunge_all()

    return show


def _summary(pool: Pool, rows: int) -> Call:
    """Return what shows a person the bills of their account."""

    async def show(number: int) -> None:
        person = number * 7919 % rows + 1
        numbers = await payments.numbers_of_person(pool, f"person-{person}")
        shown = await payments.show_accounts(pool, numbers)
        _expect([one.account.number for one in shown], [f"A-{person}"])

    return show


async def _p50_ms(few: Call, many: Call, calls: int) -> tuple[float, float]:
    """Return the median times in ms of two calls in turns, after a tenth to warm up: what else runs hits both."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(calls // 10 + calls):
        for call, found in zip((few, many), took, strict=True):
            started = time.perf_counter()
            await call(number)
            found.append((time.perf_counter() - started) * 1000)
    few_ms, many_ms = (statistics.median(found[calls // 10 :]) for found in took)
    return few_ms, many_ms


async def _lists(endpoints: Endpoints, rows: int, stack: AsyncExitStack) -> dict[str, Call]:
    """Fill the tables; return the lists by name."""
    of_inbox = await prepare(messages_routed.CASE, endpoints)
    stack.push_async_callback(of_inbox.close)
    of_payments = await prepare(_NO_ACCOUNTS, endpoints)
    stack.push_async_callback(of_payments.close)
    await of_inbox.execute(_ITEMS, rows, messages_routed.PATIENTS, timeout=1800)
    await of_inbox.execute("vacuum analyze item", timeout=600)
    await payment_path.open_accounts(of_payments, 1, rows)
    engine = create_async_engine(endpoints.databases["inbox"].replace("postgresql://", "postgresql+asyncpg://"))
    stack.push_async_callback(engine.dispose)
    session = await stack.enter_async_context(AsyncSession(engine))
    return {
        "in basket": _basket(of_inbox, rows),
        "billing summary": _summary(of_payments, rows),
        "naive in basket": _naive_basket(session, rows),
    }


async def _with_other_databases(endpoints: Endpoints) -> Endpoints:
    """Return the same servers with new databases."""
    databases = {}
    for name, url in endpoints.databases.items():
        connection = await asyncpg.connect(url)
        await connection.execute(f"create database few_{name}")
        await connection.close()
        databases[name] = urlunsplit(urlsplit(url)._replace(path=f"/few_{name}"))
    return replace(endpoints, databases=databases)


async def run(endpoints: Endpoints) -> Figure:
    """Measure lists in small and in large tables in turns; the worse of our own two ratios counts."""
    beside: dict[str, float] = {}
    ratios = {}
    async with AsyncExitStack() as stack:
        few = await _lists(await _with_other_databases(endpoints), FEW, stack)
        many = await _lists(endpoints, MANY, stack)
        for name in few:
            calls = NAIVE_CALLS if name.startswith("naive") else CALLS
            few_ms, many_ms = await _p50_ms(few[name], many[name], calls)
            ratios[name] = many_ms / few_ms
            beside |= {
                f"{name}, p50 ms with {FEW:,}": few_ms,
                f"{name}, p50 ms with {MANY:,}": many_ms,
                f"{name}, many / few": ratios[name],
            }
    own = max(ratios["in basket"], ratios["billing summary"])
    return Figure(name="lists_at_a_million", value=own, unit=f"times as long with {MANY:,} rows", beside=beside)
