"""What a person does at the portal: open a page, fill in its form, press a button, read what the page says.

The stories are told with this alone, once; `over_http` and `in_chromium` do it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import TypeAlias

from local.demo.pages import Page
from local.demo.story import Disappointment

File: TypeAlias = tuple[str, str, bytes]
"""Name, content type and content of a file to upload."""

LATEST_S = 45.0
"""How long a page may take to say what it should."""

_PASSWORD = "demo"  # noqa: S105  # of everybody in the made-up world; the login page shows it


class Visitor(ABC):
    """One person, with cookies of their own."""

    @abstractmethod
    async def goes(self, path: str) -> Page:
        """Go to a page by its path, whatever is answered there."""

    @abstractmethod
    async def fill(self, **fields: str) -> None:
        """Fill in the first form of the page that has all of these fields.

        Raises:
            Disappointment: there is none.
        """

    @abstractmethod
    async def pay_with(self, token: str) -> None:
        """Choose a new card or bank account, of which the processor's form gives this token."""

    @abstractmethod
    async def attach(self, field: str, file: File) -> None:
        """Choose a file for a field of the form."""

    @abstractmethod
    async def until_it_says(self, words: str) -> None:
        """Stay on the page until it says this.

        Raises:
            Disappointment: it does not in time.
        """

    @abstractmethod
    async def picture(self, shows: str) -> tuple[int, int]:
        """Return width and height of a picture on the page, by the words that stand for it."""

    @abstractmethod
    async def _press(self, button: str, times: int) -> Page:
        """Press the first button whose words begin so, and return the page that follows."""

    async def open(self, path: str) -> Page:
        """Go to a page by its path.

        Raises:
            Disappointment: it is not there.
        """
        page = await self.goes(path)
        if page.status != HTTPStatus.OK:
            raise Disappointment(f"{page.path} is answered with {page.status}")
        return page

    async def press(self, button: str, *, twice: bool = False) -> Page:
        """Press a button, or click it twice in a row, and return the page that follows.

        Raises:
            Disappointment: the answer is an error, or the form again with what is wrong in it.
        """
        page = await self._press(button, 2 if twice else 1)
        if page.status != HTTPStatus.OK:
            raise Disappointment(f"{page.path} is answered with {page.status} {page.faults}".strip())
        return page

    async def refused(self, button: str) -> str:
        """Press a button that asks for what is refused; return what the page says is wrong.

        Raises:
            Disappointment: nothing is wrong, or it is not said.
        """
        page = await self._press(button, 1)
        if page.status != HTTPStatus.UNPROCESSABLE_ENTITY or not page.faults:
            raise Disappointment(f"{page.path} is answered with {page.status}, and does not say what is wrong")
        return page.faults

    async def log_in(self, username: str) -> None:
        """Log in at the identity provider's page."""
        await self.open("/login")
        await self.fill(username=username, password=_PASSWORD)
        await self.press("Log in")

    async def log_out(self) -> None:
        """Log out with the button that every page has."""
        await self.open("/")
        await self.press("Sign out")


Arrival: TypeAlias = Callable[[], AbstractAsyncContextManager[Visitor]]
"""Lets somebody come to the portal, without cookies."""
