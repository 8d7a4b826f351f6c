"""A carrier of texts: takes them, tells what became of them, and brings answers.

It speaks HTTP in the shape of Twilio's API, and SMPP (`sandbox.smpp`); who is bound there gets what people text.
"""

import asyncio
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field

from sandbox.arrivals import AddressBehaviour, Arrivals, Arrived
from sandbox.mail import TheArrivals
from sandbox.receipts import Receipts, Signer
from shared.clock import Clock
from shared.problems import Problem

OWN_NUMBER: Final = "+12025550100"
REFUSED: Final = {"code": 21614, "message": "'To' number is not a valid mobile number", "status": 400}
UNREACHABLE: Final = "30005"


class ArrivedText(Arrived):
    """A text that arrived."""

    text: str


class Answer(BaseModel):
    """What somebody texts to the hospital's number."""

    sender: str = Field(validation_alias="from", min_length=3, max_length=20)
    text: str = Field(max_length=1600)


class Brought(BaseModel):
    """A text is on its way to the hospital."""

    id: str


async def _account(
    request: Request,
    sid: Annotated[str, Path(max_length=64)],
    given: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())],
) -> str:
    """Return the account that calls, which proves itself with the secret as its password."""
    right = hmac.compare_digest(given.password.encode(), request.app.state.sms_secret.encode())
    if given.username != sid or not right:
        raise Problem(HTTPStatus.UNAUTHORIZED, "The carrier wants the account and its secret.")
    return sid


Account = Annotated[str, Depends(_account)]

router = APIRouter(prefix="/sms", tags=["sms"])

Told = tuple[Signer, str]
"""Over what something is told, and to whom."""


class Carrier:
    """Takes texts and brings answers, whichever way the hospital speaks to it.

    Args:
        arrivals: what arrived, and how numbers behave.
        receipts: tells what became of texts.
        clock: the sandbox's.
        inbound: returns where answers go at present, if anywhere.
    """

    def __init__(
        self, arrivals: Arrivals, receipts: Receipts, clock: Clock, inbound: Callable[[], Told | None]
    ) -> None:
        self._arrivals, self._receipts, self._clock, self._inbound = arrivals, receipts, clock, inbound

    def take(
        self, sender: str, to: str, text: str, about: dict[str, str], told_at: Told | None
    ) -> tuple[str, float]:
        """Take a text; what its number does with it follows from how it behaves.

        Returns the text's id, and how long the answer is held back.
        """
        manner = self._arrivals.manner("sms", to)
        status = "delivered" if manner.arrives else "undelivered"
        message_id = self._arrivals.add("sms", sender, to, {"text": text}, status, self._clock.now())
        about = about | {"MessageSid": message_id, "To": to, "From": sender}
        final = about | {"MessageStatus": status} | ({} if manner.arrives else {"ErrorCode": UNREACHABLE})
        if told_at is not None:
            signer, at = told_at
            for said in (about | {"MessageStatus": "sent"}, final) * manner.copies:
                self._receipts.tell(signer, at, said, after_s=manner.late_s)
        if manner.behaviour == "complain":
            self.bring(to, "STOP")
        return message_id, manner.hold_s

    def bring(self, sender: str, text: str) -> str | None:
        """Have a text brought to the hospital; return its id, or nothing if nobody wants it."""
        to = self._inbound()
        if to is None:
            return None
        signer, at = to
        message_id = f"SM{uuid5(NAMESPACE_URL, f'{sender} {text} {self._clock.now()}').hex}"
        said = {"MessageSid": message_id, "From": sender, "To": OWN_NUMBER, "Body": text}
        self._receipts.tell(signer, at, said)
        return message_id


@router.post("/2010-04-01/Accounts/{sid}/Messages.json")  # noqa: FAST003  # the dependency reads it
async def create_text(  # Twilio's form
    request: Request,
    account: Account,
    arrivals: TheArrivals,
    to: Annotated[str, Form(alias="To", max_length=20)],
    text: Annotated[str, Form(alias="Body", max_length=1600)],
    sender: Annotated[str, Form(alias="From", max_length=20)],
    callback: Annotated[str | None, Form(alias="StatusCallback")] = None,
) -> JSONResponse:
    """Take a text; what its number does with it follows from how it behaves."""
    if arrivals.manner("sms", to).behaviour == "refuse":
        return JSONResponse(REFUSED, HTTPStatus.BAD_REQUEST)
    carrier: Carrier = request.app.state.carrier
    told_at: Told | None = ("sms", callback) if callback is not None else None
    message_id, hold_s = carrier.take(sender, to, text, {"AccountSid": account}, told_at)
    await asyncio.sleep(hold_s)
    made = {"sid": message_id, "status": "queued", "to": to, "from": sender, "body": text}
    return JSONResponse(made, HTTPStatus.CREATED)


@router.get("/2010-04-01/Accounts/{sid}/Messages.json")  # noqa: FAST003  # the dependency reads it
async def find_texts(
    _account: Account,
    arrivals: TheArrivals,
    to: Annotated[str, Query(alias="To", max_length=20)],
    since: Annotated[str | None, Query(alias="DateSent>", max_length=10)] = None,
    limit: Annotated[int, Query(alias="PageSize", ge=1, le=1000)] = 50,
) -> dict[str, list[dict[str, Any]]]:
    """List the texts that were taken for a number since a day, newest first, with what became of each."""
    found = [
        {"sid": row["id"], "status": row["status"], "body": row["text"], "to": row["to"]}
        for row in arrivals.list("sms", to, arrived=False)
        if since is None or datetime.fromtimestamp(row["received_at"], UTC).date().isoformat() >= since
    ]
    return {"messages": found[::-1][:limit]}


@router.get("/messages")
async def list_texts(
    arrivals: TheArrivals, to: Annotated[str | None, Query(max_length=20)] = None
) -> list[ArrivedText]:
    """List the texts that arrived, at one number or at all, oldest first."""
    return [ArrivedText(**row) for row in arrivals.list("sms", _number(to) if to else None)]


@router.post("/behaviour")
async def behave(behaviour: AddressBehaviour, arrivals: TheArrivals) -> AddressBehaviour:
    """Choose how a number behaves: ok, bounce, complain (it texts STOP), refuse, delay, and so on."""
    told = behaviour.model_copy(update={"address": _number(behaviour.address)})
    arrivals.behave("sms", told)
    return told


@router.post("/inbound", status_code=HTTPStatus.ACCEPTED)
async def bring(request: Request, answer: Answer) -> Brought:
    """Bring what somebody texts to where the hospital wants it."""
    carrier: Carrier = request.app.state.carrier
    message_id = carrier.bring(_number(answer.sender), answer.text)
    if message_id is None:
        raise Problem(HTTPStatus.CONFLICT, "Nobody told the sandbox where inbound texts go.")
    return Brought(id=message_id)


def _number(typed: str) -> str:
    """Return a number as it is kept; in a query, a plus that nobody escaped is a space."""
    return "+" + "".join(letter for letter in typed if letter.isdigit())
