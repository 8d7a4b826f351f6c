"""Files that a script sends while a message is written: in parts, so that a broken connection costs little.

The inbox's protocol (tus 1.0) is passed on with who asks; a file that is whole, or refused, is shown as its row.
"""

import base64
from http import HTTPStatus
from typing import Annotated, Final

import aiohttp
from fastapi import Form, Header, Request
from fastapi.responses import Response

from portal.calls import Answer, ServiceProblem
from portal.guarding import page_router
from portal.messages.files import UPLOAD_TIMEOUT_S, File
from portal.rendering import render
from portal.visitors import Person, PersonAtPage
from shared.paths import segment

router = page_router("/uploads")

_INBOX: Final = "/v1/attachments/resumable"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=UPLOAD_TIMEOUT_S)
PART_BYTES_MAX: Final = 1024 * 1024


@router.post("")
async def begin(
    request: Request,
    person: Person,
    patient_id: Annotated[str, Form()],
    name: Annotated[str, Form()],
    size: Annotated[int, Form(ge=0)],
) -> Response:
    """Announce a file; the answer says where its parts go."""
    metadata = f"filename {_base64(name)},patient_id {_base64(patient_id)}"
    try:
        answer = await _ask(person, "POST", "", {"upload-length": str(size), "upload-metadata": metadata})
    except ServiceProblem as problem:
        return _refused(request, problem)
    upload_id = answer.headers["location"].rpartition("/")[2]
    return Response(None, HTTPStatus.CREATED, {"location": f"/messages/uploads/{segment(upload_id)}"})


@router.head("/{upload_id}")
async def look(upload_id: str, person: Person) -> Response:
    """Tell how much of a file is there."""
    answer = await _ask(person, "HEAD", upload_id, {})
    return Response(None, HTTPStatus.OK, {"upload-offset": answer.headers["upload-offset"]})


@router.patch("/{upload_id}", max_body_size=PART_BYTES_MAX)
async def go_on(
    upload_id: str, request: Request, person: Person, upload_offset: Annotated[int, Header(ge=0)]
) -> Response:
    """Pass a part on; once the file is whole, show what became of it."""
    headers = {"upload-offset": str(upload_offset), "content-type": "application/offset+octet-stream"}
    try:
        told = (await _ask(person, "PATCH", upload_id, headers, await request.body())).headers
    except ServiceProblem as problem:
        return _refused(request, problem)
    if "attachment-id" not in told:
        return Response(None, HTTPStatus.NO_CONTENT, {"upload-offset": told["upload-offset"]})
    metadata = dict(pair.split(" ") for pair in told["upload-metadata"].split(","))
    name = base64.b64decode(metadata["filename"]).decode()
    return _row(request, File(name, told["attachment-state"], told["attachment-id"], int(told["upload-length"])))


async def _ask(
    person: PersonAtPage, method: str, upload_id: str, headers: dict[str, str], part: bytes | None = None
) -> Answer:
    path = f"{_INBOX}/{segment(upload_id)}" if upload_id else _INBOX
    headers = {"tus-resumable": "1.0.0", **headers}
    return await person.call(method, "inbox", path, headers=headers, data=part, timeout=_TIMEOUT)


def _refused(request: Request, problem: ServiceProblem) -> Response:
    """Show why a file is not taken; a part that does not fit is asked about again."""
    if problem.status == HTTPStatus.CONFLICT:
        return Response(None, HTTPStatus.CONFLICT)
    if "name" not in problem.document:
        raise problem
    return _row(request, File(problem.document["name"], "refused", reason=problem.reason))


def _row(request: Request, file: File) -> Response:
    return render(request, "messages/file_row.html", file=file)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
