"""What notifications answers over HTTP: a person's choices, and what providers and readers of alerts tell."""

from typing import Final

from services.notifications.api import callbacks, preferences

ROUTERS: Final = (preferences.router, callbacks.router)
