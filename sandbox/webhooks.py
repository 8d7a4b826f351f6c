"""The processor's events: kept until the receiver has taken them, signed, and sent at least once."""

import asyncio
import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

import aiohttp
import structlog

from shared.clock import Clock
from shared.signatures import sign

log = structlog.get_logger(__name__)

EventType = Literal["charge.succeeded", "charge.returned", "charge.disputed", "refund.succeeded", "refund.failed"]
Mode = Literal["on", "off", "twice", "late", "out-of-order"]

POLL_S = 0.1
POST_TIMEOUT_S = 10
RETRY_DOUBLINGS_MAX = 6
BATCH_MAX = 50


@dataclass(frozen=True)
class Manner:
    """How a mode sends: how long it holds an event back, how often it sends it, and which one first."""

    hold_s: float = 0
    copies: int = 1
    newest_first: bool = False


MANNERS: dict[Mode, Manner] = {
    "on": Manner(),
    "off": Manner(copies=0),
    "twice": Manner(copies=2),
    "late": Manner(hold_s=3600),
    "out-of-order": Manner(hold_s=2, newest_first=True),
}
"""All times are by the sandbox's clock. What `off` holds back is sent when another mode follows."""

TABLE = """
create table if not exists events (
    sequence integer primary key, charge_id text not null, body text not null,
    happens_at real not null, send_at real not null, attempts integer not null default 0
) strict;
create index if not exists events_by_time on events (send_at);
"""

DUE = """
select sequence, body, attempts from events
where sequence in (select {first}(sequence) from events where send_at <= :now
                   group by charge_id having min(happens_at) <= :now - :hold_s)
order by sequence limit :batch
"""
"""The first, or the last, event due of each charge: those of one charge are sent one after another."""


class Webhooks:
    """Keeps events and sends each until it is taken with a 2xx. `mode` can be changed at any time."""

    def __init__(self, db: sqlite3.Connection, clock: Clock, secret: str) -> None:
        db.executescript(TABLE)
        self._db = db
        self._clock = clock
        self._secret = secret
        self.mode: Mode = "on"

    def announce(
        self,
        kind: EventType,
        charge_id: str,
        happens_at: datetime,
        about: dict[str, str],
        held: timedelta = timedelta(),
    ) -> None:
        """Keep an event to be sent when `happens_at` has come, in the transaction of what it tells.

        Args:
            kind: what happens.
            charge_id: to which charge.
            happens_at: when.
            about: what else it tells.
            held: how much later it is sent at the earliest.
        """
        body = {
            "event_id": f"evt_{uuid5(NAMESPACE_URL, ' '.join((kind, charge_id, *about.values()))).hex}",
            "type": kind,
            "occurred_at": happens_at.isoformat(),
            "charge_id": charge_id,
            **about,
        }
        moment, send_at = happens_at.timestamp(), (happens_at + held).timestamp()
        self._db.execute(
            "insert into events (charge_id, body, happens_at, send_at) values (?, ?, ?, ?)",
            (charge_id, json.dumps(body), moment, send_at),
        )

    async def run(self, url: str) -> None:
        """Send what is due to `url`, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=POST_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                manner = MANNERS[self.mode]
                due = self._due(manner) if manner.copies else []
                if due:
                    await asyncio.gather(*(self._send(http, url, event, manner.copies) for event in due))
                else:
                    await asyncio.sleep(POLL_S)

    def _due(self, manner: Manner) -> list[sqlite3.Row]:
        sql = DUE.format(first="max" if manner.newest_first else "min")
        at = {"now": self._clock.now().timestamp(), "hold_s": manner.hold_s, "batch": BATCH_MAX}
        return self._db.execute(sql, at).fetchall()

    async def _send(self, http: aiohttp.ClientSession, url: str, event: sqlite3.Row, copies: int) -> None:
        if all([await self._taken(http, url, event["body"].encode()) for _ in range(copies)]):
            self._db.execute("delete from events where sequence = ?", (event["sequence"],))
            return
        wait_s = 2 ** min(event["attempts"], RETRY_DOUBLINGS_MAX)
        log.warning("a webhook was not taken", attempts=event["attempts"] + 1, delay_s=wait_s)
        self._db.execute(
            "update events set attempts = attempts + 1, send_at = ? where sequence = ?",
            (self._clock.now().timestamp() + wait_s, event["sequence"]),
        )

    async def _taken(self, http: aiohttp.ClientSession, url: str, body: bytes) -> bool:
        headers = {
            "Content-Type": "application/json",
            "Processor-Signature": sign(self._secret, self._clock.now(), body),
        }
        try:
            async with http.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status < HTTPStatus.MULTIPLE_CHOICES
        except (aiohttp.ClientError, TimeoutError):
            return False
