"""Files that came with messages: held until they were scanned, then clean or refused.

Whoever may write for a patient may send what any of them uploaded; staff answer with what staff uploaded.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal, assert_never

from shared.events.envelope import Command, Data, Fact, Id
from shared.events.inbox import AttachmentCleared, AttachmentHeld, AttachmentRefused, RefusalReason
from shared.events.vocabulary import Code, Line
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

AttachmentState = Literal["clean", "held", "refused"]
CARRIED_MAX: Final = 10
CARRIED_BYTES_MAX: Final = 50 * 1024 * 1024
_NAMED_MAX: Final = 1_500
"""So many characters of names fit into what a refusal says."""

SCAN_AGAIN: Final = timedelta(minutes=15)
"""While the scanner is away, files stay held, and it is asked again."""


class AddAttachment(Command):
    """A person uploaded a file; its bytes are in the store under their SHA-256."""

    TYPE: ClassVar[str] = "inbox.add-attachment.v1"
    attachment_id: Id
    patient_id: Id
    uploaded_by: Id
    name: Line
    content_type: Code
    size: int
    sha256: Code
    scan: bool


class ScanAttachment(Data):
    """Task: have a file scanned."""

    TYPE: ClassVar[str] = "inbox.scan-attachment.v1"
    attachment_id: Id
    sha256: Code


class AttachmentScanned(Fact):
    """What the scanner said; `away` when it could not be asked."""

    TYPE: ClassVar[str] = "inbox.attachment-scanned.v1"
    attachment_id: Id
    sha256: Code
    result: Literal["clean", "infected", "not_scannable", "away"]


@dataclass(frozen=True)
class Attachment:
    """A file of a patient; `reason` is why it was refused."""

    attachment_id: str
    patient_id: str
    uploaded_by: str
    name: str
    content_type: str
    size: int
    sha256: str
    state: AttachmentState
    reason: str | None
    created_at: datetime

    @property
    def by_staff(self) -> bool:
        """Whether somebody of the staff uploaded it."""
        return self.uploaded_by.startswith("staff:")


def carried_fault(
    ids: Sequence[str], known: Mapping[str, Attachment], patient_id: str, *, by_staff: bool
) -> tuple[RefusalReason, str] | None:
    """Return why a patient's message, or a reply, cannot carry files: the reason, and which or how many.

    Args:
        ids: of the files.
        known: those of them that there are, of whomever.
        patient_id: whose thread it is.
        by_staff: whether it is a reply.
    """
    if len(ids) > CARRIED_MAX:
        return "too_many_attachments", f"A message carries at most {CARRIED_MAX} files."
    files = [known[one] for one in ids if one in known]
    theirs = {one.attachment_id for one in files if (one.patient_id, one.by_staff) == (patient_id, by_staff)}
    unknown = [one for one in ids if one not in theirs]
    if unknown:
        return "unknown_attachment", f"There is no such uploaded file of this patient: {_listed(unknown)}"
    refused = [one.name for one in files if one.state == "refused"]
    if refused:
        return "attachment_refused", f"Refused when it was scanned: {_listed(refused)}"
    times = Counter(one.sha256 for one in files)
    twice = [one.name for one in files if times[one.sha256] > 1]
    if twice:
        return "same_file_twice", f"A message carries each file once: {_listed(twice)}"
    if sum(one.size for one in files) > CARRIED_BYTES_MAX:
        megabytes = CARRIED_BYTES_MAX // 1024 // 1024
        return "attachments_too_large", f"The files of a message have at most {megabytes} MB together."
    return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))[:_NAMED_MAX]


def add(known: Attachment | None, command: AddAttachment, now: datetime) -> Decision[Attachment]:
    """Take a file in, held until it is scanned, for ever where there is no scanner."""
    if known is not None:
        return Decision(known, (Event(_present(known), "done", known.patient_id),))
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
    return Decision(attachment, (Event(_present(attachment), "done", command.patient_id),), tasks)


def hear_scan(attachment: Attachment, scanned: AttachmentScanned, now: datetime) -> Decision[Attachment]:
    """Let a file out or refuse it; one that was not scanned stays held."""
    if attachment.state != "held":
        return Decision(attachment)
    match scanned.result:
        case "clean":
            cleared = replace(attachment, state="clean")
            return Decision(cleared, (Event(_present(cleared), key=attachment.patient_id),))
        case "infected" | "not_scannable":
            refused = replace(attachment, state="refused", reason=scanned.result)
            return Decision(refused, (Event(_present(refused), key=attachment.patient_id),))
        case "away":
            return Decision(attachment, tasks=(_scan(attachment, now + SCAN_AGAIN),))
        case _:
            assert_never(scanned.result)


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
