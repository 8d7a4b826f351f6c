"""A thread that is longer than a page: its older messages come when they are asked for, and stay."""

import json
from datetime import UTC, datetime
from secrets import token_hex

from aiokafka import AIOKafkaProducer
from playwright.async_api import expect

from tests.browser.clerks import FAST_MS, live, open_item, write
from tests.browser.conftest import Endpoints, OpenPage

MANY = 150


def further(thread_id: str, number: int) -> bytes:
    """Return a further message of a thread of Maria's, as her gateway writes it."""
    message_id = f"{thread_id}-{number}"
    data = {
        "message_id": message_id,
        "thread_id": thread_id,
        "patient_id": "sbx-patient-maria",
        "kind": "non-medical",
        "category": "billing-question",
        "subject": "More",
        "body": f"Number {number}.",
    }
    now = datetime.now(UTC).isoformat()  # noqa: TID251  # a gateway's own clock
    envelope = {"specversion": "1.0", "id": message_id, "source": "gateway:test", "type": "inbox.send-message.v1"}
    envelope |= {"time": now, "subject": "sbx-patient-maria", "actor": "patient:sbx-person-maria"}
    return json.dumps(envelope | {"data": data}).encode()


async def test_older_messages_come_when_asked_for_and_stay_while_others_write(
    open_page: OpenPage, endpoints: Endpoints
) -> None:
    subject = f"Charged often {token_hex(3)}"
    ann, maria = await live(await open_page("ann", "/basket?pool=billing")), await open_page("maria")
    await write(maria, subject, "Number 0.")
    thread_id = maria.url.partition("/messages/")[2].partition("?")[0]
    async with AIOKafkaProducer(bootstrap_servers=endpoints["kafka"], acks="all") as producer:
        for number in range(1, MANY):
            await producer.send("inbox.commands.v1", further(thread_id, number), key=b"sbx-patient-maria")

    last, first = f"Number {MANY - 1}.", "Number 0."
    await expect(maria.get_by_text(last, exact=True)).to_be_visible(timeout=FAST_MS)
    await expect(maria.get_by_text(first, exact=True)).to_have_count(0)
    await maria.locator("#body").fill("Half a reply")
    await maria.get_by_role("link", name="Older messages").click()
    await expect(maria.get_by_text(first, exact=True)).to_be_visible()
    await expect(maria.get_by_text("These are the first messages.")).to_be_focused()
    await expect(maria.locator(".entry")).to_have_count(MANY)
    await expect(maria.locator("#body")).to_have_value("Half a reply")

    await open_item(ann, subject)
    await expect(ann.locator("#item-thread .entry")).to_have_count(100)
    await ann.get_by_role("link", name="Older messages").click()
    await expect(ann.locator("#item-thread .entry")).to_have_count(MANY)
    await maria.get_by_role("button", name="Send").click()
    await expect(ann.get_by_text("Half a reply")).to_be_visible(timeout=FAST_MS)
    await expect(ann.locator("#item-thread .entry")).to_have_count(MANY)
    await expect(ann.get_by_role("link", name="Older messages")).to_be_visible()
