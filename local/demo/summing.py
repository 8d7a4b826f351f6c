"""The table at the end: what was sent and what came of it, money in two books, mail, and what is dead."""

from collections import Counter

import asyncpg

from local.demo.story import Story, money
from local.demo.world import World

_DEAD = 2
_LINES = """
    select coalesce(sum(amount) filter (where account like 'processor:%'), 0) as processor, sum(amount) as total
    from posting, unnest(accounts, amounts) as line (account, amount) where account_number like $1
"""


async def sum_up(world: World, story: Story) -> None:
    """Hold what all stories together sent against what became of it."""
    story.begins("In the end")
    wire = world.wire
    ended = {one["id"]: wire.outcomes(one) for one in wire.commands}
    story.step("commands sent", f"{len(ended)}, in {wire.records} records", proves=bool(ended))
    once = all(len(outcomes) == 1 for outcomes in ended.values())
    how = Counter(one["outcome"] for outcomes in ended.values() for one in outcomes)
    story.step("each ended once", ", ".join(f"{count} {word}" for word, count in sorted(how.items())), proves=once)
    reasons = [one["data"]["reason"] for one in wire.events if one.get("outcome") == "refused"]
    came = f"{len(reasons)} refusals, {len(set(reasons))} reasons"
    story.step("each refusal says why", came, proves=all(reasons))
    await _money(world, story)
    mails, texts = await world.sandbox("GET", "/mail/messages"), await world.sandbox("GET", "/sms/messages")
    story.step("in the mailboxes, and on the phones", f"{len(mails)} mails, {len(texts)} texts")
    story.step("dead letters: the poison, and what met the bug", len(wire.dead), proves=len(wire.dead) == _DEAD)


async def _money(world: World, story: Story) -> None:
    numbers = [account["account_number"] for account in world.told["accounts"]]
    charges = [charge for number in numbers for charge in await world.charges(number)]
    kept = sum(charge["amount_minor"] for charge in charges if charge["status"] != "returned")
    database = await asyncpg.connect(world.endpoints["databases"]["payments"])
    told = await database.fetchrow(_LINES, f"{world.prefix}%")
    await database.close()
    story.step(
        "taken by the processor and kept, and in the ledger",
        f"{money(kept)} in {len(charges)} charges, {money(told['processor'])}",
        proves=kept == told["processor"],
    )
    story.step("all lines of the ledger sum to", money(told["total"]), proves=told["total"] == 0)
