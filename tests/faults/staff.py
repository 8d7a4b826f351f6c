"""A person of the staff who works the in baskets over HTTP, whatever is done to the system."""

import asyncio
import random
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from tests.faults.group import POLL_S
from tests.faults.intents.making import Json
from tests.faults.system import System

_POOLS: Final = ("billing", "insurance", "crm")
_ANSWERED_WITHIN_S: Final = 10.0
_LOOKED_AT: Final = 20


class Staff:
    """Claims items, replies, and ends them; `calls` notes what was asked, and with what status it was answered."""

    def __init__(self, system: System, calls: list[Json], seed: int) -> None:
        self._system = system
        self._calls = calls
        self._random = random.Random(seed)  # noqa: S311  # repeatable on purpose

    async def run(self) -> None:
        """Work until cancelled."""
        who = {"sub": "staff:sam", "roles": ["supervisor"], "ttl_s": 24 * 60 * 60}
        token = (await self._system.sandbox_says("/identity/token", who))["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        timeout = aiohttp.ClientTimeout(total=_ANSWERED_WITHIN_S)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
            while True:
                await self._work(http)
                await asyncio.sleep(POLL_S)

    async def _work(self, http: aiohttp.ClientSession) -> None:
        """Take an item that waits, answer it, and be done with it, as far as one gets."""
        pool = self._random.choice(_POOLS)
        _, page = await self._call(http, "GET", f"/v1/pools/{pool}/items?limit={_LOOKED_AT}")
        items = page.get("items")
        if not items:
            return
        item = self._random.choice(items)
        actions = ("claim", "reply", "done") if item["kind"] == "message" else ("claim", "done")
        version = item["version"]
        for action in actions:
            said = {"body": f"Please call us. ({len(self._calls)})"} if action == "reply" else None
            call: Json = {
                "action": action,
                "item_id": item["item_id"],
                "body": said and said["body"],
                "status": None,
            }
            self._calls.append(call)
            path = f"/v1/items/{item['item_id']}/{action}"
            call["status"], answer = await self._call(http, "POST", path, said, {"if-match": str(version)})
            if call["status"] != HTTPStatus.OK:
                return
            version = answer["version"]

    async def _call(
        self, http: aiohttp.ClientSession, method: str, path: str, said: Any = None, headers: Any = None
    ) -> tuple[int | None, Json]:
        """Return the status, none without an answer, and what was answered."""
        ports = self._system.groups["inbox"].ports()
        if not ports:
            return None, {}
        url = f"http://127.0.0.1:{self._random.choice(ports)}{path}"
        try:
            async with http.request(method, url, json=said, headers=headers) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError):
            return None, {}
