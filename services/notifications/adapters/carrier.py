"""What a carrier of texts does for us, whichever way it is spoken to."""

from datetime import datetime
from typing import Protocol

from services.notifications.adapters.delivery import Delivery


class Carrier(Protocol):
    """Takes texts; what becomes of them is heard later, by the reference that they were given."""

    async def send(self, text: str, to: str, reference: str | None) -> Delivery:
        """Send a text; without a reference nobody asks what becomes of it."""

    async def find(self, reference: str, to: str, since: datetime) -> Delivery:
        """Look for a text whose answer was lost: to a number, since then, with the reference in it."""
