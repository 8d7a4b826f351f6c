"""The inbox in memory: what is loaded, decided and kept, one message after the other."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from services.inbox.domain import State, decide, named_by, state_key
from services.inbox.domain.attachment import Attachment, AttachmentScanned, ScanAttachment
from services.inbox.domain.item import Desk, Item, ItemChange, ThreadMessage
from services.inbox.domain.patient import Patient
from services.inbox.domain.routing import Provider, RuleSet
from services.inbox.domain.scanning import Upload
from services.inbox.domain.supervising import Supervision
from services.inbox.rows import item_row, message_row, to_item, to_message
from shared.events.envelope import Command, Data, Message, message_of
from shared.messaging.decision import Decision, Event
from tests.unit.events.reading_back import read_back
from tests.unit.inbox.story import NOW, PATIENT

_numbers = count(1)


class InBasket:
    """Hears one message after the other. `counted` is how many items of each state a pool has."""

    def __init__(self) -> None:
        self.now = NOW
        self.told: list[Event] = []
        self.due: list[tuple[datetime, int, Data]] = []
        self.patient = Patient(PATIENT)
        self.items: dict[str, Item] = {}
        self.messages: dict[str, ThreadMessage] = {}
        self.files: dict[str, Attachment] = {}
        self.providers: dict[str, Provider] = {}
        self.rule_sets: tuple[RuleSet, ...] = ()
        self.counted: Counter[tuple[str, str]] = Counter()
        self.history: list[ItemChange] = []

    def hear(self, data: Data, actor: str = "patient:P-1", at: datetime | None = None) -> Decision[Any]:
        """Decide about a message, keep what follows, and return it."""
        self.now += timedelta.resolution
        number = next(_numbers)
        told: dict[str, Any] = {"id": f"m-{number}", "source": "test", "subject": PATIENT, "actor": actor}
        heard = message_of(data, time=at or self.now, **told)
        before = self._load(heard)
        decided = decide(before, heard, self.now)
        assert decided == decide(before, heard, self.now), "the same again decides the same"
        assert sum(event.outcome is not None for event in decided.events) == isinstance(data, Command)
        assert all(read_back(event, heard) == event.data for event in decided.events)
        self.told += decided.events
        self.due += [(task.due_at or self.now, next(_numbers), task.data) for task in decided.tasks]
        self._keep(before, decided.state)
        return decided

    def _load(self, heard: Message[Any]) -> State | None:
        named = named_by([heard])
        files = {one: self.files[one] for one in named.attachments if one in self.files}
        rules = self.rule_sets if named.rules else ()
        kind, _, which = state_key(heard).partition(":")
        match kind:
            case "patient":
                items = {one.thread_id or "": one for one in self.items.values() if one.item_id in named.items}
                messages = {one: self.messages[one] for _, one in named.messages if one in self.messages}
                changing: dict[str, Any] = {"items": items, "messages": messages, "attachments": files}
                return replace(self.patient, providers=self.providers, rule_sets=rules, **changing)
            case "item":
                return Desk(self.items.get(which), self.providers, rules, files)
            case "attachment":
                showing = {one.item_id for one in self.messages.values() if which in one.attachment_ids}
                return Upload(self.files.get(which), tuple(self.items[one] for one in sorted(showing)))
            case _:
                return Supervision(self.rule_sets, tuple(self.providers.values()))

    def _keep(self, before: State | None, after: State) -> None:
        match after:
            case Patient():
                self.providers = {**self.providers, **after.providers}
                self._keep_items(*after.items.values())
                self._keep_messages(*after.written)
                self.patient = replace(after, items={}, messages={}, written=(), changes=(), rule_sets=())
            case Desk():
                assert after.item is None or isinstance(before, Desk)
                self._keep_items(*((after.item,) if after.item is not None else ()))
                self._keep_messages(*after.written)
            case Upload(attachment=Attachment() as attachment):
                self.files[attachment.attachment_id] = attachment
            case Supervision():
                self.rule_sets = after.rule_sets
        self.history += getattr(after, "changes", ())

    def _keep_items(self, *items: Item) -> None:
        for item in items:
            known = self.items.get(item.item_id)
            assert to_item(item_row(item)) == item, "kept as it is"
            if known is not None:
                self.counted[known.pool, known.state] -= 1
            self.counted[item.pool, item.state] += 1
            self.items[item.item_id] = item

    def _keep_messages(self, *messages: ThreadMessage) -> None:
        for one in messages:
            assert one.message_id not in self.messages, "a message is written once"
            assert to_message(message_row(one)) == one, "kept as it is"
            self.messages[one.message_id] = one

    def coming(self, kind: type[Data]) -> list[Any]:
        """Return the tasks of a kind that are yet to be done."""
        return [data for _, _, data in self.due if isinstance(data, kind)]

    def said(self, *kinds: type[Data]) -> list[Any]:
        """Return what was told of some kinds, in its order."""
        return [event.data for event in self.told if isinstance(event.data, kinds)]

    def settle(self, ahead: timedelta = timedelta(), scanned: Any = "clean") -> None:
        """Let time pass, and do what becomes due on the way; the scanner says `scanned` of all files."""
        until = self.now + ahead
        while self.due and min(self.due)[0] <= until:
            task = min(self.due)
            self.due.remove(task)
            self.now = max(self.now, task[0])
            data = task[2]
            if isinstance(data, ScanAttachment):
                data = AttachmentScanned(**data.model_dump(), result=scanned)
            self.hear(data, actor="service:inbox")
        self.now = max(self.now, until)
