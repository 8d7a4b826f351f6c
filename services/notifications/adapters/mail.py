"""The mail server, over SMTP, and what its service posts of mails that it took.

A mail counts as sent when the server has taken its content. What was refused before is certain; when the answer to
the content itself is missing, nobody can know.
"""

import asyncio
from datetime import datetime
from email.headerregistry import Address
from email.message import Message
from email.policy import compat32
from email.utils import format_datetime, formataddr
from typing import Annotated, Final, Literal, get_args
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPRecipientRefused, SMTPResponseException
from pydantic import BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from services.notifications.adapters.delivery import Delivery
from shared.signatures import signed_at

_CONNECT_TIMEOUT_S: Final = 5.0
_FOR_GOOD: Final = 500
_EVENTS_MAX: Final = 1000
# A folded link is one that some readers cannot follow; no header of ours is as long as a line may be.
_POLICY: Final = compat32.clone(linesep="\r\n", max_line_length=0)

News = Literal["delivered", "bounced", "complained"]


class _Event(BaseModel):
    event: News
    message_id: Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]


_EVENTS: Final = TypeAdapter(Annotated[list[dict[str, JsonValue]], Field(max_length=_EVENTS_MAX)])


class Mail:
    """The server at `url`; mails come from `sender`, an address with or without a name."""

    def __init__(self, url: str, sender: Address, timeout_s: float) -> None:
        self._server = urlsplit(url)
        self._sender = sender
        self._timeout_s = timeout_s
        self._idle: list[SMTP] = []

    async def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()

    async def send(self, message: Message, to: str, reference: str, now: datetime) -> Delivery:
        """Send a mail, whose `Message-ID` holds the reference."""
        message["From"] = formataddr((self._sender.display_name, self._sender.addr_spec))
        message["To"] = to
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{reference}@{self._sender.domain}>"
        content = message.as_bytes(policy=_POLICY)
        try:
            async with asyncio.timeout(self._timeout_s):
                server = await self._ready(to)
        except SMTPRecipientRefused as error:
            # A refusal for good is about the address; all others may be about us, or about now.
            return _not_sent(error) if error.code < _FOR_GOOD else Delivery("refused", reason="refused")
        except SMTPResponseException as error:
            return _not_sent(error)
        except (SMTPException, OSError):
            return Delivery("not_sent", reason="server_not_reached")
        return await self._content(server, content)

    async def _content(self, server: SMTP, content: bytes) -> Delivery:
        """Give a mail's content to the server; from here on it may have been sent."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await server.data(content)
        except SMTPResponseException as error:
            server.close()
            return _not_sent(error) if error.code < _FOR_GOOD else Delivery("failed", reason="rejected")
        except (SMTPException, OSError):
            server.close()
            return Delivery("unknown")
        self._idle.append(server)
        return Delivery("sent")

    async def _ready(self, to: str) -> SMTP:
        """Return a connection on which the server waits for the content of a mail to somebody."""
        while self._idle:
            server = self._idle.pop()
            try:
                return await self._addressed(server, to)
            except aiosmtplib.SMTPServerDisconnected:
                continue  # it had been idle for too long
        at = self._server
        server = SMTP(
            hostname=at.hostname,
            port=at.port,
            use_tls=at.scheme == "smtps",
            username=unquote(at.username) if at.username else None,
            password=unquote(at.password) if at.password else None,
            timeout=self._timeout_s,
        )
        try:
            await server.connect(timeout=_CONNECT_TIMEOUT_S)
        except BaseException:
            server.close()
            raise
        return await self._addressed(server, to)

    async def _addressed(self, server: SMTP, to: str) -> SMTP:
        try:
            await server.mail(self._sender.addr_spec)
            await server.rcpt(to)
        except BaseException:
            server.close()
            raise
        return server


def receipts(
    secret: str, signature: str, body: bytes
) -> list[tuple[str, News]] | Literal["signature_invalid", "invalid_data"]:
    """Return by reference what a batch of events says became of mails, or why it is not believed."""
    # Signed however long ago: what is told again changes nothing.
    if signed_at(secret, signature, body) is None:
        return "signature_invalid"
    try:
        events = [_Event.model_validate(one) for one in _EVENTS.validate_json(body) if not _of_another_kind(one)]
    except ValidationError:
        return "invalid_data"
    return [(one.message_id.strip("<>").partition("@")[0], one.event) for one in events]


def _of_another_kind(event: dict[str, JsonValue]) -> bool:
    """Tell whether an event is none that we know, such as that a mail was opened, whatever else it says."""
    kind = event.get("event")
    return isinstance(kind, str) and kind not in get_args(News)


def _not_sent(error: SMTPResponseException) -> Delivery:
    return Delivery("not_sent", reason=f"server_answered_{error.code}")
