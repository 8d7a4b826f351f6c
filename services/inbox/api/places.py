"""Where a page of a list ends: what a caller sends back to see the next one."""

import base64
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Query
from pydantic import TypeAdapter

from services.inbox.domain.item import Item, ThreadMessage
from services.inbox.reads import MESSAGES_MAX, NEWEST, Part, Place
from shared.problems import Problem

PAGE_MAX: Final = 200
After = Annotated[str | None, Query(max_length=400, description="where the page before ended, as it told")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="how many at most")]

_PLACE: Final = TypeAdapter(Place)


def cursor(place: Place) -> str:
    """Return what a caller sends back."""
    return base64.urlsafe_b64encode(_PLACE.dump_json(place)).decode()


def place(after: str | None) -> Place:
    """Return the place that a caller has sent back; the start if none.

    Raises:
        Problem: it is none of ours.
    """
    if after is None:
        return Place()
    try:
        return _PLACE.validate_json(base64.urlsafe_b64decode(after))
    except ValueError:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The cursor is none of ours.", reason="invalid_data"
        ) from None


def before(item: Item) -> str:
    """Return the cursor of what was changed before an item, where the last changed comes first."""
    return cursor(Place(0, item.updated_at, item.item_id))


def newest_before(after: str | None) -> tuple[datetime, str]:
    """Return when the last one of the page before was changed, and its id."""
    found = place(after)
    return (found.since, found.item_id) if after else NEWEST.before


def before_message(message: ThreadMessage) -> str:
    """Return the cursor of what was written before a message."""
    return cursor(Place(0, message.at, message.message_id))


def _part(
    before: Annotated[
        str | None, Query(max_length=400, description="`earlier` of the part that comes after this one")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MESSAGES_MAX, description="how many messages at most")] = MESSAGES_MAX,
) -> Part:
    return Part(newest_before(before), limit)


ThreadPart = Annotated[Part, Depends(_part)]
"""Which messages of a thread a caller asks for: the newest, or those before a part that they have seen."""
