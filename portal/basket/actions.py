"""Working in the in basket: claim, reply, done, reassign, postpone, escalate, and what the owner of work offers.

Every change names the version that its author saw. What does not go through is said above the item, beside the
item as it is now, and what was typed stays.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from portal.amounts import whole
from portal.basket.answers import Item, Newer, called
from portal.basket.panes import HOURS, Where, gone, item_of, moved, pane, show_item
from portal.calls import ServiceProblem
from portal.guarding import not_found, page_router
from portal.language import _
from portal.refusals import refusal
from portal.visitors import Staff, StaffAtPage
from shared.paths import segment

router = page_router("/basket/items/{item_id}")

Action = Literal["claim", "release", "reply", "done", "reassign", "postpone", "escalate"]


@router.post("/work")
async def work(item_id: str, request: Request, staff: Staff, action: Annotated[str, Form()]) -> Response:
    """Ask the owner of work to settle it, and with it the item."""
    form = await request.form()
    told = {name: str(form[name]).strip() for name in ("note", "payer_id", "status") if form.get(name)}
    try:
        item = await item_of(staff, item_id)
        if item.owner is None or item.work_id is None:
            raise not_found()
        path = f"/v1/work/{segment(item.work_id)}/{segment(action)}"
        settled = (await staff.post(item.owner, path, told))["status"] == "settled"
    except ServiceProblem as problem:
        return await _again(request, staff, item_id, problem, told)
    if settled and item.state != "done":
        # The inbox hears it from the owner too, perhaps before.
        with suppress(ServiceProblem):
            await _change(staff, item_id, "done", item.version, {})
    return await _shown(request, staff, item_id)


@router.post("/{action}")
async def act(action: Action, item_id: str, request: Request, staff: Staff) -> Response:
    """Change an item."""
    form = await request.form()
    # One that our page did not write is older than any.
    version = whole(str(form.get("version"))) or 0
    body = _body(action, form, request)
    try:
        told = await _change(staff, item_id, action, version, body)
        if action == "reply" and form.get("then") == "done":
            await _change(staff, item_id, "done", told["version"], {})
    except ServiceProblem as problem:
        return await _again(request, staff, item_id, problem, {k: str(v) for k, v in form.items()})
    return await _shown(request, staff, item_id)


def _body(action: Action, form: FormData, request: Request) -> dict[str, Any] | None:
    text = {name: str(value).replace("\r\n", "\n").strip() for name, value in form.items()}
    match action:
        case "claim" | "release":
            return None
        case "reply":
            return {"body": text.get("body", "")}
        case "done":
            return {"note": text["note"]} if text.get("note") else {}
        case "reassign":
            assignee = text.get("assignee", "")
            told = {"pool": text.get("pool", ""), "assignee": assignee and f"staff:{called(assignee)}"}
            return {"reason": text.get("reason", "")} | {name: value for name, value in told.items() if value}
        case "postpone":
            hours = min(whole(text.get("hours", "")) or HOURS[0], HOURS[-1])
            return {"until": (request.app.state.clock.now() + timedelta(hours=hours)).isoformat()}
        case "escalate":
            return {"reason": text.get("reason", "")}


async def _change(
    staff: StaffAtPage, item_id: str, action: Action, version: int, body: Mapping[str, Any] | None
) -> Any:
    path = f"/v1/items/{segment(item_id)}/{action}"
    answer = await staff.call("POST", "inbox", path, json=body, headers={"if-match": f'"{version}"'})
    return answer.body


async def _shown(request: Request, staff: StaffAtPage, item_id: str) -> Response:
    """Show the item as it is now, or that it is with others; a browser without scripts goes there."""
    where = Where.of(request)
    try:
        item = await item_of(staff, item_id)
    except ServiceProblem as problem:
        return gone(request, problem, where)
    if pane(request) is None:
        return RedirectResponse(where.item(item_id), HTTPStatus.SEE_OTHER)
    return await show_item(request, staff, where, item)


async def _again(
    request: Request, staff: StaffAtPage, item_id: str, problem: ServiceProblem, draft: dict[str, str]
) -> Response:
    """Show the item as it is now, why the change did not go through, and what was typed."""
    if problem.status == HTTPStatus.UNAUTHORIZED:
        raise problem
    try:
        item = await item_of(staff, item_id)
    except ServiceProblem as unseen:
        return moved(request, unseen)
    newer = Newer.model_validate(problem.document["newer_reply"]) if problem.document.get("newer_reply") else None
    said = _said(problem, item, newer, staff)
    return await show_item(request, staff, Where.of(request), item, problem=said, draft=draft, conflict=newer)


def _said(problem: ServiceProblem, item: Item, newer: Newer | None, staff: StaffAtPage) -> str:
    """Return in words why a change did not go through."""
    holder = called(str(problem.document.get("holder") or item.holder or ""))
    match problem.reason:
        case "taken":
            return _("%(who)s has claimed this. Ask them, or choose another.") % {
                "who": holder or _("A colleague")
            }
        case "stale_version" if newer is not None:
            return _(
                "%(who)s has just replied. Read it below; your draft is kept. Send it again if it still fits."
            ) % {"who": called(newer.author)}
        case "stale_version" if problem.service == "inbox" and holder not in ("", staff.id):
            return _("This has changed, and %(who)s has claimed it. Please look at it again.") % {"who": holder}
        case "lease_expired":
            return _("Your claim has run out. Claim it again; your draft is kept.")
        case _:
            return refusal(problem.service, problem.reason)
