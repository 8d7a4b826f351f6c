"""A mail service: a real SMTP server that takes mails, and tells what became of them."""

import asyncio
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Annotated, Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from sandbox.arrivals import AddressBehaviour, Arrivals, Arrived
from sandbox.receipts import Receipts
from shared.clock import Clock

BYTES_MAX: Final = 1024 * 1024
REFUSED: Final = "550 5.1.1 There is no such mailbox"


class ArrivedMail(Arrived):
    """A mail that arrived."""

    sender: str = Field(serialization_alias="from")
    subject: str
    text: str
    html: str
    headers: dict[str, str]


class MailServer:
    """Takes mails; what an address does with them follows from how it behaves."""

    def __init__(self, arrivals: Arrivals, receipts: Receipts, clock: Clock, events_url: str | None) -> None:
        self._arrivals = arrivals
        self._receipts = receipts
        self._clock = clock
        self._events_url = events_url
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="sandbox", data_size_limit=BYTES_MAX, loop=loop), host, port
        )

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    # What aiosmtpd calls, by these names

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or refuse them."""
        if self._arrivals.manner("mail", address).behaviour == "refuse":
            return REFUSED
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail."""
        content = envelope.content
        assert isinstance(content, bytes)  # noqa: S101  # as long as nobody asks aiosmtpd to decode
        hold_s = max([self._take(address, content, envelope.mail_from or "") for address in envelope.rcpt_tos])
        await asyncio.sleep(hold_s)
        return "250 2.0.0 OK"

    def _take(self, address: str, content: bytes, sender: str) -> float:
        """Keep a mail for one recipient, and what will be told of it; return how long the answer waits."""
        mail = message_from_bytes(content, policy=default_policy)
        manner = self._arrivals.manner("mail", address)
        status = "delivered" if manner.arrives else "undelivered"
        said = {
            "subject": str(mail["Subject"] or ""),
            "text": _part(mail, "plain"),
            "html": _part(mail, "html"),
            "headers": {name: str(value).strip() for name, value in mail.items()},
        }
        self._arrivals.add("mail", sender, address, said, status, self._clock.now())
        events = ["delivered" if manner.arrives else "bounced"]
        if manner.behaviour == "complain":
            events.append("complained")
        for event in events if self._events_url else ():
            told = {"event": event, "message_id": str(mail["Message-ID"] or "")}
            self._receipts.tell("mail", self._events_url or "", told, copies=manner.copies, after_s=manner.late_s)
        return manner.hold_s


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    return str(body.get_content()) if body is not None else ""


async def _arrivals(request: Request) -> Arrivals:
    arrivals: Arrivals = request.app.state.arrivals
    return arrivals


TheArrivals = Annotated[Arrivals, Depends(_arrivals)]

router = APIRouter(prefix="/mail", tags=["mail"])


@router.get("/messages")
async def list_mails(
    arrivals: TheArrivals, to: Annotated[str | None, Query(max_length=320)] = None
) -> list[ArrivedMail]:
    """List the mails that arrived, at one address or at all, oldest first."""
    return [_mail(row) for row in arrivals.list("mail", to)]


@router.post("/behaviour")
async def behave(behaviour: AddressBehaviour, arrivals: TheArrivals) -> AddressBehaviour:
    """Choose how an address behaves: ok, bounce, complain, refuse, delay, late-receipt or double-receipt."""
    arrivals.behave("mail", behaviour)
    return behaviour


def _mail(row: dict[str, Any]) -> ArrivedMail:
    return ArrivedMail(sender=row.pop("from"), **row)
