"""The story of a payment plan: three months, one instalment that fails, and the card that is put right."""

from datetime import UTC, date, datetime, time, timedelta

from local.demo.story import Story, money
from local.demo.wire import Json
from local.demo.world import World

_MONTHS = 3
_LEAST = 12_000
_EVENING = time(20, tzinfo=UTC)
_RETRIES_MAX = 4
_RETRY_AFTER = timedelta(days=4)
_SOON_S = 5


async def three_months(world: World, story: Story) -> None:
    """A guarantor pays in three instalments by card; the first is declined until the card is changed."""
    story.begins("A plan over three months, whose first instalment fails: in the end all is paid, to the cent")
    home = world.household(owing=_LEAST)
    async with world.logged_in(home.username) as guarantor:
        await guarantor.open(f"/plan/{home.number}")
        monthly = f"{-(-home.owed // _MONTHS) / 100:.2f}"
        await guarantor.fill(monthly=monthly, autopay="true", authorized="true")
        await guarantor.pay_with("tok_insufficient_funds")
        await guarantor.press("Start the plan")
    started = await world.wire.event("payments.plan-started.v1", account_number=home.number)
    plan_id, instalments = started["data"]["plan_id"], started["data"]["instalments"]
    parts = sum(one["amount_minor"] for one in instalments)
    dates = ", ".join(one["due_on"] for one in instalments)
    story.step("Pay monthly at the portal; the plan starts, due on", dates, proves=parts == home.owed)
    await _due(world, instalments[0])
    failed = await world.wire.event("payments.instalment-failed.v1", plan_id=plan_id, number=1)
    story.step("the first is due, and the bank says no", f"instalment-failed ({failed['data']['reason']})")
    async with world.logged_in(home.username) as guarantor:
        await guarantor.open(f"/plan/{home.number}/{plan_id}")
        await guarantor.fill(authorized="true")
        await guarantor.pay_with("tok_ok")
        await guarantor.press("Change the plan")
    changed = await world.wire.event("payments.plan-changed.v1", plan_id=plan_id)
    dates = ", ".join(one["due_on"] for one in changed["data"]["instalments"])
    story.step("the guarantor gives another card; now due on", dates)
    for one in changed["data"]["instalments"]:
        await _due(world, one)
        await _paid(world, plan_id, one["number"])
    await world.wire.event("payments.plan-completed.v1", plan_id=plan_id)
    charges = [charge["amount_minor"] for charge in await world.charges(home.number)]
    paid = f"{len(charges)} charges, {money(sum(charges))}"
    story.step(
        "the others are paid when they are due", f"plan-completed: {paid}", proves=sum(charges) == home.owed
    )


async def _due(world: World, instalment: Json) -> None:
    """Move on to the evening of the day on which an instalment is due."""
    evening = datetime.combine(date.fromisoformat(instalment["due_on"]), _EVENING)
    await world.later(max(evening - await world.now(), timedelta()))


async def _paid(world: World, plan_id: str, number: int) -> None:
    """Move on in steps of days until an instalment that is due, or is tried again, is paid."""
    wanted = {"plan_id": plan_id, "number": number}
    for _ in range(_RETRIES_MAX):
        if await world.wire.comes("payments.instalment-paid.v1", within_s=_SOON_S, **wanted):
            return
        await world.later(_RETRY_AFTER)
    await world.wire.event("payments.instalment-paid.v1", **wanted)
