"""Files that come in parts: the protocol tus 1.0 with creation, expiration and termination (https://tus.io).

A phone whose connection broke asks how much is there (HEAD) and goes on from that byte (PATCH). The request that
brings the last byte takes the file in as a plain upload does, under the upload's own id; whoever finds a whole one
that was not taken in yet does it then.
"""

import base64
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.inbox.adapters.parts import PARTS_MAX, Begun, TakenError, new_id
from services.inbox.api.callers import not_found
from services.inbox.api.intake import PersonOrStaff, TheUploader, Uploader, refusing, store_answers
from services.inbox.domain.attachment import AttachmentState
from services.inbox.inspection import FILE_BYTES_MAX, check
from services.inbox.reads import find_attachment
from shared.auth import public
from shared.events.envelope import Id
from shared.problems import Problem
from shared.routes import Now, body_of

LIFETIME: Final = timedelta(hours=24)
_PART_BYTES: Final = 4 * 1024 * 1024
"""What one request holds in memory before it is kept; smaller parts come only from broken connections."""
_VERSION: Final = "1.0.0"
_CONTENT_TYPE: Final = "application/offset+octet-stream"
_PATH: Final = "/v1/attachments/resumable"
_ANNOUNCED: Final = ("patient_id", "uploaded_by", "name", "size")
_patient_id = TypeAdapter(Id)


class TusRoute(APIRoute):
    """A route whose callers name the protocol's version, and whose answers do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with the version around it."""
        handle = super().get_route_handler()

        async def handle_tus(request: Request) -> Response:
            try:
                response = await handle(request)
            except HTTPException as error:
                error.headers = {**(error.headers or {}), "tus-resumable": _VERSION}
                raise
            response.headers["tus-resumable"] = _VERSION
            return response

        return handle_tus


Spoken = Annotated[str | None, Header(description=f"needed: {_VERSION}")]


async def _speaks_tus(_caller: PersonOrStaff, tus_resumable: Spoken = None) -> None:
    if tus_resumable != _VERSION:
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED,
            "The header Tus-Resumable names the version 1.0.0.",
            reason="version_unknown",
            headers={"tus-version": _VERSION},
        )


router = APIRouter(prefix=_PATH, tags=["attachments"], route_class=TusRoute)
_spoken = [Depends(_speaks_tus)]

UploadId = Annotated[str, Path(pattern=r"^\d{8}-[0-9a-f]{32}$")]


@dataclass(frozen=True, slots=True)
class _Upload:
    """An upload of the caller's: how much of it is there, and what it became when it was taken in."""

    upload_id: str
    begun: Begun
    offset: int
    state: AttachmentState | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """What the protocol tells of it, and once it is whole, the attachment."""
        begun = self.begun
        told = {
            "upload-offset": str(self.offset),
            "upload-length": str(begun.size),
            "upload-metadata": f"filename {_base64(begun.name)},patient_id {_base64(begun.patient_id)}",
        }
        if self.state is None:
            return told | {"upload-expires": format_datetime(begun.expires_at, usegmt=True)}
        return told | {"attachment-id": self.upload_id, "attachment-state": self.state}


@router.options("", status_code=HTTPStatus.NO_CONTENT, dependencies=[Depends(public)])
async def abilities() -> Response:
    """Tell what of the protocol is spoken, and how large a file may be."""
    told = {"tus-version": _VERSION, "tus-extension": "creation,expiration,termination"}
    return Response(None, HTTPStatus.NO_CONTENT, told | {"tus-max-size": str(FILE_BYTES_MAX)})


@router.post("", status_code=HTTPStatus.CREATED, response_class=Response, dependencies=_spoken)
async def begin(
    uploader: TheUploader,
    now: Now,
    upload_length: Annotated[int, Header(ge=0, description="of the file, in bytes")],
    upload_metadata: Annotated[
        str, Header(max_length=4096, description="`filename` and `patient_id`, each with its value in base64")
    ],
) -> Response:
    """Announce a file: its size, and as metadata its `filename` and the `patient_id` whose message it is for."""
    told = _metadata(upload_metadata)
    name, patient_id = told["filename"], told["patient_id"]
    await uploader.must_know(patient_id)
    with refusing(name):
        check(name, upload_length)
    expires_at = now + LIFETIME
    upload_id = new_id(uuid.uuid4().hex, expires_at)  # noqa: TID251  # an upload begins a chain, nothing caused it
    begun = Begun(
        patient_id=patient_id, uploaded_by=uploader.name, name=name, size=upload_length, expires_at=expires_at
    )
    with store_answers():
        await uploader.kept.parts.begin(upload_id, begun)
        await uploader.kept.parts.remove_expired(now)
    headers = {"location": f"{_PATH}/{upload_id}", **_Upload(upload_id, begun, 0).headers}
    return Response(None, HTTPStatus.CREATED, headers)


@router.head("/{upload_id}", response_class=Response, dependencies=_spoken)
async def look(upload_id: UploadId, uploader: TheUploader, now: Now) -> Response:
    """Tell how much is there, and the attachment once the file is whole."""
    upload = await _taken_in(uploader, await _found(uploader, upload_id, now))
    return Response(None, HTTPStatus.OK, upload.headers)


@router.patch(
    "/{upload_id}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=_spoken,
    max_body_size=FILE_BYTES_MAX,
    openapi_extra=body_of(_CONTENT_TYPE, {"type": "string", "format": "binary"}),
)
async def go_on(
    upload_id: UploadId,
    request: Request,
    uploader: TheUploader,
    now: Now,
    upload_offset: Annotated[int, Header(ge=0, description="the byte that comes first")],
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Bring more of a file from where it stopped; what came before a connection broke is kept."""
    if content_type != _CONTENT_TYPE:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Parts of a file are sent as {_CONTENT_TYPE}.")
    upload = await _found(uploader, upload_id, now)
    if upload_offset != upload.offset:
        raise _moved_on()
    if upload.state is None:
        upload = await _receive(uploader, upload, request)
    return Response(None, HTTPStatus.NO_CONTENT, (await _taken_in(uploader, upload)).headers)


@router.delete("/{upload_id}", status_code=HTTPStatus.NO_CONTENT, dependencies=_spoken)
async def end(upload_id: UploadId, uploader: TheUploader, now: Now) -> Response:
    """Give an upload up; a file that was taken in stays."""
    upload = await _found(uploader, upload_id, now)
    if upload.state is not None:
        raise not_found("upload")
    with store_answers():
        await uploader.kept.parts.remove(upload_id)
    return Response(None, HTTPStatus.NO_CONTENT)


async def _found(uploader: Uploader, upload_id: str, now: Now) -> _Upload:
    """Return an upload of the caller's own."""
    with store_answers():
        announced = await uploader.kept.parts.begun(upload_id)
        parts = await uploader.kept.parts.received(upload_id)
    # Asked last: the parts go once the file was taken in, so that one of the two is there.
    attachment = await find_attachment(uploader.pool, upload_id)
    if attachment is not None and attachment.uploaded_by == uploader.name:
        begun = Begun(**{name: getattr(attachment, name) for name in _ANNOUNCED}, expires_at=attachment.created_at)
        return _Upload(upload_id, begun, attachment.size, attachment.state)
    if announced is None or announced.uploaded_by != uploader.name:
        raise not_found("upload")
    if announced.expires_at <= now:
        raise Problem(HTTPStatus.GONE, "The upload took too long; begin anew.", reason="upload_expired")
    if len(parts) > PARTS_MAX:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "The file came in too many parts; begin anew.", reason="too_many_parts"
        )
    return _Upload(upload_id, announced, sum(parts))


async def _receive(uploader: Uploader, upload: _Upload, request: Request) -> _Upload:
    """Keep what comes, also when the connection breaks, and return how much is there then."""
    offset, arrived = upload.offset, bytearray()

    async def keep() -> None:
        nonlocal offset
        with store_answers():
            await uploader.kept.parts.add(upload.upload_id, offset, bytes(arrived))
        offset += len(arrived)
        arrived.clear()

    try:
        try:
            async for chunk in request.stream():
                if offset + len(arrived) + len(chunk) > upload.begun.size:
                    raise Problem(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This is more than was announced.", reason="too_large"
                    )
                arrived += chunk
                if len(arrived) >= _PART_BYTES:
                    await keep()
        except ClientDisconnect:
            pass  # nobody hears the answer, and what came is there when they ask again
        if arrived:
            await keep()
    except TakenError:
        raise _moved_on() from None
    return replace(upload, offset=offset)


async def _taken_in(uploader: Uploader, upload: _Upload) -> _Upload:
    """Take a file in that is whole and was not yet; one that is refused is forgotten."""
    if upload.state is not None or upload.offset < upload.begun.size:
        return upload
    parts, begun = uploader.kept.parts, upload.begun
    async with uploader.kept.room:
        try:
            with store_answers():
                content = await parts.content(upload.upload_id, begun.size)
        except FileNotFoundError:
            raise _moved_on() from None  # another request has taken it in meanwhile
        try:
            uploaded = await uploader.take_in(upload.upload_id, begun.patient_id, begun.name, content)
        except Problem as problem:
            if problem.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                with store_answers():
                    await parts.remove(upload.upload_id)
            raise
    with store_answers():
        await parts.remove(upload.upload_id)
    return replace(upload, state=(await uploader.scanned(uploaded)).state)


def _metadata(told: str) -> dict[str, str]:
    """Read `filename` and `patient_id`, each with its value in base64."""
    try:
        pairs = [pair.strip().partition(" ") for pair in told.split(",")]
        found = {key: base64.b64decode(value, validate=True).decode() for key, _gap, value in pairs}
        _patient_id.validate_python(found["patient_id"])
        return {"filename": found["filename"], "patient_id": found["patient_id"]}
    except (KeyError, ValueError):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Upload-Metadata has filename and patient_id, each with its value in base64.",
            reason="invalid_data",
        ) from None


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _moved_on() -> Problem:
    return Problem(HTTPStatus.CONFLICT, "The upload goes on at another byte; ask for it.", reason="wrong_offset")
