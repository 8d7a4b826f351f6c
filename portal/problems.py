"""Errors as pages: in words that say what happened and what to do, in the person's language."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from portal.calls import ServiceAwayError, ServiceProblem
from portal.commands import MaybeSentError
from portal.guarding import StaleFormError, asked_path
from portal.identity import IdentityAwayError
from portal.language import _
from portal.rendering import render
from portal.unsent import Unsent, page_of_form, unsent
from portal.visitors import LoginNeededError

log = structlog.get_logger(__name__)


def _page(
    request: Request,
    status: int,
    title: str,
    text: str,
    *,
    login: bool = False,
    form: Unsent | None = None,
    **more: Any,
) -> Response:
    fragment = "hx-request" in request.headers
    template = "fragments/problem.html" if fragment else "problem.html"
    return render(request, template, status, title=title, text=text, login=login, form=form, **more)


async def login_needed(request: Request, _error: Exception | None = None) -> Response:
    """Lead to the login, or say that it takes one."""
    here = asked_path(request) + (f"?{request.url.query}" if request.url.query else "")
    if "text/event-stream" in request.headers.get("accept", ""):
        # A stream that comes back by itself must not begin a login.
        return Response(status_code=HTTPStatus.NO_CONTENT)
    if "hx-request" in request.headers:
        # What is being typed on the page must not go with it: the script says it, and leads to the login.
        return Response(status_code=HTTPStatus.UNAUTHORIZED)
    if request.method == "GET":
        return RedirectResponse(f"/login?next={quote(here)}", HTTPStatus.SEE_OTHER)
    return await _signed_out(request, HTTPStatus.UNAUTHORIZED)


async def _on_stale_form(request: Request, _error: Exception) -> Response:
    return await _signed_out(request, HTTPStatus.FORBIDDEN)


async def _signed_out(request: Request, status: int) -> Response:
    """Show what was typed, to be copied: who signs in now decides anew whether it is sent, and as whom."""
    text = _("You were signed out, or signed in anew, after this page was opened. Nothing was sent.")
    form = await unsent(request)
    return _page(
        request, status, _("Please sign in again"), text, login=True, form=form, page=page_of_form(request)
    )


async def _on_service_problem(request: Request, error: Exception) -> Response:
    match error:
        case ServiceProblem(status=HTTPStatus.NOT_FOUND):
            return await _not_found(request)
        case ServiceProblem(status=HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN):
            text = _("Your account does not allow this, or you were signed out. Signing in again may help.")
            form = await unsent(request)
            return _page(request, HTTPStatus.FORBIDDEN, _("This is not open to you"), text, login=True, form=form)
        case ServiceProblem(status=HTTPStatus.TOO_MANY_REQUESTS):
            text = _("There were too many tries. Please wait a few minutes and try again.")
            form = await unsent(request)
            return _page(request, HTTPStatus.TOO_MANY_REQUESTS, _("Please wait a moment"), text, form=form)
    return await _on_invalid(request, error)


async def _on_away(request: Request, error: Exception) -> Response:
    if request.method != "POST":
        text = _("We cannot show this right now. Nothing is lost. Please try again in a minute.")
        page = _page(request, HTTPStatus.SERVICE_UNAVAILABLE, _("One moment, please"), text, again=True)
        page.headers["retry-after"] = "60"
        return page
    title = _("This was not sent")
    text = _("We cannot take it right now. Please try again in a minute; it will not be done twice.")
    if asked_path(request).startswith("/basket"):
        # Staff's changes go to the services themselves, and an answer can be lost on its way back.
        title = _("We do not know whether this was done")
        text = _("We got no answer. Look at the item before you try again; nothing will be done twice.")
    elif isinstance(error, MaybeSentError):
        title = _("We do not know whether this was sent")
        text = _(
            "We got no answer. Please wait a minute and try again with the button below: "
            "it will not be done twice. If you begin anew on another page, it may be."
        )
    form = await unsent(request)
    return _page(request, HTTPStatus.SERVICE_UNAVAILABLE, title, text, form=form, again=True)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        return await _not_found(request)
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return too_large(request)
    if status == HTTPStatus.REQUEST_TIMEOUT:
        text = _("Nothing was sent: it took too long to reach us. Go back and try again.")
        return _page(request, status, _("That did not work"), text)
    return _page(request, status, _("That did not work"), _("This page cannot be used in this way."))


async def _on_invalid(request: Request, _error: Exception) -> Response:
    text = _("Something you sent does not fit. Go back, look it over and try again.")
    form = await unsent(request)
    return _page(request, HTTPStatus.UNPROCESSABLE_ENTITY, _("That did not work"), text, form=form)


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("a page failed by an error that nobody caught", method=request.method, exc_info=error)
    text = _("This is our mistake, and we have been told of it. Please try again later.")
    return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, _("Something went wrong"), text)


async def _not_found(request: Request) -> Response:
    text = _("There is nothing here, or it is not yours to see.")
    form = await unsent(request)
    if form and form.texts:
        text = _("It is not here any more, or no longer yours to see. Nothing was sent.")
    return _page(request, HTTPStatus.NOT_FOUND, _("We cannot find this"), text, form=form)


def too_large(request: Request) -> Response:
    """Say that a form is longer than we take."""
    text = _("Nothing was sent: it is too large. Go back, leave out some of the files and try again.")
    return _page(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _("That did not work"), text)


def no_room(request: Request) -> Response:
    """Say that others are sending as much as we can hold."""
    text = _("We cannot take it right now. Please try again in a minute; it will not be done twice.")
    answer = _page(request, HTTPStatus.SERVICE_UNAVAILABLE, _("This was not sent"), text)
    answer.headers["retry-after"] = "60"
    return answer


async def _on_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody is there to read it


HANDLERS: Final[dict[Any, Any]] = {
    LoginNeededError: login_needed,
    StaleFormError: _on_stale_form,
    ServiceProblem: _on_service_problem,
    ServiceAwayError: _on_away,
    IdentityAwayError: _on_away,
    MaybeSentError: _on_away,
    HTTPException: _on_http_error,
    RequestValidationError: _on_invalid,
    ClientDisconnect: _on_gone,
    Exception: _on_bug,
}
"""For `FastAPI(exception_handlers=…)`."""
