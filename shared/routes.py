"""What the routes of every service find in their process, as FastAPI dependencies."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Request
from starlette.datastructures import State

from shared.clock import Clock
from shared.database import Pool
from shared.messaging.handlers import Ask

Made = TypeVar("Made")


def furnish(app: FastAPI, *, pool: Pool, clock: Clock, ask: Ask, settings: Any, stack: AsyncExitStack) -> None:
    """Put into an application what its routes need; what they make and has to be closed goes on the stack."""
    app.state.pool, app.state.clock, app.state.ask, app.state.settings = pool, clock, ask, settings
    app.state.stack, app.state.made = stack, {}


def one_of_process(make: Callable[[State], Made]) -> Callable[[Request], Awaitable[Made]]:
    """Return a dependency on what a process has one of: made of what `furnish` put there, once it is needed."""

    async def find(request: Request) -> Made:
        made: dict[Callable[[State], Made], Made] = request.app.state.made
        if make not in made:
            made[make] = make(request.app.state)
        return made[make]

    return find


def body_of(content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return what the OpenAPI document tells of a body that a route reads by itself."""
    return {"requestBody": {"required": True, "content": {content_type: {"schema": schema}}}}


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
