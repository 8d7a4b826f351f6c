"""What is written in threads, by whom, and what the inbox takes of it, on real Kafka and PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from local.infrastructure import Endpoints
from tests.flow.inbox_world import Inbox, running_inbox


@pytest.fixture(scope="module", name="inbox")
async def the_inbox(infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inbox]:
    async with running_inbox(infrastructure, tmp_path_factory.mktemp("files")) as inbox:
        yield inbox


async def test_what_says_nothing_is_refused(inbox: Inbox) -> None:
    patient = await inbox.patient()
    assert (await inbox.sent(patient, body="\u200b \u00a0"))["reason"] == "invalid_data"
    path = f"/v1/items/{(await inbox.sent(patient))['item_id']}"
    asked = {"reply": "body", "done": "note", "escalate": "reason"}
    for act, field in asked.items():
        refused = await inbox.post(f"{path}/{act}", {field: "\u200b \u00a0"}, version=1)
        assert (refused.status, refused.body["fields"][0]["field"]) == (422, f"body.{field}")
