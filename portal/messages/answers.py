"""What the inbox answers, as the pages of patients and staff read it; what it leaves out is empty here."""

from datetime import datetime
from typing import Final, Literal

from pydantic import Field, TypeAdapter

from portal.calls import Answered

MESSAGES: Final = 100
"""So many of a thread are on a page."""
MESSAGES_MAX: Final = 1_000
"""As many as the inbox gives at once."""


class Recipient(Answered):
    """A provider whom the patient may write to, and why."""

    provider_id: str
    name: str
    why: str
    reasons: tuple[str, ...] = ()


class Attachment(Answered):
    """A file of a message: only a clean one can be opened."""

    attachment_id: str
    name: str
    content_type: str = ""
    size: int = 0
    state: Literal["clean", "held", "refused"]

    @property
    def previewed(self) -> bool:
        """Whether the inbox makes a picture of it."""
        return self.state == "clean" and (
            self.content_type.startswith("image/") or self.content_type == "application/pdf"
        )


class Entry(Answered):
    """One message of a thread."""

    message_id: str
    sender: Literal["patient", "staff"] = Field(validation_alias="from")
    author: str
    mine: bool = False
    on_behalf_of: str | None = None
    subject: str | None = None
    body: str
    at: datetime
    attachments: tuple[Attachment, ...] = ()


class Thread(Answered):
    """A conversation of a patient: `sent`, `answered` or `closed`."""

    thread_id: str
    patient_id: str
    kind: Literal["medical", "non-medical"]
    category: str
    subject: str
    provider_id: str | None = None
    provider_name: str | None = None
    state: str
    created_at: datetime
    updated_at: datetime
    messages: tuple[Entry, ...] = ()
    earlier: str | None = None


Recipients = TypeAdapter(list[Recipient])
Threads = TypeAdapter(list[Thread])
