"""What the routes share: the process's parts, who calls, what they may see, and refusals as problems."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Path, Query, Request

from services.payments.domain.records import Opened
from services.payments.reads import Shown, show_accounts
from services.payments.settings import Settings, settings
from shared.auth import Caller, person, person_or_staff, staff
from shared.clock import Clock
from shared.database import Pool
from shared.events.envelope import Command, Data
from shared.events.payments import REFUSAL_REASONS, CommandRefused, RefusalReason
from shared.problems import Problem

Ask = Callable[[Command, str, str], Awaitable[Data]]


async def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


async def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


async def _ask(request: Request) -> Ask:
    ask: Ask = request.app.state.ask
    return ask


ThePool = Annotated[Pool, Depends(_pool)]
TheClock = Annotated[Clock, Depends(_clock)]
TheAsk = Annotated[Ask, Depends(_ask)]
TheSettings = Annotated[Settings, Depends(settings)]
Person = Annotated[Caller, Depends(person)]
PersonOrStaff = Annotated[Caller, Depends(person_or_staff("billing", "supervisor"))]
Staff = Annotated[Caller, Depends(staff("billing", "supervisor"))]
PathId = Annotated[str, Path(max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Limit = Annotated[int, Query(ge=1, le=200)]

_STATUSES: Final[dict[str, HTTPStatus]] = {
    "not_found": HTTPStatus.NOT_FOUND,
    "second_person_required": HTTPStatus.FORBIDDEN,
    "not_allowed": HTTPStatus.FORBIDDEN,
}


def refused(reason: RefusalReason | str, detail: str | None = None) -> Problem:
    """Return the problem that tells a refusal."""
    words = detail or {str(name): text for name, text in REFUSAL_REASONS.items()}[reason]
    return Problem(_STATUSES.get(reason, HTTPStatus.CONFLICT), words, reason=reason)


def or_refused(ended: Data) -> Data:
    """Return the event that ended a command.

    Raises:
        Problem: it is a refusal.
    """
    if isinstance(ended, CommandRefused):
        raise refused(ended.reason, ended.detail)
    return ended


def staff_actor(caller: Caller) -> str:
    """Return who of the staff calls, as messages name them."""
    return caller.subject if caller.subject.startswith("staff:") else f"staff:{caller.subject}"


def may_see(caller: Caller, opened: Opened | None) -> bool:
    """Tell whether a caller may see an account: its guarantor and viewers may, and billing staff."""
    if caller.on_behalf_of is None:
        return True
    return opened is not None and caller.on_behalf_of in opened.persons()


async def account_for(pool: Pool, number: str, caller: Caller, method_id: str | None = None) -> Shown:
    """Return an account that the caller may see.

    Raises:
        Problem: there is none.
    """
    for shown in await show_accounts(pool, [number], method_id):
        if may_see(caller, shown.opened):
            return shown
    raise Problem(HTTPStatus.NOT_FOUND, "There is no such account.", reason="not_found")
