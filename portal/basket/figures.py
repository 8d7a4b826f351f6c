"""The supervisor's figures: what waits, how long a first reply takes, and who holds how much, by pool."""

from collections import Counter

from fastapi import Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from portal.basket.answers import Named, called, short
from portal.basket.charts import Chart, chart
from portal.basket.panes import common
from portal.calls import Answered
from portal.guarding import not_found, page_router
from portal.language import _
from portal.rendering import render
from portal.visitors import Staff

router = page_router("/basket")


class Held(Answered):
    """How many items somebody holds."""

    holder: str
    items: int


class Figures(Named):
    """A pool in numbers; what flows is of the last seven days."""

    open: int = 0
    late: int = 0
    unclaimed: int = 0
    oldest_age_s: float | None = None
    first_reply_p50_s: float | None = None
    first_reply_p90_s: float | None = None
    first_replies: int = 0
    arrived: int = 0
    done: int = 0
    held: tuple[Held, ...] = ()


_ANSWER = TypeAdapter(list[Figures])


@router.get("/figures")
async def figures(request: Request, staff: Staff) -> Response:
    """Show the charts."""
    if "supervisor" not in staff.roles:
        raise not_found()
    pools = _ANSWER.validate_python(await staff.get("inbox", "/v1/figures"))
    held: Counter[str] = Counter()
    for pool in pools:
        held.update({called(one.holder): one.items for one in pool.held})
    charts = {
        "waiting": _waiting(pools),
        "first_reply": _first_reply(pools),
        "load": _load(held),
        "flow": _flow(pools),
    }
    return render(request, "basket/figures.html", charts=charts, figures=pools, **common(request, staff))


def _waiting(pools: list[Figures]) -> Chart:
    """Draw what is open: late in its own colour."""
    return chart(
        [
            (pool.name, _said(pool.open, pool.late), [("bar-late", pool.late), ("bar", pool.open - pool.late)])
            for pool in pools
        ]
    )


def _said(waiting: int, late: int) -> str:
    if not late:
        return str(waiting)
    return _("%(waiting)s, %(late)s late") % {"waiting": waiting, "late": late}


def _first_reply(pools: list[Figures]) -> Chart:
    """Draw how long the middle one waited for a first reply, and one in ten longer."""
    return chart(
        [
            (
                pool.name,
                f"{short(pool.first_reply_p50_s)} · {short(pool.first_reply_p90_s)}",
                [
                    ("bar", pool.first_reply_p50_s),
                    ("bar-soft", max(0.0, pool.first_reply_p90_s - pool.first_reply_p50_s)),
                ],
            )
            for pool in pools
            if pool.first_reply_p50_s is not None and pool.first_reply_p90_s is not None
        ]
    )


def _load(held: Counter[str]) -> Chart:
    """Draw who holds how much."""
    return chart([(holder, str(items), [("bar", items)]) for holder, items in held.most_common(12)])


def _flow(pools: list[Figures]) -> Chart:
    """Draw what came in and what was done."""
    rows = []
    for pool in pools:
        rows.append(
            (_("%(pool)s, came in") % {"pool": pool.name}, str(pool.arrived), [("bar-soft", pool.arrived)])
        )
        rows.append((_("%(pool)s, done") % {"pool": pool.name}, str(pool.done), [("bar", pool.done)]))
    return chart(rows)
