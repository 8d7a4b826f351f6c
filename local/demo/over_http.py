"""A visitor without a browser: it reads the portal's pages and sends their forms.

It knows no more of the portal than a person without JavaScript does, but for the two things that need it: it gets
the token that the processor's form would give, and proves that it is no robot.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urljoin

import aiohttp
import altcha
from PIL import Image

from local.demo.pages import Form, Page, read
from local.demo.story import Disappointment
from local.demo.visitor import LATEST_S, File, Visitor

_POLL_S = 0.1


class OverHttp(Visitor):
    """Somebody whose pages are fetched, and never drawn."""

    def __init__(self, http: aiohttp.ClientSession, portal: str) -> None:
        self._http = http
        self._at = read(portal, 0, "")
        self._typed: dict[str, str] = {}
        self._files: dict[str, File] = {}

    async def goes(self, path: str) -> Page:
        """Fetch a page."""
        return await self._ask("GET", urljoin(self._at.address, path))

    async def fill(self, **fields: str) -> None:
        """Keep what is typed until the form is sent."""
        self._at.form(*fields)
        self._typed |= fields

    async def pay_with(self, token: str) -> None:
        """Fill in what the processor's form gives for a number."""
        is_bank = "bank" in token
        kind, last4, brand = ("bank_account", "6789", "") if is_bank else ("card", "4242", "visa")
        await self.fill(method=kind, token=token, last4=last4, brand=brand)

    async def attach(self, field: str, file: File) -> None:
        """Keep a file until the form is sent."""
        self._at.form(field)
        self._files[field] = file

    async def until_it_says(self, words: str) -> None:
        """Fetch the page again until it says this."""
        deadline = asyncio.get_running_loop().time() + LATEST_S
        while words not in self._at.text:
            if asyncio.get_running_loop().time() > deadline:
                raise Disappointment(f"{self._at.path} did not say “{words}” within {LATEST_S:.0f} s")
            await asyncio.sleep(_POLL_S)
            await self.open(self._at.address)

    async def picture(self, shows: str) -> tuple[int, int]:
        """Fetch a picture of the page."""
        if shows not in self._at.pictures:
            raise Disappointment(f"{self._at.path} has no picture “{shows}”")
        async with self._http.get(self._at.pictures[shows], raise_for_status=True) as response:
            with Image.open(BytesIO(await response.read())) as image:
                return image.size

    async def _press(self, button: str, times: int) -> Page:
        """Send the form, for a double click once more before the first answer is there."""
        form, pressed = self._at.button(button, *self._typed, *self._files)
        proof = {"captcha": await self._no_robot(form.challenge)} if form.challenge else {}
        told = form.filled(self._typed | proof, pressed)
        asked = [self._ask("POST", form.address, data=self._body(form, told)) for _ in range(times)]
        return (await asyncio.gather(*asked))[-1]

    def _body(self, form: Form, told: list[tuple[str, str]]) -> aiohttp.FormData:
        body = aiohttp.FormData(quote_fields=False, default_to_multipart=form.is_multipart)
        for name, value in told:
            body.add_field(name, value)
        for name, (filename, content_type, content) in self._files.items():
            body.add_field(name, content, filename=filename, content_type=content_type)
        return body

    async def _no_robot(self, address: str) -> str:
        """Solve a challenge, as the page's script does."""
        async with self._http.get(address, raise_for_status=True) as response:
            challenge = altcha.Challenge.from_dict(await response.json())
        solution = await asyncio.to_thread(altcha.solve_challenge, challenge)
        if solution is None:
            raise Disappointment("the captcha could not be solved in time")
        return str(altcha.Payload(challenge, solution).to_base64())

    async def _ask(self, method: str, address: str, **options: Any) -> Page:
        async with self._http.request(method, address, **options) as response:
            self._at = read(str(response.url), response.status, await response.text())
        self._typed, self._files = {}, {}
        return self._at


@asynccontextmanager
async def over_http(portal: str) -> AsyncIterator[Visitor]:
    """Somebody new at the portal."""
    # The portal's address is a number here, for which cookies are kept only on demand.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield OverHttp(http, portal)
