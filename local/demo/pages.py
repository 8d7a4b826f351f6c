"""A browser without a screen: it reads the portal's pages, fills in their forms and follows their links.

It knows no more of the portal than a person without JavaScript does. Every page is kept to by what it shows:
a form that is not there, or a page that does not say what it should, ends the story with one sentence.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

import aiohttp

from local.demo.story import Disappointment

File: TypeAlias = tuple[str, str, bytes]
"""Name, content type and content of a file to upload."""

_PASSWORD = "demo"  # noqa: S105  # of everybody in the made-up world; the login page shows it


@dataclass
class Form:
    """A form as its page filled it in: fields by name, and what may be chosen or pressed beside them."""

    address: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    is_multipart: bool = False


@dataclass
class Page:
    """A page that came, with its text in one line."""

    address: str
    status: int
    text: str
    faults: str
    forms: list[Form]

    @property
    def path(self) -> str:
        """Where it is, without the query."""
        return urlsplit(self.address).path

    def form(self, *names: str) -> Form:
        """Return the form that has these fields.

        Raises:
            Disappointment: there is none.
        """
        for form in self.forms:
            if set(names) <= form.names:
                return form
        raise Disappointment(f"{self.path} has no form with {', '.join(names)}")


class Browser:
    """One person's browser, with its cookies."""

    def __init__(self, http: aiohttp.ClientSession, portal: str) -> None:
        self._http = http
        self._portal = portal

    async def open(self, path: str) -> Page:
        """Go to a page, by its path or whole address.

        Raises:
            Disappointment: it is not there.
        """
        async with self._http.get(urljoin(self._portal, path)) as response:
            return await _page(response)

    async def json(self, path: str) -> Any:
        """Ask for what a page's script asks for."""
        async with self._http.get(urljoin(self._portal, path)) as response:
            return await response.json()

    async def submit(
        self, form: Form, changes: Mapping[str, str] | None = None, files: Mapping[str, File] | None = None
    ) -> Page:
        """Send a form as its page filled it in, with these changes.

        Raises:
            Disappointment: the answer is an error, or the form again with what is wrong in it.
        """
        page = await self.try_to_submit(form, changes, files)
        if page.status != HTTPStatus.OK:
            raise Disappointment(f"{page.path} says: {page.faults}")
        return page

    async def try_to_submit(
        self, form: Form, changes: Mapping[str, str] | None = None, files: Mapping[str, File] | None = None
    ) -> Page:
        """Send a form as `submit` does; the answer may be the form again with what is wrong in it.

        Raises:
            Disappointment: the answer is an error.
        """
        changes = dict(changes or {})
        told = [(name, changes.pop(name, value)) for name, value in form.fields]
        told += changes.items()
        data = aiohttp.FormData(quote_fields=False, default_to_multipart=form.is_multipart)
        for name, value in told:
            data.add_field(name, value)
        for name, (filename, content_type, content) in (files or {}).items():
            data.add_field(name, content, filename=filename, content_type=content_type)
        async with self._http.post(form.address, data=data) as response:
            return await _page(response)

    async def log_in(self, username: str) -> Page:
        """Log in at the identity provider's page, and return the page that follows."""
        page = await self.open("/login")
        return await self.submit(page.form("username", "password"), {"username": username, "password": _PASSWORD})

    async def log_out(self) -> Page:
        """Log out with the form that every page has."""
        page = await self.open("/")
        for form in page.forms:
            if urlsplit(form.address).path == "/logout":
                return await self.submit(form)
        raise Disappointment("no page to log out from")


@asynccontextmanager
async def browser(portal: str) -> AsyncIterator[Browser]:
    """A new browser, without cookies."""
    # The portal's address is a number here, for which cookies are kept only on demand.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Browser(http, portal)


async def _page(response: aiohttp.ClientResponse) -> Page:
    address = str(response.url)
    if response.status >= HTTPStatus.BAD_REQUEST and response.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        raise Disappointment(f"{response.method} {response.url.path} is answered with {response.status}")
    reader = _Reader(address)
    reader.feed(await response.text())
    reader.close()
    return Page(address, response.status, _line(reader.texts), _line(reader.faults), reader.forms)


def _line(texts: list[str]) -> str:
    return " ".join(" ".join(texts).split())


class _Reader(HTMLParser):
    """Collects a page's texts, what it says is wrong, and its forms."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.faults: list[str] = []
        self.forms: list[Form] = []
        self._address = address
        self._form: Form | None = None
        self._select = ""
        self._option = False
        self._area: str | None = None
        self._fault_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "div" and (
            self._fault_depth or {"field-error", "alert-danger"} & set(told.get("class", "").split())
        ):
            self._fault_depth += 1
        if tag == "form":
            address = urljoin(self._address, told.get("action") or self._address)
            self._form = Form(address, is_multipart=told.get("enctype") == "multipart/form-data")
            self.forms.append(self._form)
        elif self._form is not None and tag == "option":
            self._chosen(self._form, told)
        elif self._form is not None and told.get("name"):
            self._form.names.add(told["name"])
            self._filled(self._form, tag, told)

    def _filled(self, form: Form, tag: str, told: dict[str, str]) -> None:
        match tag, told.get("type", "text"):
            case "input", "radio" | "checkbox":
                if "checked" in told:
                    form.fields.append((told["name"], told.get("value", "on")))
            case "input", "file" | "submit" | "button":
                pass
            case "input", _:
                form.fields.append((told["name"], told.get("value", "")))
            case "select", _:
                self._select = told["name"]
            case "textarea", _:
                form.fields.append((told["name"], ""))
                self._area = told["name"]

    def _chosen(self, form: Form, told: dict[str, str]) -> None:
        """Take an option that is selected, or the first of its list."""
        if "selected" in told or self._select not in dict(form.fields):
            form.fields = [one for one in form.fields if one[0] != self._select]
            form.fields.append((self._select, told.get("value", "")))
            self._option = "value" not in told

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "form":
                self._form = None
            case "textarea":
                self._area = None
            case "option":
                self._option = False
            case "div" if self._fault_depth:
                self._fault_depth -= 1

    def handle_data(self, data: str) -> None:
        if self._form is not None and (self._area is not None or self._option):
            name, value = self._form.fields[-1]
            self._form.fields[-1] = (name, value + data.strip())
            return
        self.texts.append(data)
        if self._fault_depth:
            self.faults.append(data)
