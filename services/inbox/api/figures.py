"""The supervisors' figures: each pool in numbers."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.inbox.api.callers import Supervisor
from services.inbox.figures import LATE_MAX, PoolFigures
from services.inbox.figures import figures as read_figures
from shared.routes import Now, ThePool

router = APIRouter(prefix="/v1", tags=["figures"])


class HeldView(BaseModel):
    """How many items somebody holds."""

    holder: str
    items: int


class FiguresView(BaseModel):
    """A pool in numbers; what flows is of the last seven days."""

    pool: str
    name: str
    open: int
    waiting: int
    postponed: int
    late: int = Field(description=f"open and past their limit; at most {LATE_MAX} are counted")
    unclaimed: int = Field(description="open, and held by nobody")
    oldest_age_s: int | None
    first_reply_p50_s: float | None = Field(description="by the clock, from the first message on")
    first_reply_p90_s: float | None
    first_replies: int
    arrived: int = Field(description="new items, in the pool where they came in")
    done: int = Field(description="how often an item was done")
    held: list[HeldView] = Field(description="who holds items of whatever state, most first")


@router.get("/figures")
async def figures(caller: Supervisor, pool: ThePool, now: Now) -> list[FiguresView]:
    """Show how the pools are doing."""
    return [_view(one, one.shown.age_s(now)) for one in await read_figures(pool, caller.roles, now)]


def _view(one: PoolFigures, oldest_age_s: int | None) -> FiguresView:
    counts = one.shown.counts
    waiting = counts.get("open", 0)
    p50, p90 = one.first_reply_s or (None, None)
    return FiguresView(
        pool=one.shown.entry.pool,
        name=one.shown.entry.name,
        open=waiting,
        waiting=counts.get("waiting", 0),
        postponed=counts.get("postponed", 0),
        late=one.late,
        # Counted a moment later than the rest.
        unclaimed=max(waiting - sum(held.waiting for held in one.held), 0),
        oldest_age_s=oldest_age_s,
        first_reply_p50_s=p50,
        first_reply_p90_s=p90,
        first_replies=one.first_replies,
        arrived=one.arrived,
        done=one.done,
        held=[HeldView(holder=held.holder, items=held.items) for held in one.held],
    )
