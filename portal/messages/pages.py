"""The pages under `/messages`: threads, the guided way to a new message, a thread with its reply, and files."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from pydantic import ValidationError

from portal.answers import Patient, check_about, patient_of, patients_of
from portal.calls import ServiceAwayError, ServiceProblem
from portal.commands import Outcome, new_id
from portal.events import key
from portal.guarding import FILES_BYTES_MAX, not_found, page_router
from portal.messages.answers import MESSAGES, Recipients, Thread, Threads
from portal.messages.files import File, upload_all
from portal.messages.uploads import router as uploads
from portal.messages.writing import OFFERED, Path, Text, faulty, message
from portal.notices import tell, went_to
from portal.refusals import refusal
from portal.rendering import render
from portal.visitors import Person, PersonAtPage, StaffAtPage, unattended
from shared.paths import segment

router = page_router("/messages")
router.include_router(uploads)

PAGE: Final = 50
_NEXT: Final = re.compile(r'<\?([^>]*\bafter=[^>]+)>; rel="next"')
_PASSED_ON: Final = ("content-type", "content-disposition", "content-length", "content-security-policy")


@router.get("")
async def threads(
    request: Request, person: Person, after: Annotated[str | None, Query(max_length=400)] = None
) -> Response:
    """Show a page of the conversations, the newest first."""
    asked = {"limit": PAGE} | ({"after": after} if after else {})
    patients, told = await asyncio.gather(
        patients_of(person, "inbox"), person.call("GET", "inbox", "/v1/threads", params=asked)
    )
    # What is new is on the first page.
    news = [] if after else [key("inbox", patient.patient_id) for patient in patients]
    return render(
        request,
        "messages/threads.html",
        threads=Threads.validate_python(told.body),
        names={patient.patient_id: patient.name for patient in patients},
        news=news,
        following=_following(told.headers),
    )


def _following(headers: Mapping[str, str]) -> str | None:
    """Return where the inbox says that the next page begins, if there is one."""
    link = _NEXT.match(headers.get("link", ""))
    return parse_qs(link[1])["after"][0] if link else None


@router.get("/new")
async def new(request: Request, person: Person) -> Response:
    """Show the step of the guided way that the address says."""
    patients = await patients_of(person, "inbox")
    if not patients:
        return render(request, "messages/nobody.html")
    path = Path.of(request.query_params, patients)
    return await _step_page(request, person, patients, path, Text(new_id("message")))


@router.post("/new", max_body_size=FILES_BYTES_MAX)
async def send(request: Request, person: Person) -> Response:
    """Send a new message."""
    patients = await patients_of(person, "inbox")
    async with request.form() as form:
        path, text = Path.of(form, patients), Text.of(form)
        patient = patient_of(patients, path.patient_id)
        await check_about(person, path.account_number, path.statement_id, path.coverage_id)
        files, refused = await upload_all(person, patient.patient_id, form, "files")
    if refused:
        return await _step_page(request, person, patients, path, text, files=[*files, *refused])
    try:
        command = message(path, text, [file.attachment_id for file in files])
    except ValidationError as error:
        return await _step_page(request, person, patients, path, text, files=files, faults=faulty(error))
    outcome = await person.ask(command, subject=patient.patient_id, own=patient.own)
    if outcome.state == "refused":
        problem = refusal("inbox", outcome.reason)
        return await _step_page(request, person, patients, path, text, files=files, problem=problem)
    return _sent(request, outcome, text)


@router.post("/urgency")
async def urgency(
    request: Request, person: Person, subject: Annotated[str, Form()] = "", body: Annotated[str, Form()] = ""
) -> Response:
    """Look for words of an emergency in what is being written; sending stays possible."""
    try:
        told = await person.post("inbox", "/v1/urgency", {"subject": subject[:300], "body": body[:20_000]})
    except ServiceAwayError:
        told = {"urgent": False}  # who writes can do nothing about it, and the flag after sending does not need it
    return render(request, "messages/urgent.html", urgent=bool(told["urgent"]))


@router.get("/attachments/{attachment_id}")
async def attachment(attachment_id: str, person: Person) -> Response:
    """Download a file of one's own."""
    return await passed_on(person, f"/v1/attachments/{segment(attachment_id)}")


@router.get("/{thread_id}")
async def thread(
    thread_id: str,
    request: Request,
    person: Person,
    before: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """Show a conversation: its newest messages, or those before a part of them."""
    # An answer that an open page shows by itself is told of until somebody opens it.
    asked = ({"unattended": "true"} if unattended(request) else {}) | ({"before": before} if before else {})
    shown = await _thread(person, thread_id, **asked)
    return _thread_page(request, shown, Text(new_id("message")), newest=not before)


@router.post("/{thread_id}", max_body_size=FILES_BYTES_MAX)
async def reply(thread_id: str, request: Request, person: Person) -> Response:
    """Send a further message of a conversation."""
    patients, there = await asyncio.gather(patients_of(person, "inbox"), _thread(person, thread_id))
    patient = patient_of(patients, there.patient_id)
    async with request.form() as form:
        text = Text.of({"subject": there.subject, **dict(form)})
        files, refused = await upload_all(person, patient.patient_id, form, "files")
    if refused:
        return _thread_page(request, there, text, files=[*files, *refused])
    path = Path(patient.patient_id, there.kind, there.category, there.provider_id or "")
    try:
        command = message(path, text, [file.attachment_id for file in files], thread_id)
    except ValidationError as error:
        return _thread_page(request, there, text, files=files, faults=faulty(error))
    outcome = await person.ask(command, subject=patient.patient_id, own=patient.own)
    if outcome.state == "refused":
        return _thread_page(request, there, text, files=files, problem=refusal("inbox", outcome.reason))
    return _sent(request, outcome, text, thread_id)


async def passed_on(visitor: PersonAtPage | StaffAtPage, path: str) -> Response:
    """Return a file of the inbox while it comes; what cannot be opened yet is not found."""
    async with AsyncExitStack() as stack:
        try:
            source = await stack.enter_async_context(visitor.file("inbox", path))
        except ServiceProblem:
            raise not_found() from None
        headers = {name: source.headers[name] for name in _PASSED_ON if name in source.headers}
        opened = stack.pop_all()

    async def content() -> AsyncIterator[bytes]:
        async with opened:
            async for chunk in source.content.iter_chunked(64 * 1024):
                yield chunk

    return StreamingResponse(content(), HTTPStatus.OK, headers)


async def _thread(person: PersonAtPage, thread_id: str, **asked: str) -> Thread:
    path = f"/v1/threads/{segment(thread_id)}"
    return Thread.model_validate(await person.get("inbox", path, limit=MESSAGES, **asked))


async def _step_page(
    request: Request,
    person: PersonAtPage,
    patients: Sequence[Patient],
    path: Path,
    text: Text,
    *,
    files: Sequence[File] = (),
    faults: dict[str, str] | None = None,
    problem: str | None = None,
) -> Response:
    """Return the page of the step that comes next, with all that was chosen and written."""
    step = path.step(patients)
    recipients = []
    if path.provider_id or step == "provider":
        told = await person.get("inbox", "/v1/recipients", patient_id=path.patient_id)
        recipients = Recipients.validate_python(told)
    return render(
        request,
        "messages/new.html",
        _status(files, faults, problem),
        way=path,
        step=step,
        steps=path.steps(patients),
        back=path.back(patients),
        patients=patients,
        patient=next((one for one in patients if one.patient_id == path.patient_id), None),
        categories=OFFERED.get(path.kind, ()),
        recipients=recipients,
        provider=next((one for one in recipients if one.provider_id == path.provider_id), None),
        text=text,
        attached=files,
        faults=faults or {},
        problem=problem,
    )


def _thread_page(
    request: Request,
    thread: Thread,
    text: Text,
    *,
    newest: bool = True,
    files: Sequence[File] = (),
    faults: dict[str, str] | None = None,
    problem: str | None = None,
) -> Response:
    return render(
        request,
        "messages/thread.html",
        _status(files, faults, problem),
        thread=thread,
        newest=newest,
        news=[key("inbox", thread.patient_id)] if newest else [],
        text=text,
        attached=files,
        faults=faults or {},
        problem=problem,
    )


def _status(files: Sequence[File], faults: dict[str, str] | None, problem: str | None) -> HTTPStatus:
    wrong = problem or faults or any(file.state == "refused" for file in files)
    return HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK


def _sent(request: Request, outcome: Outcome, text: Text, thread_id: str = "") -> Response:
    """Say where a message went, or that it is under way, and go to its thread."""
    tell(request, outcome, "inbox", went_to(outcome.data), text.message_id)
    thread_id = str(outcome.data.get("thread_id") or thread_id)
    return RedirectResponse(f"/messages/{segment(thread_id)}" if thread_id else "/messages", HTTPStatus.SEE_OTHER)
