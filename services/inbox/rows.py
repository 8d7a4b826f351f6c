"""States as rows of the database, each way; the order of the values is that of the columns named here."""

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from operator import attrgetter
from typing import Any, Final, TypeAlias

from services.inbox.domain.attachment import Attachment
from services.inbox.domain.item import Item, ThreadMessage
from services.inbox.domain.patient import Appointment, DocumentRequest, Registered
from services.inbox.domain.routing import Provider
from shared.events.vocabulary import About

_REGISTERED: Final = tuple(one.name for one in fields(Registered))
PATIENT: Final = ("patient_id", *_REGISTERED)
APPOINTMENT: Final = ("patient_id", *(one.name for one in fields(Appointment)))
REQUEST: Final = ("patient_id", *(one.name for one in fields(DocumentRequest)))
PROVIDER_COLUMNS: Final = tuple(one.name for one in fields(Provider))
ITEM: Final = tuple(one.name for one in fields(Item))
MESSAGE: Final = tuple(one.name for one in fields(ThreadMessage))
ATTACHMENT: Final = tuple(one.name for one in fields(Attachment))

Row: TypeAlias = tuple[Any, ...]

appointment_row: Final = attrgetter(*APPOINTMENT[1:])
request_row: Final = attrgetter(*REQUEST[1:])
provider_row: Final = attrgetter(*PROVIDER_COLUMNS)
attachment_row: Final = attrgetter(*ATTACHMENT)
_registered: Final = attrgetter(*_REGISTERED)
_item: Final = attrgetter(*ITEM)
_message: Final = attrgetter(*MESSAGE)

_ABOUT: Final = ITEM.index("about")
_WORDS: Final = ITEM.index("urgent_words")
_MESSAGE_ABOUT: Final = MESSAGE.index("about")


def to_registered(row: Sequence[Any]) -> Registered | None:
    """Return what the registration host told of a patient, if it did."""
    _, person_id, proxies, first_name, last_name, birth_date, *others = row
    if proxies is None:
        return None
    born = date.fromisoformat(birth_date)
    return Registered(person_id, tuple(json.loads(proxies)), first_name, last_name, born, *others)


def registered_row(registered: Registered) -> Row:
    """Return the columns of a patient but the first."""
    person_id, proxies, first_name, last_name, birth_date, *others = _registered(registered)
    return (person_id, json.dumps(proxies), first_name, last_name, birth_date.isoformat(), *others)


def to_item(row: Sequence[Any]) -> Item:
    """Return an item from its columns, which others may follow; its urgent words have a line each."""
    values = list(row[: len(ITEM)])
    values[_ABOUT] = About.model_validate_json(values[_ABOUT])
    values[_WORDS] = tuple(values[_WORDS].splitlines())
    return Item(*values)


def item_row(item: Item) -> Row:
    """Return the columns of an item."""
    values = list(_item(item))
    values[_ABOUT] = item.about.model_dump_json(exclude_none=True)
    values[_WORDS] = "\n".join(item.urgent_words)
    return tuple(values)


def to_message(row: Sequence[Any]) -> ThreadMessage:
    """Return a message of a thread."""
    values = list(row)
    about = values[_MESSAGE_ABOUT]
    values[_MESSAGE_ABOUT] = None if about is None else About.model_validate_json(about)
    return ThreadMessage(*values)


def message_row(message: ThreadMessage) -> Row:
    """Return the columns of a message."""
    values = list(_message(message))
    about = message.about
    values[_MESSAGE_ABOUT] = None if about is None else about.model_dump_json(exclude_none=True)
    return tuple(values)
