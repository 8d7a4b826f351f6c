"""What notifications has done outside: codes, alerts and answers to words, and questions about what is not known.

An address is looked up when a message goes out, together with whether it still may. An attempt to send an alert is
written down before the provider is called; one that had been written before is not made again, but `unknown`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal, assert_never

from services.notifications import reads
from services.notifications.adapters.carrier import Carrier
from services.notifications.adapters.delivery import Delivery
from services.notifications.adapters.mail import Mail
from services.notifications.domain.contacts import CODE_LIFETIME
from services.notifications.domain.internal import (
    AlertAnswered,
    CodeAnswered,
    QueryAlert,
    ReplyToText,
    SendAlert,
    SendCode,
    TextReplied,
)
from services.notifications.domain.quiet_hours import sendable_from
from services.notifications.domain.rules import Rules
from services.notifications.links import Links
from services.notifications.wording import Language, Wording, language_of
from shared.database import Pool
from shared.events.envelope import Data
from shared.events.notifications import Channel
from shared.messaging.handlers import Performer, TaskFailedError

_UNDER_WAY_MAX: Final = 50
"""As many connections the mail server gets from a process; most servers take no more from one place."""
_REFERENCE_CHARACTERS: Final = 12
_CODE_WAITS: Final = tuple(timedelta(seconds=s) for s in (1, 5, 30, 120))
_MINUTES: Final = str(int(CODE_LIFETIME.total_seconds() // 60))


@dataclass(slots=True)
class Sending:
    """All that it takes to send: the providers, the words, and the database with the addresses."""

    pool: Pool
    mail: Mail
    carrier: Carrier
    wording: Wording
    links: Links
    rules: Rules
    now: Callable[[], datetime]
    paused_until: dict[Channel, datetime] = field(default_factory=dict)
    """By channel: a provider that asked for a pause is not asked for the next message either."""

    async def alert(self, task: SendAlert, _: str) -> AlertAnswered:
        """Send an alert, unless it may not go any more, or not yet."""
        found = await reads.dispatch(self.pool, task.alert_id)
        if found.attempt != task.attempt:
            return _answered(task, Delivery("later"))
        if found.forbidden is not None or found.address is None:
            return _answered(task, Delivery("suppressed", reason=found.forbidden or "contact_removed"))
        where = await reads.whereabouts(self.pool, found.person_id)
        now = self.now()
        sendable = sendable_from(found.channel, now, where.zones, found.address)
        due = max(sendable, self.paused_until.get(found.channel, now))
        if due > now:
            return _answered(task, Delivery("later", wait_s=(due - now).total_seconds()))
        # Written before the attempt begins: words that cannot be found are no attempt.
        send = self._alert(task.alert_id, found.channel, found.address, language_of(where.language), now)
        if not await reads.begin_attempt(self.pool, task.alert_id, task.attempt, now):
            return _answered(task, Delivery("unknown"))
        delivery = await send()
        if delivery.result == "later":
            self.paused_until[found.channel] = now + timedelta(seconds=delivery.wait_s)
        return _answered(task, delivery)

    def _alert(
        self, alert_id: str, channel: Channel, address: str, language: Language, now: datetime
    ) -> Callable[[], Awaitable[Delivery]]:
        """Write an alert; return what sends it."""
        sign_in_url = self.links.sign_in(_reference(alert_id))
        match channel:
            case "email":
                unsubscribe_url = self.links.unsubscribe(alert_id)
                urls = {"sign_in_url": sign_in_url, "unsubscribe_url": unsubscribe_url}
                mail = self.wording.mail(language, "alert", **urls)
                return partial(self.mail.send, mail, address, alert_id, now)
            case "text":
                text = self.wording.text(language, "alert", sign_in_url=sign_in_url)
                return partial(self.carrier.send, text, address, alert_id)
            case _:
                assert_never(channel)

    async def query(self, task: QueryAlert, _: str) -> AlertAnswered:
        """Look for an alert at the provider; of a mail nobody can tell before its receipt comes."""
        found = await reads.dispatch(self.pool, task.alert_id)
        delivery = Delivery("unknown")
        match found.channel:
            case "email":
                pass
            case "text":
                if found.address is not None:
                    delivery = await self.carrier.find(_reference(task.alert_id), found.address, found.created_at)
            case _:
                assert_never(found.channel)
        return _answered(task, delivery, found.attempt)

    async def code(self, task: SendCode, _: str) -> CodeAnswered:
        """Send a code, unless there is a newer one; to send it twice does no harm."""
        found = await reads.address_of_code(self.pool, task.person_id, task.contact_id, task.code_id)
        if found is None:
            return _code_answered(task, "not_sent")
        channel, address = found
        language = language_of((await reads.whereabouts(self.pool, task.person_id)).language)
        values = {"code": self.rules.code(task.code_id), "minutes": _MINUTES}
        match channel:
            case "email":
                mail = self.wording.mail(language, "code", **values)
                delivery = await self.mail.send(mail, address, task.code_id, self.now())
            case "text":
                text = self.wording.text(language, "code", **values)
                delivery = await self.carrier.send(text, address, task.code_id)
            case _:
                assert_never(channel)
        match delivery.result:
            case "not_sent" | "later":
                raise TaskFailedError(delivery.reason or delivery.result)
            case "refused":
                return _code_answered(task, "refused")
            case _:
                return _code_answered(task, "sent")

    async def reply(self, task: ReplyToText, _: str) -> TextReplied:
        """Answer a word, if we know whose number it is."""
        found = await reads.number_of(self.pool, task.destination_id)
        if found is not None:
            person_id, number = found
            language = language_of((await reads.whereabouts(self.pool, person_id)).language)
            values = {"sign_in_url": self.links.portal_url} if task.word == "help" else {}
            delivery = await self.carrier.send(self.wording.text(language, task.word, **values), number, None)
            if delivery.result in ("not_sent", "later"):
                raise TaskFailedError(delivery.reason or delivery.result)
        return TextReplied(destination_id=task.destination_id)


def performers(sending: Sending, timeout: timedelta) -> Mapping[type[Data], Performer]:
    """Return how each task is done; `timeout` is longer than the providers' own."""
    return {
        SendCode: Performer(sending.code, _code_gave_up, timeout, _CODE_WAITS, _UNDER_WAY_MAX),
        SendAlert: Performer(sending.alert, _gave_up, timeout, at_once_max=_UNDER_WAY_MAX),
        QueryAlert: Performer(sending.query, _gave_up, timeout, at_once_max=_UNDER_WAY_MAX),
        ReplyToText: Performer(sending.reply, _reply_gave_up, timeout, at_once_max=_UNDER_WAY_MAX),
    }


def _reference(alert_id: str) -> str:
    """Return enough of an alert's id to find its text among those to one number."""
    return alert_id.replace("-", "")[:_REFERENCE_CHARACTERS]


def _answered(task: SendAlert | QueryAlert, delivery: Delivery, attempt: int | None = None) -> AlertAnswered:
    return AlertAnswered(
        alert_id=task.alert_id,
        account_number=task.account_number,
        attempt=task.attempt if isinstance(task, SendAlert) else attempt or 0,
        query=task.query if isinstance(task, QueryAlert) else 0,
        result=delivery.result,
        provider_id=delivery.provider_id,
        reason=delivery.reason,
        wait_s=delivery.wait_s,
    )


def _gave_up(task: SendAlert | QueryAlert, _: str) -> AlertAnswered:
    """An attempt may have been made before the answer was lost, so nobody can know."""
    return _answered(task, Delivery("unknown"))


def _code_answered(task: SendCode, result: Literal["sent", "not_sent", "refused"]) -> CodeAnswered:
    return CodeAnswered(person_id=task.person_id, contact_id=task.contact_id, code_id=task.code_id, result=result)


def _code_gave_up(task: SendCode, _: str) -> CodeAnswered:
    return _code_answered(task, "not_sent")


def _reply_gave_up(task: ReplyToText, _: str) -> TextReplied:
    return TextReplied(destination_id=task.destination_id)
