"""What a provider said when it was given a message."""

from typing import NamedTuple

from services.notifications.domain.internal import AlertResult


class Delivery(NamedTuple):
    """What is known of a message; see `AlertAnswered` for the results.

    Attributes:
        result: what became of it.
        provider_id: what the provider calls it.
        reason: a stable word for why not, never the provider's own.
        wait_s: how long the provider wants to be left alone.
    """

    result: AlertResult
    provider_id: str | None = None
    reason: str | None = None
    wait_s: float = 0
