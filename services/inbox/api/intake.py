"""How files are taken in, whether they come at once or in parts: looked at, kept, and held until scanned."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

import structlog
from fastapi import Depends
from obstore.exceptions import BaseError
from pydantic import BaseModel
from starlette.datastructures import State

from services.inbox.adapters.files import Files, open_store
from services.inbox.adapters.parts import Parts
from services.inbox.api.callers import not_found
from services.inbox.domain.attachment import AddAttachment, AttachmentState
from services.inbox.domain.routing import ROLES
from services.inbox.inspection import NAME_MAX, RefusedFileError, inspect
from services.inbox.persons import may_act, patient_exists
from services.inbox.reads import find_attachment
from services.inbox.settings import Settings
from shared.auth import Caller, person_or_staff
from shared.database import Pool
from shared.events.envelope import Data
from shared.events.inbox import AttachmentCleared, AttachmentHeld, AttachmentRefused
from shared.messaging.handlers import Ask
from shared.problems import Problem
from shared.routes import TheAsk, ThePool, one_of_process

log = structlog.get_logger(__name__)

_AT_ONCE_MAX: Final = 2
"""Each file that is looked at is in memory, with what is unpacked of it."""

_VERDICT_S: Final = 1.0
_LOOK_S: Final = 0.05

REFUSED: Final = "The file was refused when it was scanned."

PersonOrStaff = Annotated[Caller, Depends(person_or_staff(*ROLES))]


class Intake:
    """Where files are kept, whether there is a scanner, and room for so many files at once."""

    def __init__(self, settings: Settings) -> None:
        store = open_store(str(settings.attachments_url))
        self.files, self.parts = Files(store), Parts(store)
        self.scan = settings.clamd_url is not None
        self.room = asyncio.Semaphore(_AT_ONCE_MAX)


def _intake(state: State) -> Intake:
    return Intake(state.settings)


TheIntake = Annotated[Intake, Depends(one_of_process(_intake))]


class Uploaded(BaseModel):
    """A file that was taken in; one that is held cannot be opened until it was scanned."""

    attachment_id: str
    name: str
    content_type: str
    size: int
    sha256: str
    state: AttachmentState


_STATES: Final[dict[type[Data], AttachmentState]] = {
    AttachmentHeld: "held",
    AttachmentCleared: "clean",
    AttachmentRefused: "refused",
}


@dataclass(frozen=True, slots=True)
class Uploader:
    """Somebody who uploads, and what it takes to take their files in."""

    caller: Caller
    pool: Pool
    ask: Ask
    kept: Intake

    @property
    def name(self) -> str:
        """Whose the upload is."""
        return self.caller.on_behalf_of or self.caller.staff_actor

    async def must_know(self, patient_id: str) -> None:
        """Answer 404 unless they may send files for a patient."""
        who = self.caller.on_behalf_of
        known = may_act(self.pool, patient_id, who) if who is not None else patient_exists(self.pool, patient_id)
        if not await known:
            raise not_found("patient")

    async def take_in(self, attachment_id: str, patient_id: str, name: str, content: bytes) -> Uploaded:
        """Keep a file that the patient's messages may carry; one that was taken in before is the same.

        Raises:
            Problem: it is refused, or cannot be kept now.
        """
        await self.must_know(patient_id)
        with refusing(name):
            inspected = await asyncio.to_thread(inspect, name, content)
        with store_answers():
            await self.kept.files.put(inspected.sha256, content)
        command = AddAttachment(
            attachment_id=attachment_id,
            patient_id=patient_id,
            uploaded_by=self.name,
            name=name,
            content_type=inspected.content_type,
            size=inspected.size,
            sha256=inspected.sha256,
            scan=self.kept.scan,
        )
        who = self.caller.on_behalf_of
        told = await self.ask(command, patient_id, f"patient:{who}" if who else self.caller.staff_actor)
        return Uploaded(**command.model_dump(include=set(Uploaded.model_fields)), state=_STATES[type(told)])

    async def scanned(self, uploaded: Uploaded) -> Uploaded:
        """Wait a moment for the scanner, so that who uploads hears at once what it says; then the file stays held.

        Raises:
            Problem: the scanner refused it.
        """
        until = time.monotonic() + _VERDICT_S
        while self.kept.scan:
            attachment = await find_attachment(self.pool, uploaded.attachment_id)
            assert attachment is not None  # noqa: S101  # files that were taken in stay
            if attachment.state == "refused":
                raise Problem(
                    HTTPStatus.UNPROCESSABLE_ENTITY, REFUSED, reason=attachment.reason, name=attachment.name
                )
            if attachment.state == "clean" or time.monotonic() > until:
                return uploaded.model_copy(update={"state": attachment.state})
            await asyncio.sleep(_LOOK_S)
        return uploaded


async def _uploader(caller: PersonOrStaff, pool: ThePool, ask: TheAsk, kept: TheIntake) -> Uploader:
    return Uploader(caller, pool, ask, kept)


TheUploader = Annotated[Uploader, Depends(_uploader)]


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Answer with the file's name and the reason where one is refused."""
    try:
        yield
    except RefusedFileError as error:
        large = error.reason == "too_large"
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if large else HTTPStatus.UNPROCESSABLE_ENTITY
        raise Problem(status, str(error), reason=error.reason, name=name[:NAME_MAX]) from None


@contextmanager
def store_answers() -> Iterator[None]:
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
