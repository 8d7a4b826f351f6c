"""Files: uploaded before the message that carries them, and read by those who see that message."""

import uuid
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request, Response, UploadFile
from fastapi.responses import StreamingResponse
from starlette.datastructures import State

from services.inbox.api.callers import not_found, reading
from services.inbox.api.intake import (
    REFUSED,
    PersonOrStaff,
    TheIntake,
    TheUploader,
    Uploaded,
    refusing,
    store_answers,
)
from services.inbox.domain.attachment import Attachment
from services.inbox.inspection import FILE_BYTES_MAX, NAME_MAX, check
from services.inbox.persons import may_act
from services.inbox.previews.previewer import CONTENT_TYPE, NoPreviewError, Previewer
from services.inbox.reads import (
    SUPERVISOR,
    find_attachment,
    find_pool,
    log_read,
    may_work,
    pools_of_attachment,
    rules_in_force,
)
from shared.apart import BusyError
from shared.auth import Caller
from shared.database import Pool
from shared.events.envelope import Id
from shared.problems import Problem
from shared.routes import Now, ThePool, one_of_process

router = APIRouter(prefix="/v1", tags=["attachments"])

_BODY_BYTES_MAX: Final = 4 * FILE_BYTES_MAX
"""Above the limit of a file, so that what is too large can be told by its name."""

_BUSY_S: Final = 10
_SANDBOX: Final = "sandbox; default-src 'none'; frame-ancestors 'none'"
_RUNS_IN_BROWSERS: Final = frozenset({"text/html", "image/svg+xml", "text/xml"})


def _bytes_of(content_type: str) -> dict[int | str, dict[str, Any]]:
    return {HTTPStatus.OK: {"content": {content_type: {"schema": {"type": "string", "format": "binary"}}}}}


def _previewer(state: State) -> Previewer:
    previewer = Previewer()
    state.stack.push_async_callback(previewer.close)
    return previewer


ThePreviewer = Annotated[Previewer, Depends(one_of_process(_previewer))]


@router.post("/attachments", status_code=HTTPStatus.CREATED, max_body_size=_BODY_BYTES_MAX)
async def upload(
    uploader: TheUploader,
    request: Request,
    file: UploadFile,
    patient_id: Annotated[Id, Form()],
) -> Uploaded:
    """Take a file in for a patient's message; the type is found by its content."""
    name = file.filename or ""
    if len((await request.form()).getlist("file")) > 1:
        said = "An upload is one file; send each by itself."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, said, reason="several_files", name=name[:NAME_MAX])
    with refusing(name):
        check(name, file.size or 0)
    attachment_id = uuid.uuid4().hex  # noqa: TID251  # an upload begins a chain, nothing caused it
    async with uploader.kept.room:
        uploaded = await uploader.take_in(attachment_id, patient_id, name, await file.read())
    return await uploader.scanned(uploaded)


@router.get("/attachments/{attachment_id}", response_class=StreamingResponse, responses=_bytes_of("*/*"))
async def download(
    attachment_id: Id, caller: PersonOrStaff, pool: ThePool, now: Now, kept: TheIntake
) -> StreamingResponse:
    """Give a file's bytes to be saved; a browser never shows or runs them."""
    attachment = await _readable(pool, caller, attachment_id, now)
    runs = attachment.content_type in _RUNS_IN_BROWSERS
    with store_answers():
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


@router.get("/attachments/{attachment_id}/preview", response_class=Response, responses=_bytes_of(CONTENT_TYPE))
async def show_preview(
    attachment_id: Id,
    caller: PersonOrStaff,
    pool: ThePool,
    now: Now,
    kept: TheIntake,
    previewer: ThePreviewer,
    page: Annotated[int, Query(ge=1, le=1000, description="of a PDF")] = 1,
) -> Response:
    """Give a picture of a picture, or of a page of a PDF, drawn anew."""
    attachment = await _readable(pool, caller, attachment_id, now)
    fetch = partial(kept.files.get, attachment.sha256)
    try:
        with store_answers():
            drawn = await previewer.preview(attachment.content_type, page, attachment.sha256, fetch)
    except NoPreviewError:
        said = "There is no preview of this file; it can be saved."
        raise Problem(HTTPStatus.NOT_FOUND, said, reason="no_preview") from None
    except BusyError:
        said = "Many previews wait to be drawn; try again soon."
        headers = {"Retry-After": str(_BUSY_S)}
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, said, reason="previews_busy", headers=headers) from None
    return Response(drawn, media_type=CONTENT_TYPE, headers={"content-security-policy": _SANDBOX})


async def _readable(pool: Pool, caller: Caller, attachment_id: str, now: Now) -> Attachment:
    """Return a file that the caller may open; that they do is noted for ever."""
    attachment = await find_attachment(pool, attachment_id)
    if attachment is None or not await _may_read(pool, caller, attachment, now):
        raise not_found("file")
    if attachment.state != "clean":
        reason = f"attachment_{attachment.state}"
        held = attachment.state == "held"
        said = "The file has not been scanned yet." if held else REFUSED
        raise Problem(HTTPStatus.CONFLICT, said, reason=reason, name=attachment.name)
    who = caller.on_behalf_of
    reader = reading(who) if who else caller.staff_actor
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
