"""What the processor remembers: charges, refunds, and the idempotency keys that made them.

A charge never changes once it is written. What will become of it (a return, a dispute) is written with it,
together with the time; its status follows from the rows and the time asked for. So nothing has to run for a
charge to be returned, and the first answer to a key is the charge as of the moment it was made.
"""

import hashlib
import sqlite3
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from sandbox.database import transaction
from sandbox.tokens import SLOW_S, Answering, token
from sandbox.webhooks import EventType, Webhooks

KEY_LIFETIME = timedelta(hours=24)
REFUND_FAILS_AFTER = timedelta(days=1)
TOLD_AFTER: dict[Answering, timedelta] = {
    "at once": timedelta(),
    "slowly": timedelta(seconds=SLOW_S + 1),
    "never": timedelta(minutes=1),
    "with an error": timedelta(minutes=1),
}
"""How much later a charge is told by webhook: not before its answer, nor at once where there is none to come."""

Kind = Literal["card", "bank_account"]
Status = Literal["succeeded", "declined", "refunded", "returned", "disputed"]
Refusal = Literal["idempotency_conflict", "not_found", "not_refundable", "not_disputed", "amount_exceeds_charge"]
DisputeStatus = Literal["needs_response", "under_review", "won", "lost"]
Text = Annotated[str, Field(min_length=1, max_length=128)]
AmountMinor = Annotated[int, Field(gt=0, le=10**12)]


class Order(BaseModel):
    """A request's body; `"12"` is no amount."""

    model_config = ConfigDict(strict=True, frozen=True)


class Method(Order):
    """What is charged; the token chooses the behaviour."""

    kind: Kind
    token: Text


class ChargeOrder(Order):
    """What to charge, for which payment."""

    payment_id: Text
    account_number: Text
    amount_minor: AmountMinor
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    method: Method


class RefundOrder(Order):
    """How much of a charge to give back, in its currency."""

    amount_minor: AmountMinor


class HappenedCharge(BaseModel):
    """A charge as the truth for tests lists it."""

    charge_id: str
    idempotency_key: str
    payment_id: str
    account_number: str
    amount_minor: int
    currency: str
    kind: Kind
    status: Status
    created_at: AwareDatetime


class Charge(HappenedCharge):
    """An attempt to charge. `reason` says why it was declined, returned or disputed."""

    reason: str | None
    refunded_minor: int
    dispute_status: DisputeStatus | None


class Refund(BaseModel):
    """A refund of a charge, or of a part of it."""

    refund_id: str
    idempotency_key: str
    charge_id: str
    amount_minor: int
    currency: str
    status: Literal["succeeded", "failed"]
    created_at: AwareDatetime


class RefusedError(Exception):
    """The processor refuses an order, and nothing has changed."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Claim(NamedTuple):
    """What a key makes, or made at `at` when it is not `fresh`."""

    made_id: str
    at: float
    fresh: bool


TABLES = """
create table if not exists keys (
    idempotency_key text primary key, fingerprint text not null, made_id text not null, used_at real not null
) strict;
create table if not exists charges (
    charge_id text primary key, idempotency_key text not null, payment_id text not null,
    account_number text not null, amount_minor integer not null check (amount_minor > 0),
    currency text not null, kind text not null, token text not null, created_at real not null,
    declined text, turns_into text, turn_reason text, turns_at real
) strict;
create index if not exists charges_by_key on charges (idempotency_key);
create index if not exists charges_by_account on charges (account_number);
create table if not exists refunds (
    refund_id text primary key, idempotency_key text not null, charge_id text not null references charges,
    amount_minor integer not null check (amount_minor > 0), created_at real not null, fails_at real
) strict;
create index if not exists refunds_by_key on refunds (idempotency_key);
create index if not exists refunds_by_charge on refunds (charge_id);
create table if not exists disputes (
    charge_id text primary key references charges, status text not null
) strict;
"""

CHARGES = """
select charge_id, idempotency_key, payment_id, account_number, amount_minor, currency, kind, created_at,
       refunded_minor, coalesce(declined, iif(turns_at <= :now, turn_reason, null)) as reason,
       case when declined is not null then 'declined'
            when turns_at <= :now and dispute is not 'won' then turns_into
            when refunded_minor = amount_minor then 'refunded'
            else 'succeeded' end as status,
       case when turns_into = 'disputed' and turns_at <= :now
            then coalesce(dispute, 'needs_response') end as dispute_status
from (select charges.*, disputes.status as dispute,
             coalesce((select sum(amount_minor) from refunds
                       where refunds.charge_id = charges.charge_id and refunds.created_at <= :now
                         and (fails_at is null or fails_at > :now)), 0) as refunded_minor
      from charges left join disputes using (charge_id))
"""
"""Every attempt to charge, as of `:now`; one whose dispute was won is as it was before."""

REFUNDS = """
select refund_id, refunds.idempotency_key, charge_id, refunds.amount_minor, currency, refunds.created_at,
       iif(fails_at <= :now, 'failed', 'succeeded') as status
from refunds join charges using (charge_id)
"""
"""Every refund, as of `:now`."""


class Ledger:
    """The processor's truth. Each order is one transaction with the events that it causes."""

    def __init__(self, db: sqlite3.Connection, webhooks: Webhooks) -> None:
        db.executescript(TABLES)
        self._db = db
        self._webhooks = webhooks

    def charge(self, key: str, order: ChargeOrder, now: datetime) -> Charge:
        """Charge once for `key`, and answer the same for as long as the key lives.

        Raises:
            RefusedError: `idempotency_conflict`.
        """
        with transaction(self._db):
            claim = self._claim("ch", key, order.model_dump_json(), now)
            if claim.fresh:
                self._write_charge(claim.made_id, key, order, now)
        (row,) = self._db.execute(f"{CHARGES} where charge_id = :id", {"id": claim.made_id, "now": claim.at})
        return Charge(**row)

    def refund(self, key: str, charge_id: str, order: RefundOrder, now: datetime) -> Refund:
        """Give back once for `key`, and answer the same for as long as the key lives.

        Raises:
            RefusedError: `idempotency_conflict`, `not_found`, `not_refundable` or `amount_exceeds_charge`.
        """
        with transaction(self._db):
            claim = self._claim("re", key, f"{charge_id} {order.model_dump_json()}", now)
            if claim.fresh:
                self._write_refund(claim.made_id, key, charge_id, order, now)
        (row,) = self._db.execute(f"{REFUNDS} where refund_id = :id", {"id": claim.made_id, "now": claim.at})
        return Refund(**row)

    def move_dispute(self, charge_id: str, status: DisputeStatus, now: datetime) -> Charge:
        """Bring the dispute of a charge further, and tell of it.

        Raises:
            RefusedError: `not_found` or `not_disputed`.
        """
        charge = self.charge_of_id(charge_id, now)
        if charge is None:
            raise RefusedError("not_found", "There is no such charge.")
        if charge.dispute_status is None:
            raise RefusedError("not_disputed", f"The charge is {charge.status}.")
        about = {"idempotency_key": charge.idempotency_key, "payment_id": charge.payment_id, "dispute": status}
        with transaction(self._db):
            self._db.execute("insert or replace into disputes values (?, ?)", (charge_id, status))
            self._webhooks.announce("charge.disputed", charge_id, now, about)
        (row,) = self._db.execute(f"{CHARGES} where charge_id = :id", {"id": charge_id, "now": now.timestamp()})
        return Charge(**row)

    def happened(self, now: datetime, account_number: str | None) -> list[HappenedCharge]:
        """Return every charge that really happened, of one account or of all, oldest first."""
        account = "" if account_number is None else "and account_number = :account_number"
        rows = self._db.execute(
            f"{CHARGES} where declined is null {account} order by created_at",
            {"now": now.timestamp(), "account_number": account_number},
        )
        return [HappenedCharge(**row) for row in rows]

    def charge_of_key(self, key: str, now: datetime) -> Charge | None:
        """Return the newest attempt with `key`, be it declined, and be the key's lifetime over."""
        sql = f"{CHARGES} where idempotency_key = :key order by created_at desc limit 1"
        rows = self._db.execute(sql, {"key": key, "now": now.timestamp()})
        return next((Charge(**row) for row in rows), None)

    def charge_of_id(self, charge_id: str, now: datetime) -> Charge | None:
        """Return an attempt to charge by its own id."""
        rows = self._db.execute(f"{CHARGES} where charge_id = :id", {"id": charge_id, "now": now.timestamp()})
        return next((Charge(**row) for row in rows), None)

    def refund_of_key(self, key: str, now: datetime) -> Refund | None:
        """Return the newest refund with `key`, be the key's lifetime over."""
        sql = f"{REFUNDS} where refunds.idempotency_key = :key order by refunds.created_at desc limit 1"
        rows = self._db.execute(sql, {"key": key, "now": now.timestamp()})
        return next((Refund(**row) for row in rows), None)

    def _claim(self, kind: Literal["ch", "re"], key: str, content: str, now: datetime) -> Claim:
        """Say what `key` made within its lifetime, or take it for something new."""
        fingerprint = hashlib.sha256(content.encode()).hexdigest()
        seen = self._db.execute(
            "select * from keys where idempotency_key = ? and used_at > ?",
            (key, (now - KEY_LIFETIME).timestamp()),
        ).fetchone()
        if seen is None:
            at = now.timestamp()
            # Derived, so that an id needs no randomness: a key makes one thing at a time.
            made_id = f"{kind}_{uuid5(NAMESPACE_URL, f'{key} {at}').hex}"
            self._db.execute("insert or replace into keys values (?, ?, ?, ?)", (key, fingerprint, made_id, at))
            return Claim(made_id, at, fresh=True)
        if seen["fingerprint"] != fingerprint:
            raise RefusedError("idempotency_conflict", "This key was used for another request.")
        return Claim(seen["made_id"], seen["used_at"], fresh=False)

    def _write_charge(self, charge_id: str, key: str, order: ChargeOrder, now: datetime) -> None:
        does = token(order.method.token)
        turn = does.turn
        row = order.model_dump(exclude={"method"}) | order.method.model_dump()
        row |= {"charge_id": charge_id, "key": key, "now": now.timestamp(), "declined": does.declined}
        row |= {
            "into": turn and turn.into,
            "why": turn and turn.reason,
            "at": turn and turn.at(now).timestamp(),
        }
        self._db.execute(
            "insert into charges values (:charge_id, :key, :payment_id, :account_number, :amount_minor,"
            " :currency, :kind, :token, :now, :declined, :into, :why, :at)",
            row,
        )
        about = {"idempotency_key": key, "payment_id": order.payment_id}
        if does.declined is None:
            self._webhooks.announce("charge.succeeded", charge_id, now, about, TOLD_AFTER[does.answer])
        if turn:
            kind: EventType = "charge.returned" if turn.into == "returned" else "charge.disputed"
            self._webhooks.announce(kind, charge_id, turn.at(now), about | {"reason": turn.reason})

    def _write_refund(self, refund_id: str, key: str, charge_id: str, order: RefundOrder, now: datetime) -> None:
        charge = self.charge_of_id(charge_id, now)
        if charge is None or charge.status == "declined":
            raise RefusedError("not_found", "There is no such charge.")
        if charge.status not in ("succeeded", "refunded"):
            raise RefusedError("not_refundable", f"The charge is {charge.status}.")
        if charge.refunded_minor + order.amount_minor > charge.amount_minor:
            raise RefusedError("amount_exceeds_charge", "More than what is left of the charge.")
        (made,) = self._db.execute("select token from charges where charge_id = ?", (charge_id,))
        fails_at = now + REFUND_FAILS_AFTER if token(made["token"]).refund_fails else None
        self._db.execute(
            "insert into refunds values (?, ?, ?, ?, ?, ?)",
            (
                refund_id,
                key,
                charge_id,
                order.amount_minor,
                now.timestamp(),
                fails_at and fails_at.timestamp(),
            ),
        )
        about = {"idempotency_key": key, "payment_id": charge.payment_id, "refund_id": refund_id}
        self._webhooks.announce("refund.succeeded", charge_id, now, about)
        if fails_at:
            self._webhooks.announce("refund.failed", charge_id, fails_at, about)
