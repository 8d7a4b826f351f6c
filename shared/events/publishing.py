"""What is published of the contract: `docs/events/`, made from the code, and never against its readers.

What is published is also what the next change is compared with: a message that would break those who know the
published one is not written over it. Such a change is a new type beside the old.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from shared.events import inbox, insurance, notifications, payments
from shared.events.asyncapi import asyncapi
from shared.events.compatibility import breaks
from shared.events.dead_letter import DeadLetter
from shared.events.envelope import Event
from shared.events.schemas import DEAD_LETTER, Schema, dead_letter_schema, message_schema, summary
from shared.events.topics import SERVICES, TOPICS

FOLDER: Final = Path(__file__).parents[2] / "docs" / "events"

MESSAGES: Final = {cls.TYPE: cls for topic in TOPICS for cls in topic.carries}
"""Every message of the contract, by its type."""

REFUSAL_REASONS: Final[Mapping[str, Mapping[Any, str]]] = {
    "payments": payments.REFUSAL_REASONS,
    "insurance": insurance.REFUSAL_REASONS,
    "inbox": inbox.REFUSAL_REASONS,
    "notifications": notifications.REFUSAL_REASONS,
}

_OPENING: Final = """\
# The messages

Made by `python -m shared.events` from `shared/events/`; change it there.

A Kafka value is a CloudEvent 1.0 in structured JSON (`content-type: application/cloudevents+json`), in UTF-8
without a byte order mark; one in binary mode, with its attributes in headers, is a dead letter. Readers ignore
fields that they do not know; a field that is absent may also be `null` in what others write.

Money is `…_minor`, an integer of the currency's smallest unit. Times are RFC 3339 with a zone, dates `YYYY-MM-DD`.
Three things are asked that a schema cannot say: integers are written without fraction or exponent (`100`, not
`100.0` or `1e2`); times lie in the years 1900 to 2199, without leap seconds, and of their fractions six digits
count; dates begin with the year 1.

| attribute | meaning |
|---|---|
| `specversion`, `type`, `time`, `data` | as in CloudEvents |
| `source`, `id` | as in CloudEvents, up to 128 characters; together unique: a repeat is the same message |
| `subject` | the key, as of the Kafka record |
| `actor` | `patient:PERSON_ID` (oneself), `proxy:PERSON_ID`, `guest`, `staff:ID`, `host:NAME`, `service:NAME` |
| `causationid` | the id of the message that led to this one |
| `correlationid` | the id of the first message of the chain; later progress of a command has the command's |
| `outcome` | only on the one event that ends a command: `done` or `refused` |
| `traceparent` | W3C trace context |

An event has the actor of the message that led to it. Every command ends in exactly one event with its id as
`causationid` and an `outcome`. A type grows only by what breaks nobody; anything else is a new type, `….v2`, told
beside the old one for a while.

The samples are written by hand, read by the tests, and stay for ever: a message that gains a field gains another
sample, `samples/<type>.<what it shows>.json`.
"""


@cache
def files() -> Mapping[str, str]:
    """Return everything that is published but the samples, which are written by hand: text by file name."""
    documents = {f"schemas/{name}.json": schema for name, schema in _schemas().items()}
    documents |= {f"{service}.asyncapi.json": asyncapi(service) for service in SERVICES}
    texts = {name: json.dumps(document, indent=2) + "\n" for name, document in documents.items()}
    return {"README.md": _index(), **texts}


def broken(folder: Path) -> list[str]:
    """Return what in the code breaks those who know what is published in `folder`: a sentence each."""
    schemas = _schemas()
    found = []
    for path in sorted(folder.glob("schemas/*.json")):
        name = path.stem
        if name not in schemas:
            found.append(f"{name}: the type is gone")
            continue
        told = name == DEAD_LETTER or issubclass(MESSAGES[name], Event)
        found += [f"{name}: {why}" for why in breaks(json.loads(path.read_text()), schemas[name], told=told)]
    return found


def stale(folder: Path) -> list[str]:
    """Return the names of files in `folder` that are missing or differ from the code."""
    return [
        name
        for name, text in files().items()
        if not (folder / name).is_file() or (folder / name).read_text() != text
    ]


def publish(folder: Path) -> None:
    """Write everything but the samples into `folder`."""
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text)


@cache
def _schemas() -> Mapping[str, Schema]:
    return {DEAD_LETTER: dead_letter_schema()} | {name: message_schema(cls) for name, cls in MESSAGES.items()}


def _index() -> str:
    return "\n".join((_OPENING, *_topics(), *_types(), *_reasons()))


def _topics() -> Iterator[str]:
    yield "## Topics\n\n| topic | key | written by | read by |\n|---|---|---|---|"
    for topic in TOPICS:
        readers = [s.name for s in SERVICES.values() if topic in {r.topic for r in s.reads}]
        link = f"[`{topic.name}`](#{topic.name.replace('.', '')})"
        yield f"| {link} | {topic.key} | {topic.writers} | {', '.join(readers)} |"
    yield ""
    for service in SERVICES:
        yield f"- [{service} as AsyncAPI]({service}.asyncapi.json)"
    yield ""


def _types() -> Iterator[str]:
    for topic in TOPICS:
        yield f"## {topic.name}\n\n| type | says | |\n|---|---|---|"
        for cls in topic.carries:
            yield f"| `{cls.TYPE}` | {summary(cls)} | {_links(cls.TYPE)} |"
        if not topic.carries:
            yield f"| | {summary(DeadLetter)} | {_links(DEAD_LETTER)} |"
        yield ""


def _links(name: str) -> str:
    return f"[schema](schemas/{name}.json) · [sample](samples/{name}.json)"


def _reasons() -> Iterator[str]:
    for service, reasons in REFUSAL_REASONS.items():
        yield f"## Why {service} refuses\n\n| reason | meaning |\n|---|---|"
        yield from (f"| `{reason}` | {meaning} |" for reason, meaning in reasons.items())
        yield ""
