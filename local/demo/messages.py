"""Stories of messages: a picture for the doctor that staff answer, and a question that the billing pool gets."""

from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

from local.demo.pages import File
from local.demo.story import Disappointment, Story
from local.demo.wire import Json
from local.demo.world import Household, World

_REPLY = "Thank you, the card is on file now."


async def card_picture(world: World, story: Story) -> None:
    """A patient sends a picture of the insurance card; staff claim it, look at it, reply, and are done."""
    story.begins("A patient sends a picture of the insurance card to the care team")
    home = world.household()
    told = {"kind": "medical", "category": "share-records", "subject": "My new insurance card"}
    sent, routed = await _send(world, home, told | {"body": "Here is my new card."}, _picture(home))
    pool = str(routed["data"]["pool"])
    names = [f"provider:{provider}" for provider in home.patients[0]["providers"]]
    story.step("it goes to the provider's pool", f"{pool}: {routed['data']['why']}", proves=pool in names)
    desk = Desk(world, "sam", "clinical-support")
    item = await desk.item(pool, routed["data"]["item_id"])
    attachment = item["messages"][-1]["attachments"][0]
    picture = await desk.get(f"/v1/attachments/{attachment['attachment_id']}/preview")
    size = _size(picture)
    story.step(
        "clinical support opens it and sees the picture", f"{attachment['name']}, {size}", proves=bool(size)
    )
    item = await desk.act(item, "claim")
    story.step("claims it", item["holder"], proves=item["holder"] == "staff:sam")
    late = await Desk(world, "drew", "supervisor").act(item, "claim")
    story.step("a colleague who claims it too", late["reason"], proves=late["reason"] == "taken")
    item = await desk.act(item, "reply", {"body": _REPLY})
    item = await desk.act(item, "done")
    story.step("replies and is done", item["state"], proves=item["state"] == "done")
    async with world.logged_in(home.username) as own:
        page = await own.open(f"/messages/{routed['data']['thread_id']}")
        story.step("the patient reads the reply", page.path, proves=_REPLY in page.text)
    outcomes = len(world.wire.outcomes(sent))
    story.step("outcomes of the patient's message", outcomes, proves=outcomes == 1)


async def billing_question(world: World, story: Story) -> None:
    """A question about a bill lands where billing staff work, and nobody else sees it."""
    story.begins("A patient asks about a bill")
    home = world.household()
    told = {"kind": "non-medical", "category": "billing-question", "account_number": home.number}
    _, routed = await _send(world, home, told | {"subject": "My bill", "body": "Why two charges?"}, None)
    pool = routed["data"]["pool"]
    story.step("it goes to", f"{pool}: {routed['data']['why']}", proves=pool == "billing")
    item = await Desk(world, "ann", "billing").item("billing", routed["data"]["item_id"])
    story.step("billing sees it", item["subject"], proves=item["about"].get("account_number") == home.number)
    other = await Desk(world, "carl", "crm").get(f"/v1/items/{item['item_id']}")
    story.step("for customer service it is not there", other["status"], proves=other["reason"] == "not_found")


class Desk:
    """Where a member of staff works the pools."""

    def __init__(self, world: World, who: str, role: str) -> None:
        self._world = world
        self._who = who
        self._role = role

    async def get(self, path: str) -> Any:
        """Read something of the inbox."""
        return await self._world.staff(self._who, self._role, "GET", "inbox", path)

    async def item(self, pool: str, item_id: str) -> Json:
        """Find an item in its pool, and open it.

        Raises:
            Disappointment: it is not there.
        """
        listed = await self.get(f"/v1/pools/{pool}/items?limit=100")
        if item_id not in [one["item_id"] for one in listed.get("items", [])]:
            raise Disappointment(f"{self._who} does not see the item in {pool}")
        opened: Json = await self.get(f"/v1/items/{item_id}")
        return opened

    async def act(self, item: Json, what: str, body: Json | None = None) -> Json:
        """Do something with an item as it was last seen."""
        done: Json = await self._world.staff(
            self._who,
            self._role,
            "POST",
            "inbox",
            f"/v1/items/{item['item_id']}/{what}",
            json=body,
            headers={"if-match": f'"{item["version"]}"'},
        )
        return done


async def _send(world: World, home: Household, told: Json, picture: File | None) -> tuple[Json, Json]:
    """Send a message with the portal's form; return the command and where it was routed."""
    chosen = {"patient_id": home.patients[0]["patient_id"]} | told
    path = "&".join(f"{name}={value}" for name, value in chosen.items() if name not in ("subject", "body"))
    async with world.logged_in(home.username) as own:
        page = await own.open(f"/messages/new?{path}")
        written = {name: told[name] for name in ("subject", "body")}
        form = page.form("message_id", "body")
        await own.submit(form, written, {"files": picture} if picture else None)
    command = await world.wire.command("inbox.send-message.v1", message_id=dict(form.fields)["message_id"])
    return command, await world.wire.outcome(command)


def _picture(home: Household) -> File:
    """Draw a made-up insurance card."""
    image = Image.new("RGB", (640, 400), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 620, 380), outline="navy", width=4)
    for row, line in enumerate(("Sandbox Health Plan", f"Member {home.username}", "Choice PPO")):
        draw.text((60, 80 + 60 * row), line, fill="navy")
    content = BytesIO()
    image.save(content, "PNG")
    return "card.png", "image/png", content.getvalue()


def _size(content: Any) -> tuple[int, int] | None:
    """Return width and height of what a browser would show, if it is a picture."""
    if not isinstance(content, bytes):
        return None
    with Image.open(BytesIO(content)) as image:
        return image.size
