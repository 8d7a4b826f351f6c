"""What arrives at people by mail and by text, and how each address behaves."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import NAMESPACE_URL, uuid5

from pydantic import AwareDatetime, BaseModel, Field

Channel = Literal["mail", "sms"]
Behaviour = Literal["ok", "bounce", "complain", "refuse", "delay", "late-receipt", "double-receipt"]

DELAY_S: Final = 15.0
"""How long an answer is held back: longer than a careful client waits."""

LATE_S: Final = 10.0
"""How late a receipt is, by the sandbox's clock."""

TABLES: Final = """
create table if not exists arrivals (
    sequence integer primary key, id text not null unique, channel text not null, sender text not null,
    recipient text not null, content text not null, received_at real not null, status text not null
) strict;
create index if not exists arrivals_by_recipient on arrivals (channel, recipient);
create table if not exists behaviours (
    channel text not null, address text not null, behaviour text not null, primary key (channel, address)
) strict;
"""


class AddressBehaviour(BaseModel):
    """How an address behaves from now on.

    `bounce`: what is sent is taken, and comes back. `complain`: it arrives, and its reader complains. `refuse`: it
    is not taken. `delay`: it arrives, and whoever sent it waits 15 s for the answer. `late-receipt`: the receipt
    comes 10 s later. `double-receipt`: it comes twice.
    """

    address: str = Field(min_length=1, max_length=320)
    behaviour: Behaviour


class Arrived(BaseModel):
    """A message that somebody got."""

    id: str
    to: str
    received_at: AwareDatetime


@dataclass(frozen=True)
class Manner:
    """What follows for a message from how its address behaves."""

    behaviour: Behaviour

    @property
    def arrives(self) -> bool:
        """Whether the person gets it."""
        return self.behaviour not in ("bounce", "refuse")

    @property
    def hold_s(self) -> float:
        """How long the answer is held back."""
        return DELAY_S if self.behaviour == "delay" else 0

    @property
    def late_s(self) -> float:
        """How late the receipts are."""
        return {"late-receipt": LATE_S, "delay": DELAY_S}.get(self.behaviour, 0)

    @property
    def copies(self) -> int:
        """How often each receipt is sent."""
        return 2 if self.behaviour == "double-receipt" else 1


class Arrivals:
    """Keeps what arrived. An address is known in whatever case it is written."""

    def __init__(self, db: sqlite3.Connection) -> None:
        db.executescript(TABLES)
        self._db = db

    def behave(self, channel: Channel, told: AddressBehaviour) -> None:
        """Let an address behave so."""
        row = (channel, told.address.lower(), told.behaviour)
        self._db.execute("insert or replace into behaviours values (?, ?, ?)", row)

    def manner(self, channel: Channel, address: str) -> Manner:
        """Return how an address behaves."""
        row = self._db.execute(
            "select behaviour from behaviours where channel = ? and address = ?", (channel, address.lower())
        ).fetchone()
        return Manner(row["behaviour"] if row else "ok")

    def add(
        self, channel: Channel, sender: str, recipient: str, content: dict[str, Any], status: str, at: datetime
    ) -> str:
        """Keep a message with what became of it; return its id."""
        (number,) = self._db.execute("select coalesce(max(sequence), 0) + 1 from arrivals").fetchone()
        message_id = f"SM{uuid5(NAMESPACE_URL, f'{channel} {number} {at}').hex}"
        row = (message_id, channel, sender, recipient.lower(), json.dumps(content), at.timestamp(), status)
        self._db.execute(
            "insert into arrivals (id, channel, sender, recipient, content, received_at, status)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        return message_id

    def list(self, channel: Channel, recipient: str | None, *, arrived: bool = True) -> list[dict[str, Any]]:
        """Return what arrived at an address, or at all, oldest first; or all that was taken."""
        rows = self._db.execute(
            "select * from arrivals where channel = :channel and (:to is null or recipient = :to)"
            " and (not :arrived or status <> 'undelivered') order by sequence",
            {"channel": channel, "to": recipient and recipient.lower(), "arrived": arrived},
        )
        return [
            {
                "id": row["id"],
                "from": row["sender"],
                "to": row["recipient"],
                "received_at": row["received_at"],
                "status": row["status"],
                **json.loads(row["content"]),
            }
            for row in rows
        ]
