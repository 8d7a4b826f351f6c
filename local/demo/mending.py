"""The story of a bug: what cannot be handled is kept whole, and replayed once the bug is mended."""

import asyncio
import base64
import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import asyncpg

from local.demo.paying import pay, succeeded
from local.demo.story import Story, money
from local.demo.wire import Json
from local.demo.world import Household, World

_TOPIC, _HOST = "payments.commands.v1", "host.billing.v1"
_ROOT = Path(__file__).parents[2]
_WAITS = [timedelta(seconds=seconds) for seconds in (1, 5, 30, 120)]
"""How long a record that cannot be handled waits before it is tried again."""


async def poison_and_replay(world: World, story: Story) -> None:
    """Bytes that are no message, and a fact that a bug cannot take in: both end as dead letters."""
    story.begins(
        "Bytes that are no message, and a fact that meets a bug: nothing is lost, and nothing stands still"
    )
    home = world.household()
    await _poison(world, story, home)
    await _bug(world, story, home)


async def _poison(world: World, story: Story, home: Household) -> None:
    await world.wire.publish(_TOPIC, home.number, b"\xff not a message")
    letter = await world.wire.letter(_base64(home.number))
    place = f"{letter['topic']}, partition {letter['partition']}, offset {letter['offset']}"
    story.step("the bytes are kept whole as a dead letter", f"{letter['reason']}: {place}")
    command = await pay(world, home, home.owed, "tok_ok")
    done = await world.wire.outcome(command)
    story.step("the message behind them is done", done["type"].split(".")[1], proves=done["outcome"] == "done")
    await succeeded(world, command)


async def _bug(world: World, story: Story, home: Household) -> None:
    """Let the database refuse what concerns one account, as a bug would, until it is mended."""
    number, visit = f"{home.number}-B", f"{home.number}-B-V1"
    opened = {
        "guarantor": _guarantor(home),
        "viewers": [],
        "affiliate": home.account["affiliate"],
        "currency": "USD",
    }
    await _fact(world, "guarantor-account-opened", number, opened)
    seen = {
        "visit_account_number": visit,
        "patient_id": home.patients[0]["patient_id"],
        "visit_date": "2026-01-05",
    }
    await _fact(world, "visit-account-opened", number, seen | {"description": "Office visit"})
    database = await asyncpg.connect(world.endpoints["databases"]["payments"])
    try:
        await world.until("the visit", lambda: _one(database, "visit_account", "account_number", number))
        await database.execute(
            f"alter table visit_account add constraint demo_bug check (account_number <> '{number}') not valid"
        )
        cost = {"visit_account_number": visit, "charge_id": f"{visit}-L1", "service_date": "2026-01-05"}
        await _fact(world, "charge-posted", number, cost | {"description": "Office visit", "amount_minor": 12_500})
        for tried, wait in enumerate(_WAITS):
            await world.until(
                "a try",
                lambda tried=tried: _one(database, "parked_record", "attempts", tried + 1),  # type: ignore[misc]
            )
            await world.later(wait)
        letter = await world.wire.letter(_base64(number))
        story.step(
            "a charge meets a bug: tried five times, then a dead letter", f"{letter['reason']}: {letter['detail']}"
        )
        await database.execute("alter table visit_account drop constraint demo_bug")
    finally:
        await database.execute("alter table visit_account drop constraint if exists demo_bug")
        await database.close()
    told = await _tool(world, "replay", "--service", "payments", "--id", letter["id"])
    story.step("mended; python -m shared.messaging replay says", told, proves=told == "1 dead letters replayed")
    await world.wire.event("payments.balance-changed.v1", account_number=number, balance_minor=12_500)
    story.step("the charge is there, once", f"balance-changed, {money(12_500)}")


async def _one(database: asyncpg.Connection, table: str, column: str, value: object) -> bool | None:
    return await database.fetchval(f"select true from {table} where {column} = $1 limit 1", value) or None


async def _fact(world: World, name: str, number: str, data: Json) -> None:
    kind = f"billing.{name}.v1"
    message = {
        "specversion": "1.0",
        "id": f"{number}-{name}",
        "source": "host:billing-demo",
        "type": kind,
        "time": (await world.now()).isoformat(),
        "subject": number,
        "actor": "host:billing-demo",
        "data": {"account_number": number} | data,
    }
    await world.wire.publish(_HOST, number, json.dumps(message).encode())


async def _tool(world: World, *arguments: str) -> str:
    """Run the operators' tool; return its last line."""
    urls = {f"{name.upper()}_DATABASE_URL": url for name, url in world.endpoints["databases"].items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shared.messaging",
        *arguments,
        env=os.environ | urls,
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    return told.decode().strip().rpartition("\n")[2]


def _guarantor(home: Household) -> Json:
    names = {name: home.account[name] for name in ("first_name", "last_name")}
    return {"person_id": home.person_id} | names


def _base64(key: str) -> str:
    return base64.b64encode(key.encode()).decode()
