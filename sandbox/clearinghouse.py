"""The clearinghouse and the payers behind it: a 270 in, a 271 out, over HTTP.

The beginning of the member id chooses what the payer says. What was asked is kept, as the truth for tests.
"""

import asyncio
import random
import sqlite3
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final
from zlib import crc32

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from sandbox.clock import TheClock
from sandbox.x12 import NoQuestionError, Person, Question, read_question, write_answer
from shared.problems import Problem

HANG_S: Final = 120
DOWN_S: Final = 60
PAYERS: Final = ("SANDBOX01", "SANDBOX02", "SANDBOX03", "SANDBOX04")
MEDIA_TYPE: Final = "application/edi-x12"

MEMBERS: Final = {
    "ACTIVE": "in force, with deductibles, out-of-pocket maxima, copays and coinsurance",
    "INACTIVE": "no longer in force",
    "NOTFOUND": "the payer does not know the member (AAA 75)",
    "BADDOB": "the date of birth is another (AAA 71)",
    "PAYERDOWN": f"the payer is down (AAA 42) for {DOWN_S} s of the clock since it was first asked, then ACTIVE",
    "TIMEOUT": "the payer never answers",
    "GARBLED": "what comes back is no whole 271: a page, a rejected envelope, or half an answer",
}

TABLE: Final = """
create table if not exists inquiries (
    id integer primary key, received_at real not null, trace text not null, payer_id text not null,
    member_id text not null, question text not null, answer text not null
) strict
"""
INDEX: Final = "create index if not exists inquiries_member_upper on inquiries (upper(member_id))"
NOT_SENT: Final = "*~:^`"
"""What no text of a 270 has: separators, and a sign that X12 does not know."""


class Behaviour(BaseModel):
    """How long answers take: at least `latency_s`, and up to `latency_max_s` if that is given."""

    latency_s: Annotated[float, Field(ge=0, le=HANG_S)] = 0.0
    latency_max_s: Annotated[float, Field(ge=0, le=HANG_S)] | None = None

    @model_validator(mode="after")
    def _grows(self) -> "Behaviour":
        if self.latency_max_s is not None and self.latency_max_s < self.latency_s:
            raise ValueError("latency_max_s is less than latency_s")
        return self


class AskedPerson(BaseModel):
    """A person, as asked about."""

    last_name: str
    first_name: str
    birth_date: str

    @classmethod
    def of(cls, person: Person) -> "AskedPerson":
        """Show a person."""
        return cls(last_name=person.last_name, first_name=person.first_name, birth_date=person.birth_date)


class Inquiry(BaseModel):
    """A 270 that came, and what was answered: a word of the member ids, `UNKNOWN`, or `WRONGPAYER`."""

    received_at: AwareDatetime
    trace: str
    payer_id: str
    member_id: str
    subscriber: AskedPerson
    dependent: AskedPerson | None
    service_date: str
    answer: str


class Clearinghouse:
    """What was asked so far, and how answers are given."""

    def __init__(self, db: sqlite3.Connection) -> None:
        db.execute(TABLE)
        db.execute(INDEX)
        self._db = db
        self.behaviour = Behaviour()

    def take(self, question: Question, text: str, now: datetime) -> str:
        """Remember a question; return the word for how it is answered."""
        member_id = question.member_id.upper()
        word = next((word for word in MEMBERS if member_id.startswith(word)), "UNKNOWN")
        if question.payer_id not in PAYERS:
            word = "WRONGPAYER"
        if word == "PAYERDOWN" and now.timestamp() - self._first_asked(question.member_id, now) >= DOWN_S:
            word = "ACTIVE"
        self._db.execute(
            "insert into inquiries (received_at, trace, payer_id, member_id, question, answer)"
            " values (?, ?, ?, ?, ?, ?)",
            (now.timestamp(), question.trace, question.payer_id, question.member_id, text, word),
        )
        return word

    def _first_asked(self, member_id: str, now: datetime) -> float:
        row = self._db.execute(
            "select min(received_at) as first from inquiries where upper(member_id) = upper(?)", (member_id,)
        ).fetchone()
        first: float | None = row["first"]
        return now.timestamp() if first is None else first

    def inquiries(self, member_id: str | None) -> list[Inquiry]:
        """Return what was asked, about one member or about all, in its order."""
        if member_id is None:
            rows = self._db.execute("select * from inquiries order by id")
        else:
            asked = "select * from inquiries where upper(member_id) in (upper(?), ?) order by id"
            rows = self._db.execute(asked, (member_id, _as_sent(member_id)))
        return [_inquiry(row) for row in rows]


def _as_sent(member_id: str) -> str:
    """Return a member id as it comes in a 270: in capitals without accents, and without what separates there."""
    letters = unicodedata.normalize("NFKD", member_id).upper()
    kept = (c if c.isascii() and c not in NOT_SENT else " " for c in letters if not unicodedata.combining(c))
    return " ".join("".join(kept).split())


def _inquiry(row: sqlite3.Row) -> Inquiry:
    question = read_question(row["question"])
    return Inquiry(
        received_at=datetime.fromtimestamp(row["received_at"], UTC),
        trace=row["trace"],
        payer_id=row["payer_id"],
        member_id=row["member_id"],
        subscriber=AskedPerson.of(question.subscriber),
        dependent=AskedPerson.of(question.dependent) if question.dependent else None,
        service_date=question.service_date,
        answer=row["answer"],
    )


async def _clearinghouse(request: Request) -> Clearinghouse:
    found: Clearinghouse = request.app.state.clearinghouse
    return found


TheClearinghouse = Annotated[Clearinghouse, Depends(_clearinghouse)]

router = APIRouter(prefix="/clearinghouse", tags=["clearinghouse"])


@router.post("")
async def ask_payer(request: Request, clearinghouse: TheClearinghouse, clock: TheClock) -> Response:
    """Take an X12 270 and give the payer's 271; the member id chooses what it says."""
    text = (await request.body()).decode("utf-8", "replace")
    try:
        question = read_question(text)
    except NoQuestionError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    now = clock.now()
    word = clearinghouse.take(question, text, now)
    behaviour = clearinghouse.behaviour
    if behaviour.latency_max_s or behaviour.latency_s:
        most = behaviour.latency_max_s or behaviour.latency_s
        await asyncio.sleep(random.uniform(behaviour.latency_s, most))  # noqa: S311 - how long it takes
    if word == "TIMEOUT":
        await _never_answer(request)
    if word == "GARBLED":
        return _garbled(question, now)
    return Response(answer(question, word, now), media_type=MEDIA_TYPE)


@router.get("/requests")
async def list_requests(
    clearinghouse: TheClearinghouse, member_id: Annotated[str | None, Query(max_length=80)] = None
) -> list[Inquiry]:
    """List every 270 that came, about one member or about all: the truth for tests.

    The member id may be given as it was added or as it was sent.
    """
    return clearinghouse.inquiries(member_id)


@router.post("/behaviour")
async def set_behaviour(behaviour: Behaviour, clearinghouse: TheClearinghouse) -> Behaviour:
    """Choose how long answers take, until another choice or a restart."""
    clearinghouse.behaviour = behaviour
    return behaviour


def answer(question: Question, word: str, now: datetime) -> str:
    """Return what the payer says."""
    rejects = {"NOTFOUND": "75", "UNKNOWN": "75", "BADDOB": "71", "PAYERDOWN": "42", "WRONGPAYER": "79"}
    if word in rejects:
        return write_answer(question, now, rejects=[rejects[word]])
    if word == "INACTIVE":
        return write_answer(question, now, benefits=["EB*6*IND*30**SILVER PPO"])
    return write_answer(question, now, benefits=_benefits(question.member_id))


def _benefits(member_id: str) -> list[str]:
    """Return a plan's benefits; the same member always has the same."""
    met = crc32(member_id.encode()) % 90_000
    amounts = (
        # kind, level, network, total and what is left, in cents
        ("C", "IND", "Y", 150_000, 150_000 - met),
        ("C", "FAM", "Y", 300_000, 300_000 - met),
        ("C", "IND", "N", 300_000, 300_000),
        ("G", "IND", "Y", 600_000, 600_000 - met),
        ("G", "FAM", "Y", 1_200_000, 1_200_000 - met),
        ("G", "IND", "N", 1_500_000, 1_500_000),
    )
    said = ["EB*1*IND*30**SILVER PPO"]
    for kind, level, network, total, left in amounts:
        said += [
            f"EB*{kind}*{level}*30***{period}*{cents / 100:.2f}*****{network}"
            for period, cents in (("23", total), ("29", left))
        ]
    copays = (("98", 3_000), ("UC", 7_500), ("86", 25_000))
    said += [f"EB*B*IND*{service}***27*{cents / 100:.2f}*****Y" for service, cents in copays]
    return [*said, "EB*A*IND*30***27**.2****Y", "EB*A*IND*30***27**.4****N"]


def _garbled(question: Question, now: datetime) -> Response:
    whole = answer(question, "ACTIVE", now)
    match crc32(question.member_id.encode()) % 3:
        case 0:
            return Response("<html><body><h1>Scheduled maintenance</h1></body></html>", media_type="text/html")
        case 1:
            ack = whole.replace("ST*271*0001", "ST*999*0001")
            return Response(ack, media_type=MEDIA_TYPE)
        case _:
            return Response(whole[: len(whole) * 2 // 3], media_type=MEDIA_TYPE)


async def _never_answer(request: Request) -> None:
    """Hold the connection until the client goes away, or has waited as long as a gateway in between would."""
    with suppress(TimeoutError):
        async with asyncio.timeout(HANG_S):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    raise Problem(HTTPStatus.GATEWAY_TIMEOUT, "The payer does not answer.")
