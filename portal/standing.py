"""How the commands stand that a page waits for: every page says it, and asks for it here by itself."""

from fastapi import Request
from fastapi.responses import Response

from portal.guarding import page_router
from portal.notices import awaited
from portal.rendering import render
from portal.visitors import Person

router = page_router()


@router.get("/notices")
async def notices(request: Request, _person: Person) -> Response:
    """Show how the commands stand that this browser waits for."""
    return render(request, "fragments/awaited.html", commands=awaited(request))
