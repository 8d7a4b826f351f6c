"""The rules for alerts: one for each statement, channel and contact; and paper where none arrives."""

from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from services.notifications.domain.account import Account, Alert, AlertStatus, Statement, Subscriber, alert_id
from services.notifications.domain.internal import (
    AlertAnswered,
    ContactHarmed,
    Harm,
    HearReceipt,
    QueryAlert,
    SendAlert,
)
from services.notifications.domain.person import Contact, by_channel
from services.notifications.domain.quiet_hours import sendable_from
from shared.events.envelope import Message
from shared.events.notifications import (
    AlertDelivered,
    AlertFailed,
    AlertSent,
    AlertUnknown,
    PaperStatementDue,
    ReceiptHeard,
)
from shared.events.payments import StatementAvailable
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

FAILURE_WAITS: Final = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 3600))
"""The waits after each attempt that failed for certain; after one more, the alert has failed."""

QUERY_WAITS: Final = (
    timedelta(seconds=10),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(days=1),
)
"""The waits before each time that the provider is asked whether it has an alert."""


_BEFORE: Final[dict[AlertStatus, frozenset[AlertStatus]]] = {
    "sent": frozenset({"created", "unknown"}),
    "delivered": frozenset({"created", "unknown", "sent"}),
}
"""Whence an alert moves forward: a receipt that comes late, or twice, finds it further on."""


def announce(account: Account, message: Message[StatementAvailable], now: datetime) -> Decision[Account]:
    """Alert those who are enrolled; once the account was paperless, say so when the statement is to be printed.

    An account that never was paperless has its statements printed anyhow, and nothing is said.
    """
    statement = message.data
    if statement.statement_id in account.statements:
        return Decision(account)
    account = account.with_statement(Statement(statement.statement_id, now, correlationid=message.correlation))
    # Payments and we hear of who is on the account each in our own time: who is not for both reads nothing.
    readers = set(account.persons).intersection(statement.person_ids)
    in_force = [one for one in account.subscribers.values() if one.enrolment.in_force]
    enrolled = [one for one in in_force if one.person_id in readers]
    events: tuple[Event, ...] = ()
    if (last := _last_ended(account, enrolled, now)) is not None:
        reason = last.enrolment.ended_reason or "no_longer_on_account"
        account, events = _on_paper(account, statement.statement_id, last.person_id, reason)
    decided = Decision(account, events)
    for subscriber in enrolled:
        decided = decided.then(_tell(decided.state, statement.statement_id, subscriber, now))
    return decided


def hear_answer(account: Account, answer: AlertAnswered, now: datetime) -> Decision[Account]:
    """Bring an alert as far as the answer does; one that comes twice or late does nothing."""
    alert = account.alerts[answer.alert_id]
    expected = ("unknown", alert.queries) if answer.query else ("created", 0)
    if (alert.status, answer.query) != expected or alert.attempt != answer.attempt:
        return Decision(account)
    alert = replace(alert, provider_id=answer.provider_id or alert.provider_id, updated_at=now)
    reason = answer.reason or answer.result
    match answer.result:
        case "sent" | "delivered":
            decided = _reached(account, alert, answer.result)
        case "later" | "not_sent":
            decided = _again(account, alert, answer, now)
        case "refused":
            decided = _harmed(account, alert, reason, "refused")
        case "failed":
            decided = _failed(account, alert, reason)
        case "suppressed":
            decided = _suppressed(account, alert, reason, now)
        case "unknown" | "not_received":
            decided = _ask(account, alert, answer.result == "not_received", now)
        case _:
            assert_never(answer.result)
    return decided


def hear_receipt(account: Account, receipt: HearReceipt, now: datetime) -> Decision[Account]:
    """Bring an alert forward by what its provider says; what arrived may still bounce, nothing else goes back."""
    alert = replace(account.alerts[receipt.alert_id], updated_at=now)
    heard = Event(ReceiptHeard(reference=alert.alert_id, status=receipt.status), "done", alert.person_id)
    decided: Decision[Account] = Decision(account)
    match receipt.status:
        case ("sent" | "delivered") as status if alert.status in _BEFORE[status]:
            decided = _reached(account, alert, status)
        case "failed" if alert.status in _BEFORE["delivered"]:
            decided = _failed(account, alert, receipt.reason or "undelivered")
        case "bounced" if alert.status != "failed":
            decided = _harmed(account, alert, receipt.reason or "hard_bounce", "hard_bounce")
        case "complained" if alert.status != "failed":
            decided = _harmed(account, alert, "complained", "complained")
    # A receipt comes by itself; what it tells of the alert belongs to its statement.
    chain = account.statements[alert.statement_id].correlationid
    events = (event._replace(correlationid=chain) for event in decided.events)
    tasks = tuple(task._replace(correlationid=chain) for task in decided.tasks)
    return Decision(decided.state, (heard, *events), tasks)


# What an alert comes to


def _last_ended(account: Account, enrolled: list[Subscriber], now: datetime) -> Subscriber | None:
    """Return whose enrolment's end brings paper, if anybody's does.

    Paper is the guarantor's: nobody else's end brings it while they are enrolled. The end of theirs does though
    a viewer is enrolled; so does that of who was the guarantor, also of who left the account and may have been.
    """
    reading = {one.person_id for one in enrolled}
    if account.guarantor in reading:
        return None
    ended = [one for one in account.subscribers.values() if one.person_id not in reading]
    if reading:
        ended = [
            one
            for one in ended
            if one.person_id not in account.viewers or one.enrolment.ended_reason == "no_longer_guarantor"
        ]
    return max(ended, key=lambda one: one.enrolment.ended_at or now, default=None)


def _tell(account: Account, statement_id: str, subscriber: Subscriber, now: datetime) -> Decision[Account]:
    """Alert somebody who is enrolled at the contacts chosen now; with none of theirs within reach, it is paper."""
    chosen = _chosen(subscriber)
    # Who wants no alerts has to be within reach all the same.
    if not any(contact.status == "verified" for contact in chosen or subscriber.contacts.values()):
        return Decision(*_not_reached(account, statement_id, subscriber.person_id, "contact_refused"))
    alerts: list[Alert] = []
    tasks: list[Task] = []
    for contact in chosen:
        alert = _alert(account, statement_id, subscriber.person_id, contact, now)
        if contact.status == "verified" and alert.alert_id not in account.alerts:
            alerts.append(alert)
            tasks.append(_send(account, alert, _due(contact, subscriber, now)))
    return Decision(account.with_alerts(*alerts), tasks=tuple(tasks))


def _chosen(subscriber: Subscriber) -> list[Contact]:
    """Return the contacts that alerts shall go to, also those that nothing gets to at present."""
    chosen = by_channel(subscriber.enrolment.alerts).values()
    return [subscriber.contacts[one] for one in chosen if one in subscriber.contacts]


def _alert(account: Account, statement_id: str, person_id: str, contact: Contact, now: datetime) -> Alert:
    made = alert_id(account.number, statement_id, person_id, contact)
    version = contact.version
    return Alert(made, statement_id, person_id, contact.contact_id, version, contact.channel, now)


def _due(contact: Contact, subscriber: Subscriber, now: datetime) -> datetime:
    """Return when an alert is sent; what became of its contact is seen then."""
    if contact.address is None:
        return now
    return sendable_from(contact.channel, now, subscriber.zones, contact.address)


def _send(account: Account, alert: Alert, due_at: datetime) -> Task:
    task = SendAlert(alert_id=alert.alert_id, account_number=account.number, attempt=alert.attempt)
    return Task(task, due_at, alert.alert_id)


def _again(account: Account, alert: Alert, answer: AlertAnswered, now: datetime) -> Decision[Account]:
    """Send an alert again that was certainly not sent, unless it failed too often."""
    wait, failures = timedelta(seconds=answer.wait_s), alert.failures
    if answer.result == "not_sent":
        if failures >= len(FAILURE_WAITS):
            return _failed(account, alert, answer.reason or "not_sent")
        wait, failures = FAILURE_WAITS[failures], failures + 1
    again = replace(alert, attempt=alert.attempt + 1, failures=failures)
    return Decision(account.with_alerts(again), tasks=(_send(account, again, now + wait),))


def _ask(account: Account, alert: Alert, not_received: bool, now: datetime) -> Decision[Account]:
    """Ask whether the provider has an alert; in the end the statement comes on paper, for all we know."""
    events: tuple[Event, ...] = ()
    if alert.status == "created":
        alert = replace(alert, status="unknown")
        events = (_told(AlertUnknown, account, alert),)
    if alert.queries == len(QUERY_WAITS):
        if not_received:
            return _failed(account, alert, "not_received")
        account, paper = _not_reached(account, alert.statement_id, alert.person_id, "alert_unknown")
        return Decision(account.with_alerts(alert), (*events, *paper))
    alert = replace(alert, queries=alert.queries + 1)
    query = QueryAlert(alert_id=alert.alert_id, account_number=account.number, query=alert.queries)
    due_at = now + QUERY_WAITS[alert.queries - 1]
    return Decision(account.with_alerts(alert), events, (Task(query, due_at, alert.alert_id),))


def _reached(account: Account, alert: Alert, status: Literal["sent", "delivered"]) -> Decision[Account]:
    """Bring an alert forward; one that arrived before we knew that it was taken is told as both."""
    reached = replace(alert, status=status)
    events = [_told(AlertSent, account, reached)] if alert.status in _BEFORE["sent"] else []
    if status == "delivered":
        events.append(_told(AlertDelivered, account, reached))
    return Decision(account.with_alerts(reached), tuple(events))


def _failed(account: Account, alert: Alert, reason: str) -> Decision[Account]:
    """End an alert that did not arrive; its statement comes on paper."""
    account = account.with_alerts(replace(alert, status="failed", reason=reason))
    account, paper = _not_reached(account, alert.statement_id, alert.person_id, reason)
    return Decision(account, (_told(AlertFailed, account, alert, reason=reason), *paper))


def _suppressed(account: Account, alert: Alert, reason: str, now: datetime) -> Decision[Account]:
    """End an alert that may not be sent any more.

    Who is enrolled all the same and has no other of the statement is told at the contacts chosen since, or not at
    all where they chose none. For everybody else it comes on paper.
    """
    account = account.with_alerts(replace(alert, status="suppressed", reason=reason))
    failed = _told(AlertFailed, account, alert, reason=reason)
    subscriber = account.subscribers.get(alert.person_id)
    if subscriber is not None and subscriber.enrolment.in_force:
        if _has_another(account, alert):
            return Decision(account, (failed,))
        told = _tell(account, alert.statement_id, subscriber, now)
        if told.tasks or told.events or not _chosen(subscriber):
            return told._replace(events=(failed, *told.events))
    account, paper = _not_reached(account, alert.statement_id, alert.person_id, reason)
    return Decision(account, (failed, *paper))


def _has_another(account: Account, alert: Alert) -> bool:
    """Tell whether somebody has another alert of a statement, arrived or still to end."""
    about = (alert.statement_id, alert.person_id)
    others = (one for one in account.alerts.values() if (one.statement_id, one.person_id) == about)
    return any(one.status not in ("failed", "suppressed") for one in others)


def _harmed(account: Account, alert: Alert, reason: str, harm: Harm) -> Decision[Account]:
    """End an alert whose contact nothing more can be sent to."""
    task = ContactHarmed(
        person_id=alert.person_id,
        contact_id=alert.contact_id,
        contact_version=alert.contact_version,
        reason=harm,
    )
    return _failed(account, alert, reason)._replace(tasks=(Task(task, name=alert.alert_id),))


def _not_reached(
    account: Account, statement_id: str, person_id: str, reason: str
) -> tuple[Account, tuple[Event, ...]]:
    """Ask for a statement on paper that did not get to somebody, unless the guarantor is enrolled beside them.

    Paper is the guarantor's: what gets to them, or does not, is told of them.
    """
    guarantor = account.subscribers.get(account.guarantor or "")
    if guarantor is not None and guarantor.person_id != person_id and guarantor.enrolment.in_force:
        return account, ()
    return _on_paper(account, statement_id, person_id, reason)


def _on_paper(
    account: Account, statement_id: str, person_id: str, reason: str
) -> tuple[Account, tuple[Event, ...]]:
    """Ask for a statement on paper, once."""
    statement = account.statements[statement_id]
    if statement.paper_reason is not None:
        return account, ()
    due = PaperStatementDue(account_number=account.number, statement_id=statement_id, reason=reason)
    return account.with_statement(replace(statement, paper_reason=reason)), (Event(due, key=person_id),)


def _told(
    kind: type[AlertSent | AlertDelivered | AlertUnknown | AlertFailed],
    account: Account,
    alert: Alert,
    **more: str,
) -> Event:
    told = kind.model_validate(
        {
            "alert_id": alert.alert_id,
            "person_id": alert.person_id,
            "account_number": account.number,
            "statement_id": alert.statement_id,
            "contact_id": alert.contact_id,
            "channel": alert.channel,
            **more,
        }
    )
    return Event(told, key=alert.person_id)
