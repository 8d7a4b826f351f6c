"""What the mail service and the carrier tell their customer: kept until taken, signed, and told at least once."""

import asyncio
import hmac
import json
import sqlite3
from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import urlencode

import aiohttp
import structlog

from shared.clock import Clock
from shared.signatures import sign

log = structlog.get_logger(__name__)

Signer = Literal["mail", "sms", "smpp"]
"""Who tells: the mail service, and the carrier over HTTP or over SMPP, where nothing is signed."""

Deliver = Callable[[str, dict[str, str]], Awaitable[bool]]

POLL_S: Final = 0.1
POST_TIMEOUT_S: Final = 10
RETRY_DOUBLINGS_MAX: Final = 6
BATCH_MAX: Final = 100

TABLE: Final = """
create table if not exists receipts (
    sequence integer primary key, signer text not null, url text not null, said text not null,
    send_at real not null, attempts integer not null default 0
) strict;
create index if not exists receipts_by_time on receipts (send_at);
"""


def sign_text(secret: str, url: str, form: dict[str, str]) -> str:
    """Return the header `X-Twilio-Signature`: HMAC-SHA1, in base64, over the URL and the sorted fields."""
    said = url + "".join(f"{name}{value}" for name, value in sorted(form.items()))
    return b64encode(hmac.digest(secret.encode(), said.encode(), "sha1")).decode()


class Receipts:
    """Keeps what is to be told and sends each until it is taken with a 2xx, those to one place in their order."""

    def __init__(self, db: sqlite3.Connection, clock: Clock, secrets: dict[Signer, str], smpp: Deliver) -> None:
        db.executescript(TABLE)
        self._smpp = smpp
        self._db = db
        self._clock = clock
        self._secrets = secrets

    def tell(self, signer: Signer, url: str, said: dict[str, str], *, copies: int = 1, after_s: float = 0) -> None:
        """Keep what is to be told at `url`, or to a system over SMPP, after so long by the sandbox's clock."""
        send_at = (self._clock.now() + timedelta(seconds=after_s)).timestamp()
        row = (signer, url, json.dumps(said), send_at)
        self._db.executemany(
            "insert into receipts (signer, url, said, send_at) values (?, ?, ?, ?)", [row] * copies
        )

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=POST_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                due = self._db.execute(
                    "select * from receipts where sequence in (select min(sequence) from receipts"
                    " where send_at <= ? group by signer, url limit ?)",
                    (self._clock.now().timestamp(), BATCH_MAX),
                ).fetchall()
                if due:
                    await asyncio.gather(*(self._send(http, row) for row in due))
                else:
                    await asyncio.sleep(POLL_S)

    async def _send(self, http: aiohttp.ClientSession, row: sqlite3.Row) -> None:
        if await self._taken(http, row["signer"], row["url"], json.loads(row["said"])):
            self._db.execute("delete from receipts where sequence = ?", (row["sequence"],))
            return
        wait_s = 2 ** min(row["attempts"], RETRY_DOUBLINGS_MAX)
        log.warning("a receipt was not taken", attempts=row["attempts"] + 1, delay_s=wait_s)
        self._db.execute(
            "update receipts set attempts = attempts + 1, send_at = ? where sequence = ?",
            (self._clock.now().timestamp() + wait_s, row["sequence"]),
        )

    async def _taken(self, http: aiohttp.ClientSession, signer: Signer, url: str, said: dict[str, str]) -> bool:
        if signer == "smpp":
            return await self._smpp(url, said)
        secret = self._secrets[signer]
        if signer == "mail":
            body = json.dumps([said]).encode()
            headers = {
                "Content-Type": "application/json",
                "Mail-Signature": sign(secret, self._clock.now(), body),
            }
        else:
            body = urlencode(said).encode()
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": sign_text(secret, url, said),
            }
        try:
            async with http.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status < HTTPStatus.MULTIPLE_CHOICES
        except (aiohttp.ClientError, TimeoutError):
            return False
