"""Pictures of a card: read by insurance, and told as suggestions for the form that a patient looks over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp
from starlette.datastructures import FormData, UploadFile

from portal.calls import Answered, ServiceAwayError, ServiceProblem, pieces
from portal.language import N_, gettext
from portal.visitors import PersonAtPage

TIMEOUT_S: Final = 90.0
SIDES: Final = {"card_front": "file", "card_back": "back"}
"""The fields of the form, and what insurance calls them."""

_AWAY: Final = N_("We cannot read pictures at the moment. Please type in what is on the card.")
_MISSING: Final = N_("Please choose a picture first.")
_LARGE: Final = N_("This picture is too large. Please choose a smaller one.")
_UNREAD: Final = N_(
    "We could not read this picture. Please take it again in good light, or type in what is on the card."
)
_REFUSED: Final = {
    "empty_file": N_("This file is empty. Please choose another."),
    "too_large": _LARGE,
    "too_many_pixels": _LARGE,
    "unknown_type": N_("This is no picture that we can read. Please choose a JPEG, PNG, WebP or HEIC picture."),
}


class Suggestion(Answered):
    """What one field may be, and the places at which it is easily misread."""

    value: str
    ambiguous: tuple[int, ...] = ()

    @property
    def signs(self) -> list[tuple[str, bool]]:
        """Each sign of the value, and whether it is easily misread."""
        return [(sign, place in self.ambiguous) for place, sign in enumerate(self.value)]

    @property
    def doubtful(self) -> list[str]:
        """The signs that are easily misread, each once."""
        return list(dict.fromkeys(sign for sign, doubtful in self.signs if doubtful))


class _Subscriber(Answered):
    first_name: Suggestion
    last_name: Suggestion


class _Fields(Answered):
    payer_name: Suggestion | None = None
    plan_name: Suggestion | None = None
    member_id: Suggestion | None = None
    group_number: Suggestion | None = None
    subscriber: _Subscriber | None = None


class _Reading(Answered):
    fields: _Fields


@dataclass(frozen=True, slots=True)
class Card:
    """What a card seems to say, by the names of the form's fields; or why it could not be read."""

    suggestions: Mapping[str, Suggestion] = field(default_factory=dict)
    refused: str = ""


NO_CARD: Final = Card()


async def read_card(person: PersonAtPage, patient_id: str, form: FormData) -> Card:
    """Have the pictures of a form read.

    Raises:
        ServiceProblem: the patient is not theirs.
    """
    body = aiohttp.FormData({"patient_id": patient_id})
    chosen = {side: form.get(name) for name, side in SIDES.items()}
    for side, file in chosen.items():
        if isinstance(file, UploadFile) and file.filename:
            body.add_field(side, pieces(file), filename=file.filename, content_type="application/octet-stream")
        elif side == "file":
            return Card(refused=gettext(_MISSING))
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        told = (await person.call("POST", "insurance", "/v1/card-readings", data=body, timeout=timeout)).body
    except ServiceAwayError:
        return Card(refused=gettext(_AWAY))
    except ServiceProblem as problem:
        if problem.status == HTTPStatus.NOT_FOUND:
            raise
        large = problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return Card(refused=gettext(_LARGE if large else _REFUSED.get(problem.reason, _UNREAD)))
    found = _Reading.model_validate(told).fields
    named = {name: getattr(found, name) for name in ("payer_name", "plan_name", "member_id", "group_number")}
    if found.subscriber is not None:
        named |= {"first_name": found.subscriber.first_name, "last_name": found.subscriber.last_name}
    return Card({name: one for name, one in named.items() if one is not None})
