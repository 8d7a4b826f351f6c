"""The story of a guest: somebody pays a relative's bill without a login, and gets nowhere with a wrong name."""

from local.demo.paying import submitted, succeeded
from local.demo.story import Story, money
from local.demo.visitor import Visitor
from local.demo.world import World


async def relative_pays(world: World, story: Story) -> None:
    """A wrong name and an unknown number are answered alike; the right name lets the guest pay."""
    story.begins("A guest pays a relative's bill, without a login: a wrong name learns nothing")
    home = world.household()
    last_name = str(home.account["last_name"])
    async with world.visitor() as guest:
        await _asks_for(guest, home.number, "Nobody-of-that-name")
        wrong = await guest.refused("Find my bill")
        story.step("a wrong name at /pay-my-bill", wrong)
        await _asks_for(guest, "SBX-0000", last_name)
        unknown = await guest.refused("Find my bill")
        story.step("an unknown number", "the same answer", proves=unknown == wrong)
        await _asks_for(guest, home.number, last_name.upper())
        page = await guest.press("Find my bill")
        owed = money(home.owed)
        silent = last_name not in page.text and str(home.account["first_name"]) not in page.text
        story.step("the right name shows what is owed, and no name", owed, proves=silent)
        await guest.fill(amount_choice="all")
        await guest.pay_with("tok_ok")
        await guest.press("Continue")
        await guest.press("Pay")
        command = await submitted(world, home)
        accepted = await world.wire.outcome(command)
        story.step("the guest pays, as", command["actor"], proves=accepted["outcome"] == "done")
    await succeeded(world, command)
    charges = [charge["amount_minor"] for charge in await world.charges(home.number)]
    story.step("the processor's truth", f"{len(charges)} charge of {owed}", proves=charges == [home.owed])


async def _asks_for(guest: Visitor, number: str, last_name: str) -> None:
    await guest.open("/pay-my-bill")
    await guest.fill(account_number=number, last_name=last_name)
