"""What protects the lookup of bills by guests: a challenge for each attempt, used once, and limits by windows.

What is kept are digests: of the proofs that were used, and of the numbers and addresses that were tried.
"""

import hashlib
import hmac
import re
import time
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any, Final

import altcha

from services.payments.reads import Bill
from shared.database import Connection

WINDOW: Final = timedelta(minutes=15)
_CHALLENGE_LIFETIME: Final = timedelta(minutes=20)
_ALGORITHM: Final = "PBKDF2/SHA-256"

# Each forgets some of what is too old to count, and more than it adds, on a quiet site as on a busy one.
_USE: Final = """
    with old as (
        delete from guest_proof where proof = any (array(
            select proof from guest_proof where used_at < now() - interval '1 day'
            order by used_at limit 2 for update skip locked
        ))
    )
    insert into guest_proof (proof) values ($1) on conflict do nothing returning true
"""
_COUNT: Final = """
    with old as (
        delete from guest_attempts where ctid = any (array(
            select ctid from guest_attempts where window_at < $3
            order by window_at limit 2 * cardinality($1::bytea[]) for update skip locked
        ))
    )
    insert into guest_attempts (about, window_at, attempts) select about, $2, 1 from unnest($1::bytea[]) about
    order by about
    on conflict (about, window_at) do update set attempts = guest_attempts.attempts + 1
    returning about, attempts
"""

_NO_LETTERS: Final = re.compile(r"[\W_]+")
_PORT: Final = re.compile(r"^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$")
_LETTERS: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
"""Letters with a stroke and the like, which Unicode does not take apart."""


def challenge(secret: str, cost: int) -> dict[str, Any]:
    """Return a challenge that takes a browser about a second: 256 tries of `cost` rounds on average."""
    # By the system's clock, not the business's: so the library checks it.
    expires_at = int(time.time() + _CHALLENGE_LIFETIME.total_seconds())
    made = altcha.create_challenge(_ALGORITHM, cost, expires_at=expires_at, hmac_secret=secret)
    found: dict[str, Any] = made.to_dict()
    return found


def solved(captcha: str, secret: str) -> bytes | None:
    """Return what stands for a challenge that was solved, or nothing if it was not, or is too old."""
    try:
        if not altcha.verify_solution(captcha, secret).verified:
            return None
    except (TypeError, ValueError):
        # Signed by us, but written so that it cannot be worked with: 1000 as 1000.0 is the same to a signature.
        return None
    # By the signature, which is compared as it stands: what is signed can be written in many ways.
    signature = altcha.Payload.from_base64(captcha).challenge.signature
    return hashlib.blake2b(str(signature).encode(), digest_size=16).digest()


def network(address: str) -> str:
    """Return what all addresses count as that one caller has: of IPv6 a /64, which is what one line is given.

    IPv4 written as IPv6 is IPv4, and what is no address counts as one.
    """
    # Some proxies write the port, too, and IPv6 in brackets then.
    bare = _PORT.sub(r"\1\2", address.strip())
    try:
        found = ip_address(bare)
    except ValueError:
        return ""
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((int(found), 64), strict=False))


async def use(connection: Connection, proof: bytes) -> bool:
    """Tell whether a proof is used for the first time; from now on it is not."""
    return bool(await connection.fetchval(_USE, proof))


async def attempts(
    connection: Connection, secret: str, tried: Sequence[tuple[str, str]], now: datetime
) -> list[int]:
    """Count an attempt for each of what is limited, and return how many there were in this window."""
    about = [stand_in(secret, *one) for one in tried]
    seconds = int(now.timestamp())
    window_at = datetime.fromtimestamp(seconds - seconds % int(WINDOW.total_seconds()), UTC)
    rows = dict(await connection.fetch(_COUNT, about, window_at, window_at - WINDOW))
    return [rows[one] for one in about]


def matching(bills: Sequence[Bill], last_name: str) -> Bill | None:
    """Return the bill whose guarantor has this name; as much is compared whether there is one or none.

    A name of which nothing is left is nobody's.
    """
    typed = plain(last_name)
    found = None
    for bill in (*bills, Bill("", None, "\0")):
        same = hmac.compare_digest(plain(bill.last_name), typed)
        if same and typed and bill.account_number and found is None:
            found = bill
    return found


def plain(name: str) -> bytes:
    """Return a name without case, accents, spaces and punctuation."""
    spread = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(letter for letter in spread if not unicodedata.combining(letter))
    return _NO_LETTERS.sub("", letters.casefold().translate(_LETTERS)).encode()


def stand_in(secret: str, scope: str, value: str) -> bytes:
    """Return what an address, or a number, is known again by; only who has the secret can tell it from others."""
    return hmac.new(secret.encode(), f"{scope}\0{value}".encode(), hashlib.sha256).digest()[:16]
