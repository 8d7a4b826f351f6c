"""Logging in and out, at the identity provider's page.

Persons have a `person_id` claim, staff have roles; a session is one or the other. The services hear of a person's
session, since coverages are verified when it ends.
"""

import json
import secrets
import time
from http import HTTPStatus
from typing import Final

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from portal.commands import new_id
from portal.guarding import local_path, page_router
from portal.identity import IdentityProvider, NotLoggedInError
from portal.language import _
from portal.notices import notice
from portal.sessions import Sessions

router = page_router()

NEXT_MAX: Final = 1000
"""How long an address to go on to may be in the cookie: browsers drop one of more than 4,096 bytes."""


@router.get("/login")
async def log_in(request: Request, next: str | None = None) -> Response:  # noqa: A002  # as the address says it
    """Send the browser to the identity provider's page."""
    page, attempt = await _provider(request).login_page()
    onward = local_path(next)
    request.session["attempt"] = attempt | {"next": onward if len(json.dumps(onward)) <= NEXT_MAX else "/"}
    return RedirectResponse(page, HTTPStatus.SEE_OTHER)


@router.get("/login/callback")
async def logged_in(request: Request, state: str = "", code: str = "") -> Response:
    """Take the code that the identity provider sent, and start the session."""
    attempt = request.session.pop("attempt", {})
    try:
        claims, token = await _provider(request).who(attempt, state, code)
    except NotLoggedInError:
        notice(request, _("Signing in did not work. Please try again."), "warning")
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    _leave(request)
    request.session.update(csrf=secrets.token_urlsafe(24), began=int(time.time()))
    onward = attempt["next"]
    if person_id := claims.get("person_id"):
        session_id = new_id("session")
        await request.app.state.sessions.start(session_id, person_id)
        request.session["person"] = {"id": person_id, "name": claims.get("name", ""), "session": session_id}
        return RedirectResponse("/" if onward.startswith("/basket") else onward, HTTPStatus.SEE_OTHER)
    request.session["staff"] = {
        "id": claims["sub"].removeprefix("staff:"),
        "name": claims.get("name", ""),
        "roles": claims.get("roles", []),
        "token": request.app.state.cookie_box.close(token),
        "session": new_id("session"),
    }
    return RedirectResponse(onward if onward.startswith("/basket") else "/basket", HTTPStatus.SEE_OTHER)


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End the session, here and at the identity provider."""
    was_person = _leave(request)
    changed = _("You are signed out. What you changed about your insurance is now checked with your insurer.")
    notice(request, changed if was_person else _("You are signed out."), "info")
    return RedirectResponse(await _provider(request).farewell(), HTTPStatus.SEE_OTHER)


def _leave(request: Request) -> bool:
    """End this browser's session; return whether it was a person's."""
    person, staff = request.session.get("person"), request.session.get("staff")
    request.session.clear()
    sessions: Sessions = request.app.state.sessions
    if person:
        sessions.end(person["session"], person["id"], "logout")
    if staff and "session" in staff:  # a cookie that is older than a release may lack it
        sessions.over(staff["session"])
    return bool(person)


def _provider(request: Request) -> IdentityProvider:
    provider: IdentityProvider = request.app.state.identity
    return provider
