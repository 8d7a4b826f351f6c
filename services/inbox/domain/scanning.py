"""Files are scanned: held until then, and what the scanner says is told in every item that shows the file."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from services.inbox.domain.attachment import AddAttachment, Attachment, AttachmentScanned, ScanAttachment
from services.inbox.domain.item import Item, ItemChange, What, change
from shared.events.inbox import AttachmentCleared, AttachmentHeld, AttachmentRefused
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

SCAN_AGAIN: Final = timedelta(minutes=15)
"""While the scanner is away, files stay held, and it is asked again."""


@dataclass(frozen=True)
class Upload:
    """A file, and the items whose messages carry it.

    Attributes:
        attachment: absent while it is only being added.
        items: as they are now; a scan leaves them and their versions.
        changes: what happened to the file in this batch, for each of the items.
    """

    attachment: Attachment | None = None
    items: tuple[Item, ...] = ()
    changes: tuple[ItemChange, ...] = ()


def add(upload: Upload, command: AddAttachment, now: datetime) -> Decision[Upload]:
    """Take a file in, held until it is scanned, for ever where there is no scanner."""
    known = upload.attachment
    if known is not None:
        return Decision(upload, (Event(_present(known), "done", known.patient_id),))
    attachment = Attachment(
        command.attachment_id,
        command.patient_id,
        command.uploaded_by,
        command.name,
        command.content_type,
        command.size,
        command.sha256,
        "held",
        None,
        now,
    )
    tasks = (_scan(attachment),) if command.scan else ()
    after = replace(upload, attachment=attachment)
    return Decision(after, (Event(_present(attachment), "done", command.patient_id),), tasks)


def hear_scan(upload: Upload, scanned: AttachmentScanned, now: datetime) -> Decision[Upload]:
    """Let a file out or refuse it; one that was not scanned stays held."""
    attachment = upload.attachment
    assert attachment is not None  # noqa: S101  # only what was added is scanned
    if attachment.state != "held":
        return Decision(upload)
    match scanned.result:
        case "clean":
            return _ended(upload, replace(attachment, state="clean"), now)
        case "infected" | "not_scannable":
            return _ended(upload, replace(attachment, state="refused", reason=scanned.result), now)
        case "away":
            return Decision(upload, tasks=(_scan(attachment, now + SCAN_AGAIN),))
        case _:
            assert_never(scanned.result)


def _ended(upload: Upload, attachment: Attachment, now: datetime) -> Decision[Upload]:
    what: What = "file-cleared" if attachment.state == "clean" else "file-refused"
    told = (replace(change(item, what, now), reason=attachment.name) for item in upload.items)
    after = replace(upload, attachment=attachment, changes=(*upload.changes, *told))
    return Decision(after, (Event(_present(attachment), key=attachment.patient_id),))


def _present(attachment: Attachment) -> AttachmentHeld | AttachmentCleared | AttachmentRefused:
    """Return what tells the state of a file."""
    ids = {"attachment_id": attachment.attachment_id, "patient_id": attachment.patient_id}
    match attachment.state:
        case "held":
            return AttachmentHeld(**ids, reason="not_scanned")
        case "clean":
            return AttachmentCleared(**ids)
        case "refused":
            return AttachmentRefused(**ids, reason=str(attachment.reason))
        case _:
            assert_never(attachment.state)


def _scan(attachment: Attachment, due_at: datetime | None = None) -> Task:
    return Task(ScanAttachment(attachment_id=attachment.attachment_id, sha256=attachment.sha256), due_at)
