"""Patients, a provider and a thread, as the inbox tells of them to the message pages."""

from typing import Any

from tests.unit.portal.world import World

MARIA = {"patient_id": "p-1", "name": "Maria Sandoval", "relationship": "self"}
LEO = {"patient_id": "p-2", "name": "Leo Sandoval", "relationship": "proxy"}
PROVIDER = {"provider_id": "d-1", "name": "Elena Rivera, MD", "why": "scheduled", "reasons": ["scheduled"]}
WRITTEN = {"message_id": "m-1", "subject": "A charge", "body": "Why\r\ntwice?"}
ROUTED = {
    "message_id": "m-1",
    "thread_id": "t-9",
    "item_id": "i-1",
    "pool": "billing",
    "rule_version": 1,
    "why": "-",
}
THREAD = {
    "thread_id": "t-1",
    "patient_id": "p-1",
    "kind": "medical",
    "category": "non-urgent-question",
    "subject": "Cough",
    "provider_id": "d-1",
    "provider_name": "Elena Rivera, MD",
    "state": "answered",
    "created_at": "2026-01-02T10:00:00Z",
    "updated_at": "2026-01-02T11:00:00Z",
    "messages": [
        {
            "message_id": "m-0",
            "from": "patient",
            "author": "Maria Sandoval",
            "body": "I cough <b>",
            "at": "2026-01-02T10:00:00Z",
            "attachments": [
                {"attachment_id": "a-1", "name": "ok.pdf", "content_type": "x", "size": 1, "state": "clean"},
                {"attachment_id": "a-2", "name": "wait.pdf", "content_type": "x", "size": 1, "state": "held"},
                {"attachment_id": "a-3", "name": "bad.pdf", "content_type": "x", "size": 1, "state": "refused"},
            ],
        }
    ],
}


def given(world: World, *patients: dict[str, Any]) -> None:
    """Have the inbox know patients, a provider and a thread, and take messages."""
    world.services.answer("GET", "/v1/patients", list(patients))
    world.services.answer("GET", "/v1/recipients", [PROVIDER])
    world.services.answer("GET", "/v1/threads", [THREAD])
    world.services.answer("GET", "/v1/threads/t-1", THREAD)
    world.producer.outcome = ("done", "inbox.message-routed.v1", ROUTED)
