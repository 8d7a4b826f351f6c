"""What the routes of every service find in their process, as FastAPI dependencies."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request

from shared.clock import Clock
from shared.database import Pool
from shared.messaging.handlers import Ask


def furnish(app: FastAPI, *, pool: Pool, clock: Clock, ask: Ask, settings: Any) -> None:
    """Put into an application what its routes need."""
    app.state.pool, app.state.clock, app.state.ask, app.state.settings = pool, clock, ask, settings


async def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


async def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


async def _ask(request: Request) -> Ask:
    ask: Ask = request.app.state.ask
    return ask


async def own_settings(request: Request) -> Any:
    """Return the service's settings; a service names their class where it declares the dependency."""
    return request.app.state.settings


ThePool = Annotated[Pool, Depends(_pool)]
TheClock = Annotated[Clock, Depends(_clock)]


async def _now(clock: TheClock) -> datetime:
    return clock.now()


Now = Annotated[datetime, Depends(_now)]
TheAsk = Annotated[Ask, Depends(_ask)]
