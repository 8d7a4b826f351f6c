"""Files that people attach: uploaded to the inbox one by one, before what they belong to is sent.

A script uploads them as they are chosen, with progress, and the form carries their ids; without scripts the form
carries the files themselves, and they are uploaded when it is sent.
"""

from dataclasses import dataclass
from typing import Final

import aiohttp
from starlette.datastructures import FormData, UploadFile

from portal.calls import ServiceProblem, pieces
from portal.guarding import FILES_MAX
from portal.visitors import PersonAtPage, StaffAtPage

UPLOAD_TIMEOUT_S: Final = 300.0
IDS_FIELD: Final = "attachment_ids"


@dataclass(frozen=True, slots=True)
class File:
    """A file that was offered: taken as `clean` or `held`, or `refused` with a reason."""

    name: str
    state: str
    attachment_id: str = ""
    size: int | None = None
    reason: str = ""


async def upload(visitor: PersonAtPage | StaffAtPage, patient_id: str, file: UploadFile) -> File:
    """Give a file to the inbox, which looks at it and keeps it.

    Raises:
        ServiceAwayError: the inbox does not answer.
        ServiceProblem: the patient is not theirs.
    """
    name = file.filename or ""
    body = aiohttp.FormData()
    body.add_field("patient_id", patient_id)
    body.add_field(
        "file", pieces(file), filename=name, content_type=file.content_type or "application/octet-stream"
    )
    timeout = aiohttp.ClientTimeout(total=UPLOAD_TIMEOUT_S)
    try:
        told = (await visitor.call("POST", "inbox", "/v1/attachments", data=body, timeout=timeout)).body
    except ServiceProblem as problem:
        if problem.reason in {"", "not_found"}:
            raise
        return File(name, "refused", size=file.size, reason=problem.reason)
    return File(told["name"], told["state"], told["attachment_id"], told["size"])


async def upload_all(
    visitor: PersonAtPage | StaffAtPage, patient_id: str, form: FormData, field: str
) -> tuple[list[File], list[File]]:
    """Return the files of a form, those uploaded before included, and those that were refused."""
    before = [_before(str(told)) for told in form.getlist(IDS_FIELD)]
    offered = [part for part in form.getlist(field) if isinstance(part, UploadFile) and part.filename]
    room = max(FILES_MAX - len(before), 0)
    now = [await upload(visitor, patient_id, part) for part in offered[:room]]
    now += [File(part.filename or "", "refused", size=part.size, reason="too_many") for part in offered[room:]]
    return [*before, *(f for f in now if f.state != "refused")], [f for f in now if f.state == "refused"]


def _before(told: str) -> File:
    """Read what a page remembers of a file that is uploaded: its id, state and name."""
    attachment_id, _gap, rest = told.partition(" ")
    state, _gap, name = rest.partition(" ")
    return File(name or attachment_id, state or "clean", attachment_id)
