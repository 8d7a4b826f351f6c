"""The words that messages share: bounded texts, money, dates, closed and growing vocabularies, small records.

Every text has a longest length and no control characters (PostgreSQL keeps no NUL), every list a longest
length, every integer a range: what parses, fits. Rules between fields are not here; they are the domains',
with refusal reasons of their own.
"""

from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from shared.events.envelope import Data, Date, Id

AMOUNT_MINOR_MAX: Final = 10**12
"""Ten billion dollars in cents: far above any bill, far below what 64 bits and a JSON number hold exactly."""

AmountMinor = Annotated[int, Field(ge=-AMOUNT_MINOR_MAX, le=AMOUNT_MINOR_MAX)]
"""Money in minor units of a currency, negative where that means something."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code, such as `USD`."""

Code = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
"""A word from one of our own lists, such as a reason: ASCII without spaces."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""A short text in one line: a payer or member id, a plan's name, a time zone, a category."""

Name = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""A part of a person's name; it may be empty, for some people have only one."""

Description = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""What a host system calls something; it may be empty."""

Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""A sentence in one line: a subject, a summary, a reason in words."""

NOTE_PATTERN: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"

Note = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=NOTE_PATTERN)]
"""A remark of several lines; newlines and tabs are its only control characters."""

Body = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=NOTE_PATTERN)]
"""The text of a message; newlines and tabs are its only control characters."""

Secret = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""A token that proves or stands for something; never logged."""

Version = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""A number that only grows, of an account, a coverage or a rule set."""

Position = Annotated[int, Field(ge=1, le=1_000)]
"""A place in an order that starts at one: the first instalment, the first payer."""

DayOfMonth = Annotated[int, Field(ge=1, le=31)]
"""The day wished for; a shorter month uses its last."""

Sex = Literal["female", "male", "other", "unknown"]
Relationship = Literal["self", "spouse", "child", "other"]
"""What the patient is to the subscriber."""

Persons = Annotated[tuple[Id, ...], Field(max_length=100)]
"""Persons, by id."""

MethodKind = Literal["card", "bank_account"]

LastFour = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$")]
"""The last four digits of a card or bank account, for people to recognise it by."""


S = TypeVar("S", bound=str)


class _Growing:
    """Marks a vocabulary that is closed for who writes and open for who reads.

    A type checker holds the writer to the `Literal`; an older reader takes a word that it has not heard of,
    so that adding one breaks nobody.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        unheard = core_schema.str_schema(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$")
        return core_schema.union_schema([handler(source), unheard], mode="left_to_right")


Growing = Annotated[S, _Growing()]
"""`Growing[Literal[...]]`: the words known today; readers must expect others."""


class Record(BaseModel):
    """A part of what a message says."""

    model_config = Data.model_config


class Subscriber(Record):
    """The person who holds an insurance plan, as the payer knows them."""

    first_name: Name
    last_name: Name
    birth_date: Date


class Method(Record):
    """A card or a bank account, by the processor's token for it; never by its number."""

    kind: MethodKind
    token: Secret
    last4: LastFour
    brand: Word | None = None


class About(Record):
    """What a message or a work item is about; the ids that are given."""

    patient_id: Id | None = None
    account_number: Id | None = None
    visit_account_number: Id | None = None
    statement_id: Id | None = None
    payment_id: Id | None = None
    plan_id: Id | None = None
    refund_id: Id | None = None
    coverage_id: Id | None = None
    change_id: Id | None = None
    verification_id: Id | None = None
