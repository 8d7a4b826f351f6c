"""A session of SMPP 3.4 as a transceiver: bound, with a bounded window, and asked now and then whether it lives.

`smpp34` reads and writes the messages. Its own client answers what the carrier delivers before anybody has dealt
with it, and so would lose a STOP in a crash; here the answer follows the deed, and what was not done comes again.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Any, Final, NamedTuple

from smpp34 import DeliverSm, SmppError, SubmitSm, decode

BIND_TRANSCEIVER: Final = 0x09
SUBMIT_SM: Final = 0x04
DELIVER_SM: Final = 0x05
UNBIND: Final = 0x06
ENQUIRE_LINK: Final = 0x15
RESPONSE: Final = 0x80000000
GENERIC_NACK: Final = 0x80000000

OK: Final = 0x00
UNKNOWN_COMMAND: Final = 0x03
QUEUE_FULL: Final = 0x14
TRY_AGAIN: Final = 0x64
NEVER: Final = 0x65

WINDOW: Final = 10
_UNDONE_MAX: Final = 100
_ENQUIRE_S: Final = 30.0
_HEADER: Final = struct.Struct(">IIII")
_LENGTH_MAX: Final = 64 * 1024
_VERSION: Final = 0x34
_SEQUENCE_MAX: Final = 0x7FFFFFFF


class NotBoundError(ConnectionError):
    """There is no session, or the carrier does not want one; nothing was sent."""


class Answer(NamedTuple):
    """What the carrier answered: a status of the protocol, 0 for yes, and its name for a text."""

    status: int
    message_id: str


class Session:
    """A session over a connection; `heard` deals with what the carrier delivers and returns what to answer."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        timeout_s: float,
        heard: Callable[[DeliverSm], Awaitable[int]],
    ) -> None:
        self._reader, self._writer, self._timeout_s, self._heard = reader, writer, timeout_s, heard
        self._window = asyncio.Semaphore(WINDOW)
        self._sequence = count()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._undone: asyncio.Queue[tuple[int, DeliverSm]] = asyncio.Queue(_UNDONE_MAX)
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(self._ended)

    async def bind(self, system_id: str, password: str) -> None:
        """Say who we are.

        Raises:
            NotBoundError: the carrier does not want us.
            OSError: it does not answer.
        """
        names = b"".join(name.encode("latin-1", errors="replace") + b"\0" for name in (system_id, password, ""))
        answer = await self._ask(BIND_TRANSCEIVER, names + bytes((_VERSION, 0, 0, 0)))
        if answer.status != OK:
            raise NotBoundError(f"status {answer.status:#x}")

    async def run(self) -> None:
        """Keep the session until the connection breaks or the carrier ends it; when cancelled, take leave."""
        keeping = [self._reading, asyncio.create_task(self._do()), asyncio.create_task(self._enquire())]
        try:
            await asyncio.wait(keeping, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            with suppress(OSError):  # it ended by itself
                await self._ask(UNBIND, b"")
            raise
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    def close(self) -> None:
        """End the connection; what waits for an answer gets none."""
        self._reading.cancel()
        self._writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError())

    def _ended(self, reading: asyncio.Task[None]) -> None:
        if not reading.cancelled():
            reading.exception()  # how it ended is no matter
        self.close()

    async def submit(self, until: float, **text: Any) -> Answer:
        """Give the carrier a text, or a part of one; the fields are those of `smpp34.SubmitSm`.

        Args:
            until: when to give up, by the loop's clock.
            text: the fields.

        Raises:
            NotBoundError: it was not sent, there was no room in the window or no connection.
            OSError: there is no answer, so nobody knows.
        """
        now = asyncio.get_running_loop().time()
        try:
            # Half of the time is for the answer: of a text that goes out at the last moment nobody would know.
            async with asyncio.timeout_at((now + until) / 2):
                await self._window.acquire()
        except TimeoutError as error:
            raise NotBoundError from error
        try:
            async with asyncio.timeout_at(until):
                return await self._ask(SUBMIT_SM, SubmitSm(**text).encode()[_HEADER.size :])
        finally:
            self._window.release()

    async def _ask(self, command: int, body: bytes) -> Answer:
        if self._writer.is_closing():
            raise NotBoundError
        sequence = next(self._sequence) % _SEQUENCE_MAX + 1
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = waiting
        try:
            self._write(command, sequence, body)
            async with asyncio.timeout(self._timeout_s):
                return await waiting
        finally:
            del self._waiting[sequence]

    def _write(self, command: int, sequence: int, body: bytes = b"", status: int = OK) -> None:
        self._writer.write(_HEADER.pack(_HEADER.size + len(body), command, status, sequence) + body)

    async def _read(self) -> None:
        """Take messages until the connection ends, or the carrier says that it will."""
        while True:
            header = await self._reader.readexactly(_HEADER.size)
            length, command, status, sequence = _HEADER.unpack(header)
            if not _HEADER.size <= length <= _LENGTH_MAX:
                return
            body = await self._reader.readexactly(length - _HEADER.size)
            if command & RESPONSE:
                waiting = self._waiting.get(sequence)
                if waiting is not None and not waiting.done():
                    waiting.set_result(Answer(status, body.partition(b"\0")[0].decode("latin-1")))
            elif command == DELIVER_SM:
                self._take(sequence, header + body)
            elif command in (ENQUIRE_LINK, UNBIND):
                self._write(command | RESPONSE, sequence)
                if command == UNBIND:
                    return
            else:
                self._write(GENERIC_NACK, sequence, status=UNKNOWN_COMMAND)

    def _take(self, sequence: int, message: bytes) -> None:
        """Queue what was delivered; the carrier keeps what there is no room for."""
        try:
            delivered = decode(message)
            assert isinstance(delivered, DeliverSm)  # noqa: S101  # it says so in its header
            self._undone.put_nowait((sequence, delivered))
        except SmppError:
            self._answer(sequence, NEVER)
        except asyncio.QueueFull:
            self._answer(sequence, QUEUE_FULL)

    async def _do(self) -> None:
        """Deal with what was delivered, in its order."""
        while True:
            sequence, delivered = await self._undone.get()
            self._answer(sequence, await self._heard(delivered))

    def _answer(self, sequence: int, status: int) -> None:
        self._write(DELIVER_SM | RESPONSE, sequence, b"\0", status)

    async def _enquire(self) -> None:
        while True:
            await asyncio.sleep(_ENQUIRE_S)
            await self._ask(ENQUIRE_LINK, b"")
