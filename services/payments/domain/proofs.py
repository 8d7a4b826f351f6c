"""What a payer shows to prove that they may do something: signed by us, bound to one thing, and expiring.

A review token stands for what was shown before paying, a guest token for a bill that was looked up. Neither is
kept anywhere; both live by the business's time.
"""

import hashlib
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Final, TypeVar

from itsdangerous import BadData, URLSafeSerializer

from shared.digests import digest
from shared.events.payments import Allocation
from shared.events.vocabulary import Method

REVIEW_LIFETIME: Final = timedelta(minutes=15)
GUEST_LIFETIME: Final = timedelta(minutes=30)

MethodKey = tuple[str | None, ...]


@dataclass(frozen=True)
class Review:
    """What was shown to the payer: which payment of which account, at which version of its balance."""

    review_id: str
    account_number: str
    version: int
    asked: str
    spread: str
    expires_at: float


@dataclass(frozen=True)
class GuestPass:
    """A bill that a guest looked up by its number as `typed`; with `visit_number` it is that visit's alone.

    `address` stands for where it was looked up from, and is absent from passes of before that was told.
    """

    account_number: str
    typed: str
    subject: str
    visit_number: str | None
    expires_at: float
    address: str | None = None


P = TypeVar("P", Review, GuestPass)


class Proofs:
    """Signs proofs, and reads them back."""

    def __init__(self, secret: str) -> None:
        self._signers = {
            cls: URLSafeSerializer(secret, salt=cls.__name__, signer_kwargs={"digest_method": hashlib.sha256})
            for cls in (Review, GuestPass)
        }

    def sign(self, proof: Review | GuestPass) -> str:
        """Return the token that stands for a proof."""
        token: str = self._signers[type(proof)].dumps(list(asdict(proof).values()))
        return token

    def read(self, cls: type[P], token: str | None) -> P | None:
        """Return what a token of this kind stands for; nothing if it is not one of ours.

        The values that a later release adds are left out.
        """
        try:
            return cls(*self._signers[cls].loads(token or "")[: len(fields(cls))])
        except (BadData, TypeError):
            # Signed, but with too few values.
            return None


def expired(proof: Review | GuestPass, now: datetime) -> bool:
    """Tell whether a proof is too old."""
    return now.timestamp() >= proof.expires_at


def asked(amount_minor: int, currency: str, method: Method | None, method_id: str | None) -> str:
    """Return what stands for the amount and the method of a payment."""
    with_what: MethodKey = (method.kind, method.token, method.last4) if method else (method_id,)
    return digest(amount_minor, currency, with_what).hex()


def spread(allocation: Allocation, plan_id: str | None) -> str:
    """Return what stands for what a payment pays."""
    return digest([(share.visit_account_number, share.amount_minor) for share in allocation], plan_id).hex()
