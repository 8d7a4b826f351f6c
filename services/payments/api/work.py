"""What needs a person of the billing pool, the actions that settle it, and the import of settlements."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from services.payments import reads
from services.payments.api.callers import PathId, Staff, note_read, or_refused
from services.payments.domain.records import Work
from services.payments.domain.settlement import ImportSettlement
from services.payments.domain.work import ACTIONS, SettleWork
from shared.events.vocabulary import Code, Note
from shared.problems import Problem
from shared.routes import TheAsk, ThePool

router = APIRouter(prefix="/v1", tags=["work"])

_SETTLEMENT_BYTES_MAX: Final = 4 * 1024 * 1024


class ActionView(BaseModel):
    """A way to settle work."""

    name: str
    label: str


class WorkView(BaseModel):
    """A piece of work."""

    work_id: str
    kind: str
    pool: Literal["billing"] = "billing"
    summary: str
    about: dict[str, str]
    raised_at: datetime
    status: Literal["open", "settled"]
    actions: list[ActionView]


class DetailView(BaseModel):
    """A line of the side card."""

    label: str
    value: str


class WorkDetails(WorkView):
    """A piece of work with what helps to settle it, and how it was."""

    details: list[DetailView]


class Settling(BaseModel):
    """What the staff member adds."""

    note: Note | None = None


class Imported(BaseModel):
    """A settlement that was taken in; what differs is work."""

    settlement_id: str
    lines: int


@router.get("/work")
async def list_work(
    _: Staff,
    pool: ThePool,
    status: Annotated[Literal["open", "settled"], Query(description="of the work to show")] = "open",
) -> list[WorkView]:
    """Show work: what is open, oldest first, or what was settled last."""
    return [WorkView(**_shown(one)) for _key, one in await reads.work(pool, settled=status == "settled")]


@router.get("/work/{work_id}")
async def show_work(work_id: PathId, caller: Staff, pool: ThePool) -> WorkDetails:
    """Show one piece of work. That it was read is noted for ever."""
    key, one = await _found(pool, work_id)
    await note_read(pool, caller, "work", work_id, _subject(key))
    return _details(one)


@router.post("/work/{work_id}/{action}")
async def settle_work(
    work_id: PathId, action: Code, caller: Staff, pool: ThePool, ask: TheAsk, settling: Settling | None = None
) -> WorkDetails:
    """Settle a piece of work in one of its ways; a refund may need a second person."""
    key, _ = await _found(pool, work_id)
    note = settling.note if settling else None
    command = SettleWork(work_id=work_id, account_number=key, action=action, note=note)
    or_refused(await ask(command, _subject(key), caller.staff_actor))
    return await show_work(work_id, caller, pool)


@router.post("/settlements", max_body_size=_SETTLEMENT_BYTES_MAX)
async def import_settlement(settlement: ImportSettlement, caller: Staff, ask: TheAsk) -> Imported:
    """Take in what the processor paid out; the same file again changes nothing."""
    or_refused(await ask(settlement, settlement.settlement_id, caller.staff_actor))
    return Imported(settlement_id=settlement.settlement_id, lines=len(settlement.lines))


async def _found(pool: Any, work_id: str) -> tuple[str, Work]:
    found = await reads.one_work(pool, work_id)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such work.", reason="not_found")
    return found


def _subject(key: str) -> str:
    """Return the key as a message's subject can hold it."""
    return "".join(letter for letter in key if letter.isprintable())


def _shown(one: Work) -> dict[str, Any]:
    actions = {} if one.settled else ACTIONS[one.kind]
    return {
        "work_id": one.work_id,
        "kind": one.kind,
        "summary": one.summary,
        "about": one.about.model_dump(exclude_none=True),
        "raised_at": one.raised_at,
        "status": "settled" if one.settled else "open",
        "actions": [ActionView(name=name, label=label) for name, label in actions.items()],
    }


def _details(one: Work) -> WorkDetails:
    details = list(one.details)
    if one.settled:
        ended = one.settled
        details += [("Settled by", ended.by), ("Settled at", ended.at.isoformat()), ("How", ended.action)]
        details += [("Note", ended.note)] if ended.note else []
    lines = [DetailView(label=label, value=value) for label, value in details]
    return WorkDetails(**_shown(one), details=lines)
