"""What payments answers over HTTP: reads for those who may see them, and the calls that need an answer at once."""

from typing import Final

from services.payments.api import accounts, guests, paying, webhooks, work

ROUTERS: Final = (accounts.router, paying.router, guests.router, webhooks.router, work.router)
