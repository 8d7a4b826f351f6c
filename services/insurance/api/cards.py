"""Pictures of insurance cards: read, told as suggestions, and forgotten."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Final, Literal

import puremagic
import structlog
from fastapi import APIRouter, Depends, Form, UploadFile
from pydantic import BaseModel
from starlette.datastructures import State

from services.insurance.api.coverages import PersonOrStaff, seen_patients
from services.insurance.domain.card import CardFields, read_card
from services.insurance.domain.card.layout import Line
from services.insurance.handlers import DIRECTORY
from services.insurance.ocr import Unreadable
from services.insurance.ocr.reader import Reader, reader
from shared.apart import BrokeDownError, BusyError
from shared.events.envelope import Id
from shared.problems import Problem
from shared.routes import ThePool, one_of_process

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1", tags=["insurance"])

PICTURE_BYTES_MAX: Final = 12 * 1024 * 1024
_BODY_BYTES_MAX: Final = 4 * PICTURE_BYTES_MAX
"""Above the limit of two pictures, so that what is too large can be told by its name."""
_NAME_MAX: Final = 255
_BUSY_S: Final = 10
_PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"})

Reason = Literal["empty_file", "too_large", "unknown_type", "nothing_read"] | Unreadable

SAID: Final[dict[Reason, str]] = {
    "empty_file": "The file is empty.",
    "too_large": f"The picture is larger than {PICTURE_BYTES_MAX // 1024 // 1024} MB.",
    "unknown_type": "The file is no picture of a kind that can be read: JPEG, PNG, WebP or HEIC.",
    "unreadable_picture": "The picture is broken.",
    "too_many_pixels": "The picture has more than 50 million pixels.",
    "nothing_read": "Nothing of a card could be read in the picture.",
}


def _reader(state: State) -> Reader:
    made = reader()
    state.stack.push_async_callback(made.close)
    return made


card_reader = one_of_process(_reader)
TheReader = Annotated[Reader, Depends(card_reader)]


class CardReading(BaseModel):
    """What a card seems to say. It is a suggestion: a person compares it with the card before it is used."""

    fields: CardFields


@router.post("/card-readings", response_model_exclude_none=True, max_body_size=_BODY_BYTES_MAX)
async def read_pictures(
    caller: PersonOrStaff,
    pool: ThePool,
    reader: TheReader,
    file: UploadFile,
    back: UploadFile | None = None,
    patient_id: Annotated[Id | None, Form()] = None,
) -> CardReading:
    """Read a card's front, and its back if there is one; neither picture nor text is kept.

    Refused with 413 `too_large`; 422 `empty_file`, `unknown_type`, `unreadable_picture`, `too_many_pixels`,
    `nothing_read`, each with the file's name; 503 `reader_busy` or `reader_failed`: try again, or type it in.
    """
    if patient_id is not None:
        await seen_patients(pool, caller, patient_id)
    pictures = [file] if back is None else [file, back]
    for picture in pictures:
        await _check(picture)
    sides = [await _lines(reader, picture) for picture in pictures]
    fields = await asyncio.to_thread(read_card, sides, DIRECTORY)
    if not fields.model_dump(exclude_none=True):
        raise _refused("nothing_read", file)
    return CardReading(fields=fields)


async def _check(picture: UploadFile) -> None:
    if not picture.size:
        raise _refused("empty_file", picture)
    if picture.size > PICTURE_BYTES_MAX:
        raise _refused("too_large", picture)
    try:
        kinds = {found.mime_type for found in puremagic.magic_string(await picture.read())}
    except (puremagic.PureError, ValueError):
        kinds = set()
    if not kinds & _PICTURES:
        raise _refused("unknown_type", picture)
    await picture.seek(0)


async def _lines(reader: Reader, picture: UploadFile) -> tuple[Line, ...]:
    try:
        read = await reader.ask(picture.read)
    except BusyError:
        raise _later("reader_busy", "Many pictures wait to be read; try again soon.") from None
    except BrokeDownError:
        raise _later("reader_failed", "The picture could not be read.") from None
    if read.unreadable is not None:
        raise _refused(read.unreadable, picture)
    if read.failed is not None:
        log.error("a picture could not be read", error_type=read.failed)
        raise _later("reader_failed", "The picture could not be read.")
    return read.lines


def _refused(reason: Reason, picture: UploadFile) -> Problem:
    large = reason == "too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if large else HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, SAID[reason], reason=reason, name=(picture.filename or "")[:_NAME_MAX])


def _later(reason: Literal["reader_busy", "reader_failed"], said: str) -> Problem:
    headers = {"Retry-After": str(_BUSY_S)}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, said, reason=reason, headers=headers)
