"""Errors of the HTTP APIs as problem documents (RFC 9457), the only form in which any error is answered.

Routes raise `Problem`. What FastAPI and Starlette raise themselves becomes one too, and never repeats what
the caller sent: that may be personal data, and answers end up in other people's logs.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, get_args

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core.core_schema import ErrorType
from starlette.exceptions import HTTPException
from starlette.routing import Route

from shared.database import AWAY, is_misuse, is_of_database

MEDIA_TYPE: Final = "application/problem+json"
FIELDS_MAX = 20

log = structlog.get_logger(__name__)


class FieldFault(BaseModel):
    """A part of the request that is not valid."""

    field: str = Field(description="where it is, as in `body.method.kind`")
    detail: str = Field(description="what is wrong with it")


class ProblemDocument(BaseModel):
    """What went wrong, by RFC 9457."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str = Field(description="`about:blank`, or `urn:problem-type:` and the reason")
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="one sentence for people")
    instance: str | None = Field(None, description="this occurrence, as it is called in the logs")
    reason: str | None = Field(None, description="a stable name for programs")
    fields: list[FieldFault] | None = Field(None, description="the parts of the request at fault")


class Problem(HTTPException):
    """An error to answer a call with.

    Args:
        status: of the answer, 400 to 599.
        detail: one sentence for the caller, without personal data.
        reason: a stable snake_case name where callers act differently on different causes.
        headers: of the answer.
        extensions: further members of the document.
    """

    def __init__(
        self,
        status: HTTPStatus | int,
        detail: str,
        *,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(status, detail, headers)
        self.extensions = extensions if reason is None else {"reason": reason, **extensions}


def response(error: HTTPException) -> Response:
    """Return the answer that tells `error`."""
    # Of a body that is too large Starlette tells by itself, and names no reason.
    large = error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    extensions: dict[str, Any] = {"reason": "too_large"} if large else {}
    if isinstance(error, Problem):
        extensions |= error.extensions
    reason = extensions.get("reason")
    document: dict[str, Any] = {
        "type": "about:blank" if reason is None else f"urn:problem-type:{reason}",
        "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
        "detail": error.detail,
    }
    correlation_id = structlog.contextvars.get_contextvars().get("correlation_id")
    if correlation_id is not None:
        document["instance"] = f"urn:uuid:{correlation_id}"
    return JSONResponse(document | extensions, error.status_code, error.headers, MEDIA_TYPE)


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error.headers = {"Allow": ", ".join(_methods(request))}
    return response(error)


def _methods(request: Request) -> list[str]:
    """Return all methods that a path takes; the router itself names those of the first route that fits."""
    routes = (context.original_route for context in iter_route_contexts(request.app.routes))
    fitting = [one for one in routes if isinstance(one, Route) and one.path_regex.match(request.scope["path"])]
    return sorted({method for one in fitting for method in one.methods or ()})


async def _on_validation_error(_request: Request, error: RequestValidationError) -> Response:
    faults = error.errors()[:FIELDS_MAX]
    fields = [{"field": _path(fault["loc"]), "detail": _detail(fault)} for fault in faults]
    return response(
        Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid.", reason="invalid_data", fields=fields)
    )


async def _on_away(_request: Request, error: Exception) -> Response:
    if is_misuse(error) or not is_of_database(error):
        raise error
    log.warning("database away", error_type=type(error).__name__)
    return response(
        Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database does not answer; try again soon.",
            reason="database_away",
            headers={"Retry-After": "1"},
        )
    )


HANDLERS: Final[dict[Any, Any]] = {
    HTTPException: _on_http_exception,
    RequestValidationError: _on_validation_error,
    **dict.fromkeys(AWAY, _on_away),
}
"""For `FastAPI(exception_handlers=…)`."""

# A key of the input that is no name of ours may be anything.
_NAME = re.compile(r"(?:[A-Za-z_-]|(?<!\d)\d{1,3}(?!\d)){1,40}")
_KNOWN = frozenset(get_args(ErrorType))
# Of the values that pydantic's messages mention, those that come from the schema and not from the input.
_OF_THE_SCHEMA = frozenset(
    {
        "gt",
        "ge",
        "lt",
        "le",
        "multiple_of",
        "field_type",
        "min_length",
        "max_length",
        "actual_length",
        "pattern",
        "expected",
        "class_name",
        "class",
        "discriminator",
        "expected_schemes",
        "expected_version",
        "max_digits",
        "decimal_places",
        "whole_digits",
    }
)


def _path(location: tuple[str | int, ...]) -> str:
    return ".".join(str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "*" for part in location)


def _detail(fault: Mapping[str, Any]) -> str:
    """Return pydantic's message if nothing of the input is in it, else the name of the fault."""
    if fault["type"] in _KNOWN and fault.get("ctx", {}).keys() <= _OF_THE_SCHEMA:
        return str(fault["msg"])
    return f"Input is not valid: {fault['type']}"
