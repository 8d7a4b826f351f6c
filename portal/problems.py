"""Errors as pages: in words that say what happened and what to do, in the person's language."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from portal.calls import ServiceAwayError, ServiceProblem
from portal.commands import NotSentError
from portal.guarding import StaleFormError, asked_path
from portal.identity import IdentityAwayError
from portal.language import _
from portal.rendering import render
from portal.visitors import LoginNeededError

log = structlog.get_logger(__name__)


def _page(request: Request, status: int, title: str, text: str, *, login: bool = False) -> Response:
    fragment = "hx-request" in request.headers
    template = "fragments/problem.html" if fragment else "problem.html"
    return render(request, template, status, title=title, text=text, login=login)


async def _on_login_needed(request: Request, _error: Exception) -> Response:
    here = asked_path(request) + (f"?{request.url.query}" if request.url.query else "")
    if "hx-request" in request.headers:
        return Response(headers={"hx-redirect": "/login?next=/"}, status_code=HTTPStatus.UNAUTHORIZED)
    if "text/event-stream" in request.headers.get("accept", ""):
        # A stream that comes back by itself must not begin a login.
        return Response(status_code=HTTPStatus.NO_CONTENT)
    if request.method == "GET":
        return RedirectResponse(f"/login?next={quote(here)}", HTTPStatus.SEE_OTHER)
    text = _("You were signed out because nothing happened for a while. What you sent was not done.")
    return _page(request, HTTPStatus.UNAUTHORIZED, _("Please sign in again"), text, login=True)


async def _on_stale_form(request: Request, _error: Exception) -> Response:
    text = _("This page was open for too long. Nothing was sent. Go back, reload the page and try again.")
    return _page(request, HTTPStatus.FORBIDDEN, _("Please try again"), text)


async def _on_service_problem(request: Request, error: Exception) -> Response:
    match error:
        case ServiceProblem(status=HTTPStatus.NOT_FOUND):
            return _not_found(request)
        case ServiceProblem(status=HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN):
            text = _("Your account does not allow this, or you were signed out. Signing in again may help.")
            return _page(request, HTTPStatus.FORBIDDEN, _("This is not open to you"), text, login=True)
        case ServiceProblem(status=HTTPStatus.TOO_MANY_REQUESTS):
            text = _("There were too many tries. Please wait a few minutes and try again.")
            return _page(request, HTTPStatus.TOO_MANY_REQUESTS, _("Please wait a moment"), text)
    text = _("Something you sent does not fit. Go back, look it over and try again.")
    return _page(request, HTTPStatus.UNPROCESSABLE_ENTITY, _("That did not work"), text)


async def _on_away(request: Request, _error: Exception) -> Response:
    text = _("We cannot show this right now. Nothing is lost. Please try again in a minute.")
    return _page(request, HTTPStatus.SERVICE_UNAVAILABLE, _("One moment, please"), text)


async def _on_not_sent(request: Request, _error: Exception) -> Response:
    text = _("We could not send this, and nothing was done. Go back and try again; it will not be done twice.")
    return _page(request, HTTPStatus.SERVICE_UNAVAILABLE, _("This was not sent"), text)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        return _not_found(request)
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST
    return _page(request, status, _("That did not work"), _("This page cannot be used in this way."))


async def _on_invalid(request: Request, _error: Exception) -> Response:
    text = _("Something you sent does not fit. Go back, look it over and try again.")
    return _page(request, HTTPStatus.UNPROCESSABLE_ENTITY, _("That did not work"), text)


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("a page failed by an error that nobody caught", method=request.method, exc_info=error)
    text = _("This is our mistake, and we have been told of it. Please try again later.")
    return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, _("Something went wrong"), text)


def _not_found(request: Request) -> Response:
    text = _("There is nothing here, or it is not yours to see.")
    return _page(request, HTTPStatus.NOT_FOUND, _("We cannot find this"), text)


HANDLERS: Final[dict[Any, Any]] = {
    LoginNeededError: _on_login_needed,
    StaleFormError: _on_stale_form,
    ServiceProblem: _on_service_problem,
    ServiceAwayError: _on_away,
    IdentityAwayError: _on_away,
    NotSentError: _on_not_sent,
    HTTPException: _on_http_error,
    RequestValidationError: _on_invalid,
    Exception: _on_bug,
}
"""For `FastAPI(exception_handlers=…)`."""
