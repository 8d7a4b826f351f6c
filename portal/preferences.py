"""How a browser wants the pages: the language, and light or dark."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from portal.guarding import local_path, page_router

YEAR_S = 365 * 24 * 3600

router = page_router()


@router.post("/preferences")
async def prefer(
    request: Request,
    language: Annotated[Literal["en", "es"] | None, Form()] = None,
    theme: Annotated[Literal["auto", "light", "dark"] | None, Form()] = None,
    back: Annotated[str, Form()] = "/",
) -> Response:
    """Remember what was chosen, and go back to the page."""
    answer = RedirectResponse(local_path(back), HTTPStatus.SEE_OTHER)
    for name, chosen in (("language", language), ("theme", theme)):
        if chosen:
            secure = request.app.state.settings.secure
            answer.set_cookie(name, chosen, max_age=YEAR_S, samesite="lax", secure=secure, httponly=True)
    return answer
