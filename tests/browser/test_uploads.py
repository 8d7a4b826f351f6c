"""The script that uploads files, in a real browser, against a server whose connections break."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect

from portal.static_files import OWN

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"
PAGE = """<!doctype html><body hx-headers='{"x-csrf-token": "token"}'><form>
<input type="hidden" name="patient_id" value="p-1">
<div data-files data-url="/uploads" data-sending="Sending" data-waiting="Waiting" data-failed="Failed"
data-max="2" data-full="Too many">
<input type="file" id="files" multiple><ul class="files"></ul></div><button>Send</button>
</form><script src="/static/files.js"></script>"""
CONTENT = bytes(range(256)) * 6000
SHORT_MS = 30_000


class Uploads:
    """Keeps what comes; as each part comes, `breaks` may say to hang up, before or after it was kept."""

    def __init__(self) -> None:
        self.kept = b""
        self.announced: dict[str, str] = {}
        self.breaks: list[str] = []
        self.offsets: list[int] = []
        self.rows: list[str] = []
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_static("/static", OWN)
        app.router.add_post("/uploads", self._begin)
        app.router.add_route("HEAD", "/uploads/1", self._look)
        app.router.add_patch("/uploads/1", self._go_on)
        self.server = TestServer(app)

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html", headers={"content-security-policy": POLICY})

    async def _begin(self, request: web.Request) -> web.Response:
        assert request.headers["x-csrf-token"] == "token"
        self.announced = {name: str(value) for name, value in (await request.post()).items()}
        if self.rows:
            return web.Response(text=self.rows.pop())
        return web.Response(status=201, headers={"location": "/uploads/1"})

    async def _look(self, _: web.Request) -> web.Response:
        return web.Response(headers={"upload-offset": str(len(self.kept))})

    async def _go_on(self, request: web.Request) -> web.Response:
        offset, part = int(request.headers["upload-offset"]), await request.read()
        self.offsets.append(offset)
        if offset != len(self.kept):
            return web.Response(status=409)
        broken = self.breaks.pop(0) if self.breaks else ""
        if broken != "before":
            self.kept += part
        if broken:
            assert request.transport is not None
            request.transport.abort()
        if len(self.kept) == len(CONTENT):
            return web.Response(text='<li class="file-clean">Attached</li>')
        return web.Response(status=204, headers={"upload-offset": str(len(self.kept))})


@pytest.fixture(name="uploads")
async def a_server() -> AsyncIterator[Uploads]:
    uploads = Uploads()
    async with uploads.server:
        yield uploads


@pytest.fixture(name="photo")
def a_photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(CONTENT)
    return path


async def test_a_broken_upload_goes_on_where_it_stopped(browser: Browser, uploads: Uploads, photo: Path) -> None:
    uploads.breaks = ["", "before", "after"]
    page = await browser.new_page()
    await page.goto(str(uploads.server.make_url("/")))

    await page.set_input_files("#files", photo)

    await expect(page.locator(".file-clean")).to_be_visible(timeout=SHORT_MS)
    assert uploads.kept == CONTENT
    assert uploads.announced == {"patient_id": "p-1", "name": "photo.jpg", "size": str(len(CONTENT))}
    assert uploads.offsets == sorted(uploads.offsets)
    await expect(page.get_by_role("button", name="Send")).to_be_enabled()
    await page.close()


async def test_a_refused_file_shows_its_row_and_nothing_of_it_is_sent(
    browser: Browser, uploads: Uploads, photo: Path
) -> None:
    uploads.rows = ['<li class="file-refused">Too large</li>']
    page = await browser.new_page()
    await page.goto(str(uploads.server.make_url("/")))

    await page.set_input_files("#files", photo)

    await expect(page.get_by_text("Too large")).to_be_visible(timeout=SHORT_MS)
    assert uploads.offsets == []
    await page.close()


async def test_more_files_than_a_form_takes_are_refused_where_they_are_chosen(
    browser: Browser, uploads: Uploads, tmp_path: Path
) -> None:
    uploads.rows = ['<li><input type="hidden" name="attachment_ids">Attached</li>'] * 3
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for file in files:
        file.write_bytes(CONTENT)
    page = await browser.new_page()
    await page.goto(str(uploads.server.make_url("/")))

    await page.set_input_files("#files", files)

    await expect(page.locator("li", has_text="2.jpg")).to_contain_text("Too many", timeout=SHORT_MS)
    await expect(page.get_by_text("Attached")).to_have_count(2)
    assert len(uploads.rows) == 1
    await page.close()
