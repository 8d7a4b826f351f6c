"""The story of a statement that no longer comes on paper: contacts, consent, and an alert by mail and text."""

import re
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import quote

from local.demo.story import Story, money
from local.demo.visitor import Visitor
from local.demo.wire import Json
from local.demo.world import Household, World

_CODE = re.compile(r"\b\d{6}\b")
_AWAKE = time(17, 30)
"""UTC, when it is day in all of the made-up hospital's time zones: texts keep quiet hours."""


async def statement_by_mail_and_text(world: World, story: Story) -> None:
    """A guarantor verifies two contacts and signs up; the next statement is alerted to both."""
    story.begins(
        "A guarantor signs up for paperless statements: mail and text tell of the next, and give nothing away"
    )
    home = world.first_household()
    hospital = home.username.partition("-")[0].removeprefix("h")
    mail, number = f"{home.username}@mail.example", f"+1202555{hospital:0>4}"
    async with world.logged_in(home.username) as guarantor:
        await _contact(world, story, guarantor, "email", mail)
        await _contact(world, story, guarantor, "text", number)
        await _signs_up(story, guarantor, home)
    enrolled = await world.wire.event("notifications.paperless-enrolled.v1", account_number=home.number)
    story.step("notifications says", f"paperless-enrolled, text {enrolled['data']['text_version']}")
    await _daytime(world)
    await world.sandbox("POST", "/host/statement-run?accounts=1")
    issued = await world.wire.event("payments.statement-available.v1", account_number=home.number)
    story.step("the host issues a statement; payments says", "statement-available")
    for channel, address in (("email", mail), ("text", number)):
        sent = await world.wire.event(
            "notifications.alert-sent.v1", statement_id=issued["data"]["statement_id"], channel=channel
        )
        message = await _newest(world, _box(channel, address), 2)
        words = f"{message.get('subject', '')} {message['text']}"
        silent = home.number not in words and money(home.owed).partition(" ")[0] not in words
        story.step(f"the {channel} says so, without amount or account", sent["type"].split(".")[1], proves=silent)


async def _contact(world: World, story: Story, guarantor: Visitor, channel: str, address: str) -> None:
    """Add a contact, read the code where it was sent, and confirm."""
    await guarantor.open("/settings")
    await guarantor.fill(channel=channel, address=address)
    page = await guarantor.press("Send me a code")
    message = await _newest(world, _box(channel, address), 1)
    code = _CODE.search(message["text"])
    story.step(f"a code goes to the {channel}", page.path, proves=code is not None)
    await guarantor.fill(code="000000")
    wrong = await guarantor.refused("Confirm")
    await guarantor.fill(code=code[0] if code else "")
    await guarantor.press("Confirm")
    story.step("a wrong code, then the right one", wrong)


async def _signs_up(story: Story, guarantor: Visitor, home: Household) -> None:
    await guarantor.open(f"/paperless/{home.number}")
    story.step("signing up without consent is refused", await guarantor.refused("Sign Me Up"))
    await guarantor.fill(accepted="true")
    page = await guarantor.press("Sign Me Up")
    story.step("with consent", page.path)


def _box(channel: str, address: str) -> str:
    return f"/{'mail' if channel == 'email' else 'sms'}/messages?to={quote(address)}"


async def _newest(world: World, box: str, count: int) -> Json:
    """Wait until so many messages have come, in whatever language, and return the newest."""

    async def look() -> Json | None:
        found: list[Any] = await world.sandbox("GET", box)
        return max(found, key=lambda one: str(one["received_at"])) if len(found) >= count else None

    return await world.until(f"message {count} in {box}", look)


async def _daytime(world: World) -> None:
    now = await world.now()
    awake = datetime.combine(now.date(), _AWAKE, now.tzinfo)
    await world.later(awake - now if awake > now else awake - now + timedelta(days=1))
