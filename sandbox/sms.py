"""A carrier of texts in the shape of Twilio's API: takes texts, tells what became of them, and brings answers."""

import asyncio
import hmac
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field

from sandbox.arrivals import AddressBehaviour, Arrived
from sandbox.clock import TheClock
from sandbox.mail import TheArrivals
from sandbox.receipts import Receipts
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


async def _receipts(request: Request) -> Receipts:
    receipts: Receipts = request.app.state.receipts
    return receipts


Account = Annotated[str, Depends(_account)]
TheReceipts = Annotated[Receipts, Depends(_receipts)]

router = APIRouter(prefix="/sms", tags=["sms"])


@router.post("/2010-04-01/Accounts/{sid}/Messages.json")  # noqa: FAST003  # the dependency reads it
async def create_text(  # Twilio's form
    request: Request,
    account: Account,
    arrivals: TheArrivals,
    receipts: TheReceipts,
    clock: TheClock,
    to: Annotated[str, Form(alias="To", max_length=20)],
    text: Annotated[str, Form(alias="Body", max_length=1600)],
    sender: Annotated[str, Form(alias="From", max_length=20)],
    callback: Annotated[str | None, Form(alias="StatusCallback")] = None,
) -> JSONResponse:
    """Take a text; what its number does with it follows from how it behaves."""
    manner = arrivals.manner("sms", to)
    if manner.behaviour == "refuse":
        return JSONResponse(REFUSED, HTTPStatus.BAD_REQUEST)
    status = "delivered" if manner.arrives else "undelivered"
    now = clock.now()
    message_id = arrivals.add("sms", sender, to, {"text": text}, status, now)
    if callback is not None:
        about = {"MessageSid": message_id, "AccountSid": account, "To": to, "From": sender}
        for _ in range(manner.copies):
            receipts.tell("sms", callback, about | {"MessageStatus": "sent"}, after_s=manner.late_s)
            final = about | {"MessageStatus": status}
            if not manner.arrives:
                final["ErrorCode"] = UNREACHABLE
            receipts.tell("sms", callback, final, after_s=manner.late_s)
    if manner.behaviour == "complain" and (inbound_url := request.app.state.sms_inbound_url):
        bring_text(receipts, inbound_url, to, "STOP", now)
    await asyncio.sleep(manner.hold_s)
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
async def bring(request: Request, answer: Answer, receipts: TheReceipts, clock: TheClock) -> Brought:
    """Bring what somebody texts to where the hospital wants it."""
    url = request.app.state.sms_inbound_url
    if url is None:
        raise Problem(HTTPStatus.CONFLICT, "Nobody told the sandbox where inbound texts go.")
    return Brought(id=bring_text(receipts, url, _number(answer.sender), answer.text, clock.now()))


def bring_text(receipts: Receipts, url: str, sender: str, text: str, now: datetime) -> str:
    """Have a text brought to the hospital; return its id."""
    message_id = f"SM{uuid5(NAMESPACE_URL, f'{sender} {text} {now}').hex}"
    receipts.tell("sms", url, {"MessageSid": message_id, "From": sender, "To": OWN_NUMBER, "Body": text})
    return message_id


def _number(typed: str) -> str:
    """Return a number as it is kept; in a query, a plus that nobody escaped is a space."""
    return "+" + "".join(letter for letter in typed if letter.isdigit())
