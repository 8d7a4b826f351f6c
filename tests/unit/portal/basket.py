"""An in basket as the tests of its pages have it: two pools, and an item."""

from typing import Any

from tests.unit.portal.world import CSRF, World

BILLING = {"pool": "billing", "name": "Billing", "roles": ["billing"], "open": 2, "oldest_age_s": 7200}
CRM = {"pool": "crm", "name": "Customer service", "roles": ["crm"], "open": 0, "oldest_age_s": None}
PANE = {"hx-request": "true", "hx-target": "detail", "x-csrf-token": CSRF}


def item(**fields: Any) -> dict[str, Any]:
    return {
        "item_id": "i-1",
        "kind": "message",
        "pool": "billing",
        "state": "open",
        "version": 4,
        "subject": "Charged twice",
        "sender": {"name": "Maria Sandoval", "patient_id": "p-1"},
        "patient": {"patient_id": "p-1", "name": "Maria Sandoval", "birth_date": "1988-04-17", "language": "es"},
        "category": "billing-question",
        "holder": None,
        "since": "2026-01-05T10:00:00Z",
        "due_at": "2026-01-05T14:00:00Z",
        "waited_s": 7_200,
        "limit_s": 14_400,
        "created_at": "2026-01-05T10:00:00Z",
        "updated_at": "2026-01-05T10:00:00Z",
        "about": {"account_number": "A-1", "coverage_id": None},
        "rule_version": 3,
        "why": "Billing answers questions about bills",
        "messages": [
            {
                "message_id": "m-1",
                "from": "patient",
                "author": "Maria Sandoval",
                "body": "Why twice?",
                "at": "2026-01-05T10:00:00Z",
                "attachments": [
                    {
                        "attachment_id": "a-1",
                        "name": "b.png",
                        "content_type": "image/png",
                        "size": 1,
                        "state": "clean",
                    },
                    {
                        "attachment_id": "a-2",
                        "name": "c.png",
                        "content_type": "image/png",
                        "size": 1,
                        "state": "held",
                    },
                ],
            }
        ],
    } | fields


def given(world: World, *items: dict[str, Any]) -> None:
    world.services.answer("GET", "/v1/pools", [CRM, BILLING])
    world.services.answer("GET", "/v1/pools/billing/items", {"items": list(items), "next": "cursor-2"})
    for one in items:
        world.services.answer("GET", f"/v1/items/{one['item_id']}", one)
