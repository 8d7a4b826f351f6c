"""What operators ask: whether the portal lives and is ready, and its metrics; and the static files."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import REGISTRY

from shared.http import shown_metrics

router = APIRouter(include_in_schema=False)


@router.get("/health/live")
async def live() -> dict[str, bool]:
    """Tell that the process answers."""
    return {"ok": True}


@router.get("/health/ready")
async def ready(request: Request) -> JSONResponse:
    """Tell whether outcomes are heard: without them no page could say what became of anything."""
    ok = request.app.state.events.ready()
    return JSONResponse({"ok": ok}, HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Show the metrics to Prometheus, in the format that it asks for."""
    return shown_metrics(REGISTRY, request)


@router.get("/static/{version}/{name}")
async def static_file(version: str, name: str, request: Request) -> Response:
    """Show a stylesheet or a script."""
    answer: Response = request.app.state.static.answer(request, version, name)
    return answer
