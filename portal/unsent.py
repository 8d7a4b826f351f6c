"""What was typed into a form that did not get through, to be shown in the answer to the request that brought it.

The portal keeps it nowhere. The browser keeps what a message says, for the session alone in which it was written
(`portal.js`): whoever signs in there next sees nothing of it.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from portal.guarding import CSRF_FIELD, asked_path
from portal.language import N_, gettext

_WORDS: Final = {
    "subject": N_("Subject"),
    "body": N_("Your message"),
    "note": N_("Note"),
    "address": N_("Email address or mobile number"),
    "payer_name": N_("Payer"),
    "member_id": N_("Member ID"),
    "group_number": N_("Group number"),
    "plan_name": N_("Plan name"),
    "first_name": N_("First name"),
    "last_name": N_("Last name"),
    "birth_date": N_("Date of birth"),
}
"""The fields in which people write words; in the others they choose, or type what goes with what they reviewed."""
_LONG: Final = frozenset({"body", "note"})


@dataclass(frozen=True, slots=True)
class Text:
    """A field in which something was written."""

    name: str
    label: str
    value: str
    long: bool


@dataclass(frozen=True, slots=True)
class Unsent:
    """A form that did not get through.

    Attributes:
        address: where it was sent to.
        texts: what was written.
        others: the other fields, such as the natural key, so that sending it again is no second command.
        files: the names of the fields with files, which have to be chosen again.
    """

    address: str
    texts: tuple[Text, ...]
    others: tuple[tuple[str, str], ...]
    files: tuple[str, ...]


async def unsent(request: Request) -> Unsent | None:
    """Return the form that a request brought; nothing when it brought none, or brought it from another's page.

    Nothing is read of what was sent to an unknown address: only a page's own limit says how long it may be.
    """
    from_ours = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
    if request.method != "POST" or not from_ours or "endpoint" not in request.scope:
        return None
    try:
        async with request.form() as form:
            parts = [(name, value) for name, value in form.multi_items() if name != CSRF_FIELD]
    except (HTTPException, ClientDisconnect):
        return None  # it cannot be read, is too long, or did not come
    told = [(name, value) for name, value in parts if isinstance(value, str)]
    texts = [(name, value) for name, value in told if name in _WORDS and value.strip()]
    return Unsent(
        address=asked_path(request) + (f"?{request.url.query}" if request.url.query else ""),
        texts=tuple(Text(name, gettext(_WORDS[name]), value, name in _LONG) for name, value in texts),
        others=tuple(one for one in told if one not in texts),
        files=tuple(
            dict.fromkeys(name for name, value in parts if isinstance(value, UploadFile) and value.filename)
        ),
    )


def page_of_form(request: Request) -> str:
    """Return the address of the page on which the form was, as the browser tells it, or the start."""
    told, ours = urlsplit(request.headers.get("referer", "")), urlsplit(request.app.state.settings.public_url)
    if told[:2] != ours[:2] or not told.path or told.path.startswith("//"):
        return "/"
    return told.path + (f"?{told.query}" if told.query else "")
