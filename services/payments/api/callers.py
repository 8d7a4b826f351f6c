"""What the routes share: who calls, what they may see, and refusals as problems."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Path, Query

from services.payments.domain.records import Opened
from services.payments.reads import Shown, log_read, show_accounts
from services.payments.settings import Settings
from shared.auth import Caller, person, person_or_staff, staff
from shared.database import Pool
from shared.events.envelope import Data
from shared.events.payments import REFUSAL_REASONS, CommandRefused, RefusalReason
from shared.problems import Problem
from shared.routes import own_settings

TheSettings = Annotated[Settings, Depends(own_settings)]
Person = Annotated[Caller, Depends(person)]
PersonOrStaff = Annotated[Caller, Depends(person_or_staff("billing", "supervisor"))]
Staff = Annotated[Caller, Depends(staff("billing", "supervisor"))]
PathId = Annotated[str, Path(max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Limit = Annotated[int, Query(ge=1, le=200, description="how many at most")]

_STATUSES: Final[dict[str, HTTPStatus]] = {
    "not_found": HTTPStatus.NOT_FOUND,
    "second_person_required": HTTPStatus.FORBIDDEN,
    "not_allowed": HTTPStatus.FORBIDDEN,
    "why_missing": HTTPStatus.UNPROCESSABLE_ENTITY,
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
            await note_read(pool, caller, "account", number, number)
            return shown
    raise Problem(HTTPStatus.NOT_FOUND, "There is no such account.", reason="not_found")


async def note_read(pool: Pool, caller: Caller, what: str, what_id: str, number: str) -> None:
    """Note for ever that somebody of the staff is shown an account or a part of it; persons look at their own."""
    if caller.on_behalf_of is None:
        await log_read(pool, caller.staff_actor, what, what_id, number)
