"""Stories of messages: a picture for the doctor that staff answer, and a question that the billing pool gets."""

from http import HTTPStatus
from io import BytesIO

from PIL import Image, ImageDraw

from local.demo.story import Story
from local.demo.visitor import File
from local.demo.wire import Json
from local.demo.world import Household, World

_SIZE = (640, 400)
_CLAIMED = "sam is working on this."
_REPLY = "Thank you, the card is on file now."


async def card_picture(world: World, story: Story) -> None:
    """A patient sends a picture of the insurance card; staff claim it, look at it, reply, and are done."""
    story.begins("A patient sends a picture of the insurance card: one of the doctor's staff answers")
    home = world.household()
    told = {"kind": "medical", "category": "share-records", "subject": "My new insurance card"}
    sent, routed = await _send(world, home, told | {"body": "Here is my new card."}, _picture(home))
    pool = str(routed["data"]["pool"])
    names = [f"provider:{provider}" for provider in home.patients[0]["providers"]]
    story.step("it goes to the provider's pool", f"{pool}: {routed['data']['why']}", proves=pool in names)
    item = f"/basket/items/{routed['data']['item_id']}"
    async with world.logged_in("sam") as sam, world.logged_in("sue") as sue:
        await sam.open(f"{item}?pool={pool}")
        size = await sam.picture("Preview of card.png")
        came = f"{size[0]} by {size[1]}"
        story.step("clinical support sees the picture in the in basket", came, proves=size == _SIZE)
        await sue.open(f"{item}?pool={pool}")
        await sam.press("Claim")
        await sue.until_it_says(_CLAIMED)
        story.step("claims it; a colleague who looks at it too reads", _CLAIMED)
        await sam.fill(body=_REPLY)
        await sam.press("Send")
        await sam.press("Done")
    done = await world.wire.event("inbox.item-done.v1", item_id=routed["data"]["item_id"])
    story.step("replies, and is done", done["type"].split(".")[1])
    async with world.logged_in(home.username) as patient:
        page = await patient.open(f"/messages/{routed['data']['thread_id']}")
        story.step("the patient reads the reply", page.path, proves=_REPLY in page.text)
    outcomes = len(world.wire.outcomes(sent))
    story.step("outcomes of the patient's message", outcomes, proves=outcomes == 1)


async def billing_question(world: World, story: Story) -> None:
    """A question about a bill lands where billing staff work, and nobody else sees it."""
    story.begins("A patient asks about a bill: billing sees it, and nobody else")
    home = world.household()
    told = {"kind": "non-medical", "category": "billing-question", "account_number": home.number}
    _, routed = await _send(world, home, told | {"subject": "My bill", "body": "Why two charges?"}, None)
    pool = routed["data"]["pool"]
    story.step("it goes to", f"{pool}: {routed['data']['why']}", proves=pool == "billing")
    item = f"/basket/items/{routed['data']['item_id']}"
    async with world.logged_in("ann") as ann:
        page = await ann.open(f"{item}?pool=billing")
        story.step("billing sees it, with the account", home.number, proves=home.number in page.text)
    async with world.logged_in("carl") as carl:
        page = await carl.goes(item)
        story.step("for customer service it is not there", page.status, proves=page.status == HTTPStatus.NOT_FOUND)


async def _send(world: World, home: Household, told: Json, picture: File | None) -> tuple[Json, Json]:
    """Send a message with the portal's form; return the command and where it was routed."""
    chosen = {"patient_id": home.patients[0]["patient_id"]} | told
    path = "&".join(f"{name}={value}" for name, value in chosen.items() if name not in ("subject", "body"))
    async with world.logged_in(home.username) as patient:
        await patient.open(f"/messages/new?{path}")
        await patient.fill(subject=told["subject"], body=told["body"])
        if picture:
            await patient.attach("files", picture)
        await patient.press("Send")
    command = await world.wire.command("inbox.send-message.v1", subject=chosen["patient_id"])
    return command, await world.wire.outcome(command)


def _picture(home: Household) -> File:
    """Draw a made-up insurance card."""
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 620, 380), outline="navy", width=4)
    for row, line in enumerate(("Sandbox Health Plan", f"Member {home.username}", "Choice PPO")):
        draw.text((60, 80 + 60 * row), line, fill="navy")
    content = BytesIO()
    image.save(content, "PNG")
    return "card.png", "image/png", content.getvalue()
