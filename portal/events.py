"""What the services say: every event is heard once by this process and given to whoever waits for it here.

The consumer has no group and starts at the end of the topics: the portal keeps nothing, it only follows. Somebody
waits for the outcome of a command that a page has just sent; open pages follow what concerns them. Who has
signed out is heard too, from as long ago as a cookie is good for: this process may not have been there then.
"""

import asyncio
import json
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from shared.events.portal import SessionEnded
from shared.events.topics import PORTAL_SESSIONS, SERVICES
from shared.messaging.broker import SILENT_S_MAX, heard_at
from shared.settings import KafkaSettings

RECENT_MAX: Final = 10_000
FOLLOWED_MAX: Final = 10_000
WAITING_MAX: Final = 1_000
_TOLD_LATER: Final[tuple[str, ...]] = ("pool", "reason")
"""What pages say of a command that ended after they stopped waiting; whole data can be long."""
_AGAIN_S: Final = 0.2

_SILENT: Final = Gauge("portal_broker_silent_seconds", "For how long the broker has said nothing")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """That there was an event, for who follows what it is about; `number` grows by one for each."""

    number: int
    type: str
    keys: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Heard:
    """What an event says, for who sent the command that led to it."""

    type: str
    outcome: str
    data: dict[str, Any]


def key(service: str, subject: str) -> str:
    """Return the name under which all events of a service about one subject can be followed."""
    return f"{service}:{subject}"


class Events:
    """Hears all events topics; gives outcomes to those who wait, and news to those who follow."""

    def __init__(self, settings: KafkaSettings, cookie_s: int) -> None:
        self.boot = uuid.uuid4().hex  # noqa: TID251  # tells this process from the one before it
        self.hearing = False
        self.number = 0
        self.on_sign_out: Callable[[str], None] = lambda _session_id: None
        self._settings = settings
        self._cookie_s = cookie_s
        self._recent: deque[News] = deque(maxlen=RECENT_MAX)
        self._waiting: dict[str, asyncio.Future[Heard]] = {}
        self._chains: OrderedDict[str, dict[tuple[str, str], Heard]] = OrderedDict()
        self._followers: dict[str, set[asyncio.Queue[News | None]]] = {}
        self._closed = False
        self._next: dict[TopicPartition, int] = {}
        self._heard_at = time.time()

    def ready(self) -> bool:
        """Tell whether outcomes are heard: a broker that hangs keeps its connections and says nothing."""
        return self.hearing and self._silent_s() <= SILENT_S_MAX

    def _silent_s(self) -> float:
        return time.time() - self._heard_at

    async def run(self) -> None:
        """Hear until cancelled, through outages of Kafka."""
        _SILENT.set_function(self._silent_s)
        while True:
            with suppress(KafkaError, OSError):
                await self._hear()
            self.hearing = False
            log.warning("the events cannot be heard; trying again")
            await asyncio.sleep(_AGAIN_S)

    async def _hear(self) -> None:
        consumer = AIOKafkaConsumer(
            *(service.events.name for service in SERVICES.values()),
            PORTAL_SESSIONS.name,
            group_id=None,
            auto_offset_reset="latest",
            enable_auto_commit=False,
            **self._settings.connection(),
        )
        try:
            await consumer.start()
            sessions = [one for one in consumer.assignment() if one.topic == PORTAL_SESSIONS.name]
            await self._begin(consumer, sessions)
            # Until it knows who has signed out, this process is not ready for their cookies.
            for partition, end in (await consumer.end_offsets(sessions)).items():
                while await consumer.position(partition) < end:
                    await self._take_more(consumer)
            self.hearing = True
            while True:
                await self._take_more(consumer)
        finally:
            await consumer.stop()

    async def _begin(self, consumer: AIOKafkaConsumer, sessions: Iterable[TopicPartition]) -> None:
        """Seek to where it was interrupted; at first to the end, and to what was said of sessions since then."""
        if not self._next:
            await consumer.seek_to_end()
            since_ms = int(1000 * (time.time() - self._cookie_s))
            for partition, first in (await consumer.offsets_for_times(dict.fromkeys(sessions, since_ms))).items():
                if first is not None:
                    consumer.seek(partition, first.offset)
            self._next = {partition: await consumer.position(partition) for partition in consumer.assignment()}
        # A topic that was made anew can have fewer partitions.
        for partition in self._next.keys() & consumer.assignment():
            consumer.seek(partition, self._next[partition])

    async def _take_more(self, consumer: AIOKafkaConsumer) -> None:
        for partition, records in (await consumer.getmany(timeout_ms=1000)).items():
            for record in records:
                self.take(record.topic, record.value)
            self._next[partition] = records[-1].offset + 1
        self._heard_at = max(self._heard_at, heard_at(consumer))

    def take(self, topic: str, value: bytes | None) -> None:
        """Give one record of an events topic to all who wait for it or follow what it is about."""
        try:
            told = json.loads(value or b"")
            if topic == PORTAL_SESSIONS.name:
                self._session_told(told)
                return
            correlation = str(told.get("correlationid") or told["id"])
            keys = (key(topic.partition(".")[0], told["subject"]), correlation)
            causation = str(told.get("causationid") or "")
            heard = Heard(str(told["type"]), str(told.get("outcome") or ""), dict(told["data"]))
        except Exception as error:  # noqa: BLE001  # whatever is in a record, the next ones are heard
            log.warning("a record is no event", topic=topic, error_type=type(error).__name__)
            return
        if heard.outcome and (waiter := self._waiting.get(causation)) and not waiter.done():
            waiter.set_result(heard)
        if (chain := self._chains.get(correlation)) is not None:
            data = {name: heard.data[name] for name in _TOLD_LATER if name in heard.data}
            chain.setdefault((heard.type, heard.outcome), replace(heard, data=data))
        self.number += 1
        news = News(self.number, heard.type, keys)
        self._recent.append(news)
        for one in keys:
            for queue in self._followers.get(one, ()):
                _put(queue, news)

    def _session_told(self, told: dict[str, Any]) -> None:
        # Who has gone on at another process is told as away by the one before: only a sign-out is meant for all.
        if told["type"] == SessionEnded.TYPE and told["data"]["reason"] == "logout":
            self.on_sign_out(str(told["data"]["session_id"]))

    def expect(self, command_id: str) -> "asyncio.Future[Heard]":
        """Remember what is said because of a command that is about to be sent; return its outcome to come."""
        self._chains[command_id] = {}
        if len(self._chains) > FOLLOWED_MAX:
            self._chains.popitem(last=False)
        self._waiting[command_id] = waiter = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(lambda _: self._waiting.pop(command_id, None))
        return waiter

    def chain(self, command_id: str) -> list[Heard] | None:
        """Return the first of each kind of what was said because of a command, with what is told later of it.

        Nothing of one that this process did not send, or forgot.
        """
        chain = self._chains.get(command_id)
        return None if chain is None else [*chain.values()]

    def knows_since(self, number: int) -> bool:
        """Tell whether all that was heard after that number is still remembered."""
        return not self._recent or self._recent[0].number <= number + 1

    async def follow(self, keys: Iterable[str], after: int) -> AsyncIterator[News]:
        """Give each event about one of these keys that comes after that number, until the portal ends."""
        wanted = frozenset(keys)
        queue: asyncio.Queue[News | None] = asyncio.Queue(WAITING_MAX)
        for news in self._recent:
            if news.number > after and wanted.intersection(news.keys):
                _put(queue, news)
        if self._closed:
            _put(queue, None)
        for one in wanted:
            self._followers.setdefault(one, set()).add(queue)
        try:
            while (next_news := await queue.get()) is not None:
                yield next_news
        finally:
            for one in wanted:
                self._followers[one].discard(queue)
                if not self._followers[one]:
                    del self._followers[one]

    def close(self) -> None:
        """End all following, so that the process can end."""
        self._closed = True
        for queues in list(self._followers.values()):
            for queue in queues:
                _put(queue, None)


def _put(queue: "asyncio.Queue[News | None]", news: News | None) -> None:
    """Put the newest in; a page too slow to take them all misses the oldest, and reads the state anyway."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(news)
