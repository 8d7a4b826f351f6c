"""Files that came with messages: held until they were scanned, then clean or refused.

Whoever may write for a patient may send what any of them uploaded; staff answer with what staff uploaded.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Literal

from services.inbox.domain.refusal import Objection
from shared.events.actors import is_staff
from shared.events.envelope import Command, Id, Internal
from shared.events.vocabulary import Code, Line

AttachmentState = Literal["clean", "held", "refused"]
CARRIED_MAX: Final = 10
CARRIED_BYTES_MAX: Final = 50 * 1024 * 1024
_NAMED_MAX: Final = 1_500
"""So many characters of names fit into what a refusal says."""


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


class ScanAttachment(Internal):
    """Task: have a file scanned."""

    TYPE: ClassVar[str] = "inbox.scan-attachment.v1"
    attachment_id: Id
    sha256: Code


class AttachmentScanned(Internal):
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
        return is_staff(self.uploaded_by)


def objection_to_files(
    ids: Sequence[str], known: Mapping[str, Attachment], patient_id: str, *, by_staff: bool
) -> Objection | None:
    """Return why a patient's message, or a reply, cannot carry files, and which or how many.

    Args:
        ids: of the files.
        known: those of them that there are, of whomever.
        patient_id: whose thread it is.
        by_staff: whether it is a reply.
    """
    if len(ids) > CARRIED_MAX:
        return Objection("too_many_attachments", f"A message carries at most {CARRIED_MAX} files.")
    files = [known[one] for one in ids if one in known]
    theirs = {one.attachment_id for one in files if (one.patient_id, one.by_staff) == (patient_id, by_staff)}
    unknown = [one for one in ids if one not in theirs]
    if unknown:
        return Objection(
            "unknown_attachment", f"There is no such uploaded file of this patient: {_listed(unknown)}"
        )
    refused = [one.name for one in files if one.state == "refused"]
    if refused:
        return Objection("attachment_refused", f"Refused when it was scanned: {_listed(refused)}")
    times = Counter(one.sha256 for one in files)
    twice = [one.name for one in files if times[one.sha256] > 1]
    if twice:
        return Objection("same_file_twice", f"A message carries each file once: {_listed(twice)}")
    if sum(one.size for one in files) > CARRIED_BYTES_MAX:
        megabytes = CARRIED_BYTES_MAX // 1024 // 1024
        return Objection("attachments_too_large", f"The files of a message have at most {megabytes} MB together.")
    return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))[:_NAMED_MAX]
