"""One raw Kafka record on its way in: read alone, so that a bad one spoils nothing, and kept whole.

`Arrival` is a record with what could be made of it. `record_json` and `record_from_json` keep a record in
the database, to the byte, while it is parked or dead.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeAlias

from aiokafka import ConsumerRecord

from shared.events.envelope import (
    MESSAGE_BYTES_MAX,
    Command,
    Header,
    InvalidDataError,
    Message,
    Reader,
    UnknownTypeError,
    UnreadableError,
)
from shared.events.topics import Service

STAND_IN: Final = -1
"""The timestamp of a record that stands in for one that the client cannot read; no real one has it."""

Record: TypeAlias = ConsumerRecord[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record is no message: `reason` is snake_case and stable, `detail` never holds a value.

    A command with a `refusable` fault is refused with it; all else that is at fault is a dead letter.
    """

    reason: str
    detail: str
    refusable: bool = False


class Understood(NamedTuple):
    """A message; `identity` stands for its `(source, id)`."""

    message: Message[Any]
    identity: bytes


class Owed(NamedTuple):
    """An envelope whose data is at fault: its sender is known, and may be owed an answer."""

    header: Header
    identity: bytes
    fault: Fault


class Unread(NamedTuple):
    """What has no envelope that could be read, or a type that nobody knows."""

    fault: Fault


@dataclass(slots=True)
class Arrival:
    """A record, and what was read in it; nothing, where a known type is of no use to this service.

    `attempts` counts those before this one.
    """

    key: str
    record: Record
    read: Understood | Owed | Unread | None
    attempts: int = 0

    @property
    def lane(self) -> str:
        """The records that this one keeps its order with: those of its key on its topic.

        Nothing orders two topics, or a message could not wait for what another topic has yet to say.
        """
        return f"{self.record.topic}/{self.key}"

    @property
    def identity(self) -> bytes | None:
        """What stands for the `(source, id)` of its envelope, if it has one."""
        return self.read.identity if isinstance(self.read, Understood | Owed) else None


_NULL: Final = Fault("null_value", "the record has no value")
_UNREAD_HEADER: Final = Fault(
    "unreadable_header", "a header's name is no text; the record is in Kafka at this offset"
)


class Reading:
    """Reads the records of a service's topics, each topic with the types that belong on it."""

    def __init__(self, service: Service, screen: Callable[[bytes], Fault | None]) -> None:
        """Take what the service reads, and a look at commands that goes before everything else."""
        self._readers = {heard.topic.name: Reader(*heard.heeds) for heard in service.reads}
        self._known = {
            heard.topic.name: frozenset(cls.TYPE for cls in heard.topic.carries) for heard in service.reads
        }
        self._screened = {
            heard.topic.name for heard in service.reads if any(issubclass(c, Command) for c in heard.heeds)
        }
        self._screen = screen

    def read(self, record: Record) -> Arrival:
        """Return what came."""
        screened = record.topic in self._screened
        if screened and record.key is not None and self._screen(record.key) is not None:
            record = replace(record, key=None)
        value = record.value
        if value is None:
            return _unread(record, _UNREAD_HEADER if record.timestamp == STAND_IN else _NULL)
        if screened and (found := self._screen(value)) is not None:
            return self._withheld(replace(record, value=None, headers=()), value, found)
        if len(value) > MESSAGE_BYTES_MAX:
            detail = f"{len(value)} bytes, at most {MESSAGE_BYTES_MAX} are allowed"
            return self._withheld(record, value, Fault("too_large", detail, refusable=True))
        try:
            message = self._readers[record.topic].read(value)
        except (UnreadableError, UnknownTypeError, InvalidDataError) as error:
            return self._fault(record, error)
        return Arrival(message.subject, record, Understood(message, identity_of(message.source, message.id)))

    def _withheld(self, record: Record, value: bytes, fault: Fault) -> Arrival:
        """Return a record whose data nobody shall read; its envelope says whom to answer, if anybody."""
        header = self._readers[record.topic].header(value) if fault.refusable else None
        return _owed(record, fault, header) if header else _unread(record, fault)

    def _fault(self, record: Record, error: UnreadableError | UnknownTypeError | InvalidDataError) -> Arrival:
        match error:
            case InvalidDataError():
                return _owed(record, Fault("invalid_data", str(error), refusable=True), error.header)
            case UnknownTypeError() if error.header.type in self._known[record.topic]:
                return Arrival(error.header.subject, record, None)
            case UnknownTypeError():
                return Arrival(error.header.subject, record, Unread(Fault("unknown_type", str(error))))
            case UnreadableError():
                return _unread(record, Fault("unreadable", str(error)))


def _owed(record: Record, fault: Fault, header: Header) -> Arrival:
    """Return a record at fault whose sender is known, and may be owed an answer."""
    return Arrival(header.subject, record, Owed(header, identity_of(header.source, header.id), fault))


def _unread(record: Record, fault: Fault) -> Arrival:
    return Arrival(_key(record), record, Unread(fault))


def identity_of(*parts: str) -> bytes:
    """Return 16 bytes that stand for texts, such as a message's source and id; they are stored for good."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).digest()


def _key(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "replace").replace("\x00", "�")


def record_json(record: Record) -> dict[str, Any]:
    """Return a record as JSON that loses nothing; nulls stay nulls."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key_base64": _base64(record.key),
        "value_base64": _base64(record.value),
        "headers": [[name, _base64(value)] for name, value in record.headers],
        "timestamp_ms": record.timestamp,
    }


def record_from_json(kept: str | bytes) -> Record:
    """Return the record that `record_json` kept."""
    told = json.loads(kept)
    return ConsumerRecord(
        topic=told["topic"],
        partition=told["partition"],
        offset=told["offset"],
        timestamp=told["timestamp_ms"],
        timestamp_type=0,
        key=_bytes(told["key_base64"]),
        value=_bytes(told["value_base64"]),
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=[(name, _bytes(value)) for name, value in told["headers"]],
    )


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
