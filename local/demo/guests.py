"""The story of a guest: somebody pays a relative's bill without a login, and gets nowhere with a wrong name."""

import asyncio

import altcha

from local.demo.pages import Browser, Page
from local.demo.paying import submitted, succeeded, typed
from local.demo.story import Disappointment, Story, money
from local.demo.world import World


async def relative_pays(world: World, story: Story) -> None:
    """A wrong name and an unknown number are answered alike; the right name lets the guest pay."""
    story.begins("A guest pays a relative's bill, without a login")
    home = world.household()
    last_name = str(home.account["last_name"])
    async with world.browser() as own:
        wrong = await _look_up(own, home.number, "Nobody-of-that-name")
        unknown = await _look_up(own, "SBX-0000", last_name)
        story.step("a wrong name at /pay-my-bill", wrong.faults, proves=bool(wrong.faults))
        story.step("an unknown number", "the same answer", proves=unknown.faults == wrong.faults)
        page = await _look_up(own, home.number, last_name.upper())
        owed = money(home.owed)
        silent = last_name not in page.text and str(home.account["first_name"]) not in page.text
        story.step("the right name shows what is owed, and no name", owed, proves=silent and page.faults == "")
        page = await own.submit(page.form("amount_choice", "token"), {"amount_choice": "all"} | typed("tok_ok"))
        form = page.form("payment_id", "review_token")
        await own.submit(form)
        command = await submitted(world, form)
        accepted = await world.wire.outcome(command)
        story.step("the guest pays, as", command["actor"], proves=accepted["outcome"] == "done")
    await succeeded(world, command)
    charges = [charge["amount_minor"] for charge in await world.charges(home.number)]
    story.step("the processor's truth", f"{len(charges)} charge of {owed}", proves=charges == [home.owed])


async def _look_up(own: Browser, number: str, last_name: str) -> Page:
    page = await own.open("/pay-my-bill")
    asked = {"account_number": number, "last_name": last_name, "captcha": await _captcha(own)}
    return await own.try_to_submit(page.form("account_number", "last_name"), asked)


async def _captcha(own: Browser) -> str:
    """Solve a challenge, as the page's script does."""
    challenge = altcha.Challenge.from_dict(await own.json("/pay-my-bill/challenge"))
    solution = await asyncio.to_thread(altcha.solve_challenge, challenge)
    if solution is None:
        raise Disappointment("the captcha could not be solved in time")
    return str(altcha.Payload(challenge, solution).to_base64())
