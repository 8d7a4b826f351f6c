"""The clearinghouse that carries 270s to payers and their 271s back, over HTTP: text in the body, each way.

Payers throttle a provider that asks too much, and go down: each has a limit of calls, and a breaker that opens
after many failures in a row. Both are of this process alone; what they hold back is postponed, and was never sent.
"""

import asyncio
from collections import defaultdict
from http import HTTPStatus
from typing import Final, Literal, NamedTuple

import aiohttp
from aiolimiter import AsyncLimiter
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

_CONNECT_TIMEOUT_S: Final = 3.0
_IDLE_CONNECTION_S: Final = 2.0
_FAILURES_IN_A_ROW: Final = 20
_OPEN_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 1024 * 1024
LIMIT_WAIT_S: Final = 20.0
"""How long a question waits for its turn before it is postponed."""

Failure = Literal["timeout", "not_reached", "payer_down", "unreadable_answer"]


class Reply(NamedTuple):
    """What came back: a text, or why it tells nothing; `sent` is false when the payer was never asked."""

    text: str | None
    failure: Failure | None = None
    sent: bool = True


class _PayerDownError(Exception):
    """Counts against the payer's breaker."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class Clearinghouse:
    """The clearinghouse at `url`, asked at most `calls_per_s` times a second about each payer."""

    def __init__(self, url: str, timeout_s: float, calls_per_s: float) -> None:
        self._url = url
        self._limits = defaultdict[str, AsyncLimiter](lambda: AsyncLimiter(calls_per_s, 1))
        self._breakers = AsyncCircuitBreakerFactory(default_threshold=_FAILURES_IN_A_ROW, default_ttl=_OPEN_S)
        self._session = aiohttp.ClientSession(
            # Unlimited: how many are under way at once is the task's to say.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_CONNECTION_S),
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def ask(self, payer_id: str, question: str) -> Reply:
        """Send a 270 and return what came back; that there is no answer is no error."""
        try:
            async with asyncio.timeout(LIMIT_WAIT_S):
                await self._limits[payer_id].acquire()
        except TimeoutError:
            return Reply(None, sent=False)
        try:
            async with await self._breakers.get_breaker(payer_id):
                return await self._post(question)
        except OpenedState:
            return Reply(None, sent=False)
        except _PayerDownError as error:
            return Reply(None, error.failure)

    async def _post(self, question: str) -> Reply:
        headers = {"Content-Type": "application/edi-x12"}
        answer = bytearray()
        try:
            async with self._session.post(
                self._url, data=question.encode(), headers=headers, allow_redirects=False
            ) as response:
                async for part in response.content.iter_any():
                    answer += part
                    if len(answer) > ANSWER_BYTES_MAX:
                        return Reply(None, "unreadable_answer")
        except TimeoutError:
            raise _PayerDownError("timeout") from None
        except aiohttp.ClientConnectorError:
            raise _PayerDownError("not_reached") from None
        except aiohttp.ClientError:
            raise _PayerDownError("payer_down") from None
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Reply(None, sent=False)
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _PayerDownError("payer_down")
        return Reply(
            answer.decode("utf-8-sig", "replace"),
            None if response.status < HTTPStatus.MULTIPLE_CHOICES else "unreadable_answer",
        )
