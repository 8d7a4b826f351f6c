"""Guests look up one bill, by its number and the guarantor's last name, and learn what is to be paid; no more."""

import asyncio
import uuid
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import AwareDatetime, BaseModel, Field

from services.payments import guests, reads
from services.payments.api.callers import TheSettings
from services.payments.api.paying import Gateway
from services.payments.domain.proofs import GUEST_LIFETIME, GuestPass
from services.payments.settings import Settings
from shared.database import Pool
from shared.events.envelope import Id
from shared.problems import Problem
from shared.routes import Now, ThePool

router = APIRouter(prefix="/v1/guest", tags=["guests"])

Forwarded = Annotated[
    str | None, Header(max_length=500, description="the browser's address, as the gateway sees it")
]


class LookedUp(BaseModel):
    """What a guest typed, and the solved challenge."""

    account_number: Id
    last_name: Annotated[str, Field(min_length=1, max_length=100)]
    captcha: Annotated[str, Field(min_length=1, max_length=8_000)]


class GuestBill(BaseModel):
    """What is to be paid, and what the payment is submitted with."""

    guest_token: str
    subject: str
    balance_minor: int
    currency: str
    expires_at: AwareDatetime


@router.get("/challenge")
async def challenge(_: Gateway, own: TheSettings) -> dict[str, Any]:
    """Give a challenge for one lookup."""
    return guests.challenge(own.secret.get_secret_value(), own.guest_challenge_cost)


@router.post("/lookup")
async def lookup(
    typed: LookedUp,
    _: Gateway,
    request: Request,
    pool: ThePool,
    now: Now,
    own: TheSettings,
    x_forwarded_for: Forwarded = None,
) -> GuestBill:
    """Find the bill; an unknown number and a wrong name are the same, in all that can be seen of it."""
    secret = own.secret.get_secret_value()
    proof = await asyncio.to_thread(guests.solved, typed.captcha, secret)
    if proof is None:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "The captcha was not solved, or too long ago.", reason="captcha_invalid"
        )
    client = request.client.host if request.client else ""
    address = guests.network((x_forwarded_for or client).split(",")[0])
    async with pool.acquire() as connection:
        found = await reads.bills(connection, typed.account_number)
    # Whichever of an account's numbers is typed, the attempts are at that account, too.
    number = found[0].account_number if len(found) == 1 else typed.account_number
    few = await _take(pool, now, own, proof, (typed.account_number, number), address)
    bill = guests.matching(found, typed.last_name)
    if not few:
        # Not that there were too many: that would tell which numbers exist, and belong together.
        bill = None
    shown = await reads.show_accounts(pool, [bill.account_number if bill else ""])
    if bill is None or not shown:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such bill under this name.", reason="not_found")
    account, expires_at = shown[0].account, now + GUEST_LIFETIME
    # What a plan pays is no guest's to pay, and a credit on another visit counts.
    balance_minor = account.owed_minor(None)
    if bill.visit_number:
        balance_minor = min(account.due_minor(None).get(bill.visit_number, 0), max(balance_minor, 0))
    # A call begins a chain, nothing caused it.
    subject = f"guest-{uuid.uuid4().hex}"  # noqa: TID251
    token = own.rules().proofs.sign(
        GuestPass(
            account.number,
            typed.account_number,
            subject,
            bill.visit_number,
            expires_at.timestamp(),
            guests.stand_in(secret, "address", address).hex(),
        )
    )
    return GuestBill(
        guest_token=token,
        subject=subject,
        balance_minor=balance_minor,
        currency=shown[0].opened.currency,
        expires_at=expires_at,
    )


async def _take(
    pool: Pool, now: datetime, own: Settings, proof: bytes, numbers: tuple[str, str], address: str
) -> bool:
    """Use up a proof, count the attempt, and tell whether there were few enough at the account.

    The numbers are the one that was typed, which everybody hears was tried too often, and the account's own.

    Raises:
        Problem: the proof was used before, or there were too many attempts.
    """
    secret = own.secret.get_secret_value()
    typed, number = numbers
    tried = [("account", number), ("typed", typed), ("address", address), ("all", "")]
    per_account = own.guest_lookups_per_account
    limits = [per_account, own.guest_lookups_per_address, own.guest_lookups]
    async with pool.acquire() as connection, connection.transaction():
        fresh = await guests.use(connection, proof)
        counts = await guests.attempts(connection, secret, tried, now) if fresh else []
    if not fresh:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "This captcha was used before: solve another.", reason="captcha_used"
        )
    at_account, *others = counts
    if any(count > limit for count, limit in zip(others, limits, strict=True)):
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "There were too many attempts: try again in a quarter of an hour.",
            reason="too_many_attempts",
            headers={"Retry-After": f"{guests.WINDOW.total_seconds():.0f}"},
        )
    return at_account <= per_account
