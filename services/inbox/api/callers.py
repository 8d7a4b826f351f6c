"""What the routes share: who calls, and which version of an item they have seen."""

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header

from services.inbox.domain.routing import ROLES
from shared.auth import Caller, person, staff
from shared.problems import Problem

Person = Annotated[Caller, Depends(person)]
Staff = Annotated[Caller, Depends(staff(*ROLES))]
Supervisor = Annotated[Caller, Depends(staff("supervisor"))]

_VERSION = re.compile(r'(?:W/)?"?(\d{1,18})"?')


IfMatch = Annotated[str | None, Header(description="needed: the version that the change is about, an `ETag`")]


async def _seen_version(if_match: IfMatch = None) -> int:
    """Return the version that the caller has seen; one that cannot be is older than any."""
    if if_match is None:
        raise Problem(
            HTTPStatus.PRECONDITION_REQUIRED,
            "A change names the version that it is about in the header If-Match.",
            reason="version_missing",
        )
    found = _VERSION.fullmatch(if_match.strip())
    return int(found.group(1)) if found else 0


SeenVersion = Annotated[int, Depends(_seen_version)]


def person_of(caller: Caller) -> str:
    """Return the person that a gateway calls for."""
    assert caller.on_behalf_of is not None  # noqa: S101  # the route lets nobody else in
    return caller.on_behalf_of


def reading(person_id: str) -> str:
    """Return what the log of reads calls a person."""
    return f"person:{person_id}"


def not_found(what: str) -> Problem:
    """Return the answer for what is not there, and for what is not the caller's."""
    return Problem(HTTPStatus.NOT_FOUND, f"There is no such {what}.", reason="not_found")
