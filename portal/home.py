"""Home: what wants attention; and for who has not logged in, the ways in."""

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from portal.attention import matters
from portal.guarding import page_router
from portal.rendering import render
from portal.visitors import PersonIfAny

router = page_router()


@router.get("/")
async def home(request: Request, person: PersonIfAny) -> Response:
    """Show what wants attention, newest first, each with one button."""
    if person is None:
        return RedirectResponse("/basket") if "staff" in request.session else render(request, "welcome.html")
    found, missing, bills = await matters(person)
    accounts = bills["accounts"]
    return render(request, "home.html", matters=found, missing=missing, accounts=accounts, person=person)
