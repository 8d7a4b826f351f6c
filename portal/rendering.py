"""Pages from templates: what every template knows, and the answer to a browser.

A template finds `_()`, `ngettext`, `money`, `currency_sign`, `day`, `moment`, `exact`, `listing`, `files_max`,
`asset` and `live`, and of the request `path`, `visitor` (who is logged in), `csrf`, `session_mark`, `theme` and
`language`; `wrong` says that the page is what becomes of a form that cannot be taken.
"""

from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from portal import language
from portal.guarding import FILES_MAX, asked_path, csrf_token, masked, session_mark
from portal.live import channel
from portal.notices import awaited
from shared.paths import segment

TEMPLATES: Final = Path(__file__).parent / "templates"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    # The extension adds the method.
    environment.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {
        "money": language.money,
        "currency_sign": language.currency_sign,
        "day": language.day,
        "moment": _moment,
        "exact": language.exact,
        "languages": language.LANGUAGES,
        "listing": language.listing,
        "files_max": FILES_MAX,
        "asset": _asset,
        "live": _live,
    }
    environment.filters |= {"lines": _lines, "prefixed": _prefixed, "segment": segment}
    return environment


@pass_context
def _asset(context: Context, name: str) -> str:
    """Return the address of a static file."""
    address: str = context["request"].app.state.static.address(name)
    return address


@pass_context
def _live(context: Context, *keys: str) -> str:
    """Return the address of the news about these keys (see `portal.live`) from now on."""
    return channel(context["request"], keys)


@pass_context
def _moment(context: Context, value: datetime | str) -> Markup:
    """Return a time as people say it, and exactly when one points at it."""
    iso = value.isoformat() if isinstance(value, datetime) else value
    said = language.moment(value, context["request"].app.state.clock.now())
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, language.exact(value), said)


def _prefixed(text: str, prefix: str) -> str:
    return f"{prefix}{text}"


def _lines(text: str) -> Markup:
    """Return a text with its line breaks."""
    return Markup("<br>").join(escape(line) for line in text.splitlines())


ENVIRONMENT: Final = _environment()


def render(request: Request, template: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """Return a page; `values` are what its template shows."""
    session = request.session
    shown = ENVIRONMENT.get_template(template).render(
        request=request,
        path=asked_path(request),
        visitor=session.get("person") or session.get("staff"),
        is_staff="staff" in session and "person" not in session,
        csrf=masked(csrf_token(request)),
        session_mark=session_mark(request),
        theme=request.cookies.get("theme", "auto"),
        language=language.spoken(),
        wrong=status == HTTPStatus.UNPROCESSABLE_ENTITY,
        awaited=lambda: awaited(request),
        take_notices=lambda: session.pop("notices", []),
        **values,
    )
    return HTMLResponse(shown, status)
