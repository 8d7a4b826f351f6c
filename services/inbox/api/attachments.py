"""Files: uploaded before the message that carries them, and read by those who see that message."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from typing import Annotated, Final, Literal
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Depends, Form, Query, Response, UploadFile
from fastapi.responses import StreamingResponse
from obstore.exceptions import BaseError
from pydantic import BaseModel

from services.inbox.adapters.files import Files
from services.inbox.api.callers import Id, Now, ThePool, TheRules, actor, not_found
from services.inbox.domain.attachment import AddAttachment, Attachment, AttachmentState
from services.inbox.domain.routing import ROLES
from services.inbox.inspection import FILE_BYTES_MAX, NAME_MAX, SAID, Inspected, Reason, RefusedFileError, inspect
from services.inbox.previews import CONTENT_TYPE, NoPreviewError, preview
from services.inbox.reads import (
    SUPERVISOR,
    find_attachment,
    find_pool,
    log_read,
    may_act,
    may_work,
    patient_exists,
    pools_of_attachment,
    rules_in_force,
)
from services.inbox.settings import Settings
from shared.auth import Caller, person_or_staff
from shared.database import Pool
from shared.problems import Problem
from shared.settings import read

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1", tags=["attachments"])

_BODY_BYTES_MAX: Final = 4 * FILE_BYTES_MAX
"""Above the limit of a file, so that what is too large can be told by its name."""

_AT_ONCE: Final = asyncio.Semaphore(4)
"""Each upload and preview holds a file in memory."""

_SANDBOX: Final = "sandbox; default-src 'none'; frame-ancestors 'none'"
_RUNS_IN_BROWSERS: Final = frozenset({"text/html", "image/svg+xml", "text/xml"})

Scan = Literal["scan", "hold", "allow"]
PersonOrStaff = Annotated[Caller, Depends(person_or_staff(*ROLES))]


class Intake:
    """Where files are kept, and what becomes of them until somebody has scanned them."""

    def __init__(self, files: Files, scan: Scan) -> None:
        self.files, self.scan = files, scan


@cache
def intake() -> Intake:
    """Return the process's own, by its settings."""
    settings = read(Settings)
    scan: Scan = "scan" if settings.clamd_url is not None else settings.unscanned
    return Intake(Files(str(settings.attachments_url)), scan)


TheIntake = Annotated[Intake, Depends(intake)]


class Uploaded(BaseModel):
    """A file that was taken in; one that is held cannot be opened until it was scanned."""

    attachment_id: str
    name: str
    content_type: str
    size: int
    sha256: str
    state: AttachmentState


@router.post("/attachments", status_code=HTTPStatus.CREATED, max_body_size=_BODY_BYTES_MAX)
async def upload(
    caller: PersonOrStaff,
    pool: ThePool,
    rules: TheRules,
    kept: TheIntake,
    file: UploadFile,
    patient_id: Annotated[str, Form(max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")],
) -> Uploaded:
    """Take a file in for a patient's message; the type is found by its content."""
    await _must_know(pool, caller, patient_id)
    name = file.filename or ""
    async with _AT_ONCE:
        inspected = await _inspected(file, name)
    who = caller.on_behalf_of
    command = AddAttachment(
        attachment_id=uuid.uuid4().hex,  # noqa: TID251  # an upload begins a chain, nothing caused it
        patient_id=patient_id,
        uploaded_by=who or actor(caller),
        name=name,
        content_type=inspected.content_type,
        size=inspected.size,
        sha256=inspected.sha256,
        scan=kept.scan,
    )
    await file.seek(0)
    with _store():
        await kept.files.put(inspected.sha256, await file.read())
    await rules(command, patient_id, f"patient:{who}" if who else actor(caller))
    shown = command.model_dump(include=set(Uploaded.model_fields))
    return Uploaded(**shown, state="clean" if kept.scan == "allow" else "held")


@router.get("/attachments/{attachment_id}", response_class=StreamingResponse)
async def download(
    attachment_id: Id, caller: PersonOrStaff, pool: ThePool, now: Now, kept: TheIntake
) -> StreamingResponse:
    """Give a file's bytes to be saved; a browser never shows or runs them."""
    attachment = await _readable(pool, caller, attachment_id, now)
    runs = attachment.content_type in _RUNS_IN_BROWSERS
    with _store():
        content = await kept.files.stream(attachment.sha256)
    return StreamingResponse(
        content,
        media_type="application/octet-stream" if runs else attachment.content_type,
        headers={
            "content-disposition": f"attachment; filename*=UTF-8''{quote(attachment.name, safe='')}",
            "content-length": str(attachment.size),
            "content-security-policy": _SANDBOX,
        },
    )


@router.get("/attachments/{attachment_id}/preview", response_class=Response)
async def show_preview(
    attachment_id: Id,
    caller: PersonOrStaff,
    pool: ThePool,
    now: Now,
    kept: TheIntake,
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    """Give a picture of a picture, or of a page of a PDF, drawn anew."""
    attachment = await _readable(pool, caller, attachment_id, now)
    async with _AT_ONCE:
        with _store():
            content = await kept.files.get(attachment.sha256)
        try:
            drawn = await asyncio.to_thread(preview, attachment.content_type, content, page)
        except NoPreviewError:
            raise Problem(
                HTTPStatus.NOT_FOUND, "There is no preview of this file; it can be saved.", reason="no_preview"
            ) from None
    return Response(drawn, media_type=CONTENT_TYPE, headers={"content-security-policy": _SANDBOX})


@contextmanager
def _store() -> Iterator[None]:
    """Answer 503 while the object store does not."""
    try:
        yield
    except BaseError as error:
        log.warning("the object store does not answer", error_type=type(error).__name__)
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Files cannot be kept or read now; try again soon.",
            reason="store_away",
        ) from None


async def _must_know(pool: Pool, caller: Caller, patient_id: str) -> None:
    who = caller.on_behalf_of
    known = await (may_act(pool, patient_id, who) if who is not None else patient_exists(pool, patient_id))
    if not known:
        raise not_found("patient")


async def _inspected(file: UploadFile, name: str) -> Inspected:
    if file.size is not None and file.size > FILE_BYTES_MAX:
        raise _refused("too_large", name)
    try:
        return await asyncio.to_thread(inspect, name, await file.read())
    except RefusedFileError as error:
        raise _refused(error.reason, name) from None


def _refused(reason: Reason, name: str) -> Problem:
    large = reason == "too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if large else HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, SAID[reason], reason=reason, name=name[:NAME_MAX])


async def _readable(pool: Pool, caller: Caller, attachment_id: str, now: Now) -> Attachment:
    """Return a file that the caller may open; that they do is noted for ever."""
    attachment = await find_attachment(pool, attachment_id)
    if attachment is None or not await _may_read(pool, caller, attachment, now):
        raise not_found("file")
    if attachment.state != "clean":
        reason = f"attachment_{attachment.state}"
        held = attachment.state == "held"
        said = "The file has not been scanned yet." if held else "The file was refused when it was scanned."
        raise Problem(HTTPStatus.CONFLICT, said, reason=reason, name=attachment.name)
    who = caller.on_behalf_of
    reader = f"person:{who}" if who else actor(caller)
    await log_read(pool, now, reader, "attachment", attachment_id, attachment.patient_id)
    return attachment


async def _may_read(pool: Pool, caller: Caller, attachment: Attachment, now: Now) -> bool:
    if caller.on_behalf_of is not None:
        return await may_act(pool, attachment.patient_id, caller.on_behalf_of)
    if SUPERVISOR in caller.roles:
        return True
    rules = await rules_in_force(pool, now)
    entries = [
        await find_pool(pool, one, rules) for one in await pools_of_attachment(pool, attachment.attachment_id)
    ]
    return any(entry is not None and may_work(entry, caller.roles) for entry in entries)
