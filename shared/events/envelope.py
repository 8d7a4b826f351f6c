"""The envelope every message travels in: a CloudEvent 1.0 in structured JSON, and how it is read.

A message's data is a frozen pydantic model, one class for each type, which knows its type's name (`TYPE`).
`Reader` turns raw bytes into a `Message` of one of the classes it was given, or says exactly how far it got:
a command whose envelope can be read is owed a refusal, everything else goes to dead letters.
"""

import json
import re
from datetime import UTC, date, datetime
from functools import cache
from json.encoder import encode_basestring as _quoted
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import CoreSchema, core_schema

MESSAGE_BYTES_MAX = 256 * 1024
"""A message above this size is refused (`too_large`), or goes to dead letters when it is no command."""

_ID: Final = r"^[^\x00-\x1f\x7f]{1,128}$"

Id = Annotated[str, Field(pattern=_ID)]
"""An id that somebody else chose: a person, a payment, a message. PostgreSQL keeps no NUL, so no controls."""


class _Written:
    """Takes what is said of a day or a time only if it is written as in a calendar.

    Of digits alone pydantic makes seconds since 1970: also of `00000000`, and of `202603021405`, as HL7 has it.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        said: Any = handler(source)
        text = core_schema.str_schema(pattern=self._pattern)
        written = core_schema.chain_schema([text, {**said, "strict": False}])
        # The body of a call has been read from JSON before.
        checked = core_schema.no_info_before_validator_function(self._checked, said)
        return core_schema.json_or_python_schema(json_schema=written, python_schema=checked)

    def _checked(self, value: object) -> object:
        if isinstance(value, date) or (isinstance(value, str) and re.match(self._pattern, value)):
            return value
        raise ValueError("it is not written as in a calendar")

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema["python_schema"])


Date = Annotated[date, _Written(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
"""A day, as `YYYY-MM-DD`."""

Time = Annotated[
    AwareDatetime,
    Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
    _Written(r"^[0-9]{4}-"),
]
"""A time with a zone, far enough from the ends of the calendar that no other zone or sum falls off them."""

Actor = Annotated[str, Field(pattern=r"^(guest|(patient|proxy|staff|host|service):[!-~]{1,120})$", max_length=128)]
"""Who did it: `patient:ID` (for oneself), `proxy:ID`, `guest`, `staff:ID`, `host:NAME`, `service:NAME`."""


def _sound_id(told: object) -> object:
    """Leave out what is no id: whom to answer is known without it."""
    return told if isinstance(told, str) and re.fullmatch(_ID, told) else None


_TRACE: Final = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def _sound_trace(told: object) -> object:
    return told if isinstance(told, str) and _TRACE.fullmatch(told) else None


Trace = Annotated[Annotated[str, Field(max_length=64)] | None, BeforeValidator(_sound_trace)]
"""A `traceparent` of W3C's trace context; one that is malformed is left out, as W3C asks."""

HEADERS: Final = [("content-type", b"application/cloudevents+json")]
"""The headers of a record that holds a message; all that is needed is in the message."""

Outcome = Literal["done", "refused"]


class Data(BaseModel):
    """What a message says. Strict, so that `"12"` is no amount; unknown fields of newer writers are ignored.

    Each is a `Command`, a `Fact`, an `Event` or `Internal`.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    TYPE: ClassVar[str]


class Command(Data):
    """Something that is asked for: its sender is owed exactly one outcome, even if its data is not valid."""


class Fact(Data):
    """Something that a host system or a gateway says is so; nobody is owed an answer."""


class Event(Data):
    """Something that a service says has happened."""


class Internal(Data):
    """A task, its answer or a timer: what a service tells itself; no topic carries it."""


D_co = TypeVar("D_co", bound=Data, covariant=True)


class Message(BaseModel, Generic[D_co]):
    """A CloudEvent: who said what when, about which key, and because of which other message."""

    model_config = Data.model_config

    specversion: Literal["1.0"]
    id: Id
    source: Id
    type: Id
    time: Time
    subject: Id
    actor: Actor
    causationid: Id | None = None
    correlationid: Id | None = None
    outcome: Outcome | None = None
    traceparent: Trace = None
    data: D_co

    @property
    def correlation(self) -> str:
        """The id of the first message of the chain that this one belongs to."""
        return self.correlationid or self.id


class Header(BaseModel):
    """The envelope without its data: enough to know whom to answer when the data cannot be read."""

    model_config = Message.model_config

    specversion: Literal["1.0"]
    id: Id
    source: Id
    type: Id
    time: Time
    subject: Id
    actor: Actor
    correlationid: Annotated[Id | None, BeforeValidator(_sound_id)] = None
    traceparent: Trace = None


class UnreadableError(ValueError):
    """No envelope could be read: not JSON, not UTF-8, or an attribute is missing or malformed."""


class UnknownTypeError(ValueError):
    """The envelope names a type that this reader was not given."""

    def __init__(self, header: Header) -> None:
        super().__init__("no such type is read here")
        self.header = header


class InvalidDataError(ValueError):
    """The envelope is sound, its data is not. `fields` are the paths at fault, never their values."""

    def __init__(self, header: Header, fields: tuple[str, ...]) -> None:
        super().__init__("invalid: " + ", ".join(fields))
        self.header = header
        self.fields = fields


class Reader:
    """Reads the messages of the given classes, each in one pass over its bytes."""

    def __init__(self, *classes: type[Data]) -> None:
        self.classes = {cls.TYPE: cls for cls in classes}
        envelopes = tuple(envelope(cls) for cls in classes)
        union: Any = envelopes[0]
        for other in envelopes[1:]:
            union = union | other
        choice: Any = Annotated[union, Field(discriminator="type")] if len(envelopes) > 1 else union
        self._validate = TypeAdapter(choice).validator.validate_json

    def read(self, raw: bytes) -> Message[Data]:
        """Return the message in `raw`.

        Raises:
            UnreadableError: there is no envelope.
            UnknownTypeError: the type is none of this reader's.
            InvalidDataError: the envelope is sound, the data is not.
        """
        try:
            return self._validate(raw)  # type: ignore[no-any-return]  # the validator is untyped
        except ValidationError:  # `suppress` costs a tenth of reading
            pass
        # Outside the handler, so that no error that shows what it read travels along as the cause.
        raise self._fault(raw)

    def header(self, raw: bytes) -> Header | None:
        """Return the envelope of a message of these types whose data is not to be read, if there is one."""
        header = _header(raw)
        return header if isinstance(header, Header) and header.type in self.classes else None

    def _fault(self, raw: bytes) -> ValueError:
        """Say which part of a message that did not parse is at fault; slow, and rare."""
        header = _header(raw)
        if isinstance(header, ValidationError):
            return UnreadableError("no envelope: " + ", ".join(_paths(header)))
        cls = self.classes.get(header.type)
        if cls is None:
            return UnknownTypeError(header)
        try:
            envelope(cls).model_validate_json(raw)
        except ValidationError as error:
            return InvalidDataError(header, _paths(error))
        raise AssertionError("a message that failed in the union parses alone")  # pragma: no cover


def _header(raw: bytes) -> Header | ValidationError:
    """Read an envelope whatever its data is, also half a character, as JavaScript writes of a cut emoji.

    As UTF-8 alone: a message that is in nothing else could not be looked through by who screens its bytes.
    """
    try:
        return Header.model_validate_json(raw)
    except ValidationError as error:
        fault = error
    try:
        told = json.loads(raw.decode("utf-8-sig", "surrogatepass"))
        return Header.model_validate_json(json.dumps({**told, "data": None}))
    except (ValueError, TypeError, RecursionError):
        return fault


def _paths(error: ValidationError) -> tuple[str, ...]:
    """Name the fields at fault, at most twenty of them, without what they held."""
    found = (".".join(str(part) for part in fault["loc"]) or "json" for fault in error.errors(include_input=False))
    return tuple(dict.fromkeys(found))[:20]


@cache
def envelope(cls: type[Data]) -> type[Message[Data]]:
    """Return the class of the whole message whose data is `cls`."""
    return create_model(
        f"{cls.__name__}Message",
        __base__=Message[cls],  # type: ignore[valid-type]  # a class made at run time
        __doc__=cls.__doc__,
        type=(Literal[cls.TYPE], ...),  # type: ignore[arg-type]  # the literal is the class's own
    )


def message_of(
    data: Data,
    *,
    id: str,  # noqa: A002  # the attribute's name
    source: str,
    time: datetime,
    subject: str,
    actor: str,
    causationid: str | None = None,
    correlationid: str | None = None,
    outcome: Outcome | None = None,
    traceparent: str | None = None,
) -> Message[Any]:
    """Return the message that says `data`, with these attributes of its envelope."""
    return envelope(type(data))(
        specversion="1.0",
        id=id,
        source=source,
        type=data.TYPE,
        time=time,
        subject=subject,
        actor=actor,
        causationid=causationid,
        correlationid=correlationid,
        outcome=outcome,
        traceparent=traceparent,
        data=data,
    )


def write(message: Message[Data]) -> bytes:
    """Return the bytes that go on the topic; what is absent is left out."""
    return message.__pydantic_serializer__.to_json(message, exclude_none=True)


def write_event(  # an envelope has as many attributes
    event_id: str,
    source: str,
    time: str,
    subject: str,
    cause: Message[Any] | Header,
    traceparent: str | None,
    outcome: Outcome | None,
    correlationid: str | None,
    data: Data,
) -> bytes:
    """Return the bytes of what a service says because of a message, done by whoever sent that.

    The same as `write` makes of a `Message`, at a quarter of the cost: what a service says itself need not be
    checked as if somebody else had said it. `event_id` and `source` are plain words, `time` is as in RFC 3339;
    without a `correlationid` it belongs to the chain of the message.
    """
    causation = _quoted(cause.id)
    chain = correlationid or cause.correlationid
    correlation = causation if chain is None else _quoted(chain)
    ended = "" if outcome is None else f',"outcome":"{outcome}"'
    traced = "" if traceparent is None else f',"traceparent":{_quoted(traceparent)}'
    envelope = (
        f'{{"specversion":"1.0","id":"{event_id}","source":"{source}","type":"{data.TYPE}","time":"{time}"'
        f',"subject":{_quoted(subject)},"actor":{_quoted(cause.actor)},"causationid":{causation},"correlationid":{correlation}'
        f'{ended}{traced},"data":'
    )
    return envelope.encode() + data.__pydantic_serializer__.to_json(data, exclude_none=True) + b"}"
