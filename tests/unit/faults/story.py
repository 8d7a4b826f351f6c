"""Small campaigns as they look in the end, when all is well: to be broken by tests."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.events.topics import SERVICES
from tests.faults.checks.course import check_all
from tests.faults.group import Place
from tests.faults.intents.making import Intent
from tests.faults.load import Published
from tests.faults.truth import Said, ServiceTruth, Truth

Json = dict[str, Any]


def said(number: str, kind: str, data: Json, **envelope: Any) -> Said:
    """Return an event; `kind` is its type without the version."""
    told = {"id": number, "type": f"{kind}.v1", "data": data, **envelope}
    return Said(json.dumps(told).encode(), told)


def done(number: str, kind: str, cause: str, data: Json) -> Said:
    """Return the event that ends a command well."""
    return said(number, kind, data, causationid=cause, outcome="done")


def otherwise(event: Said) -> Said:
    """Return the same event with other bytes."""
    return Said(event.raw + b" ", event.told)


def letter(place: Place, offset: int, attempts: int = 1) -> Said:
    """Return a dead letter of the record `{`."""
    value = base64.b64encode(b"{").decode()
    told = {"topic": place[0], "partition": place[1], "offset": offset, "value_base64": value}
    told |= {"id": f"dead-{offset}", "reason": "unreadable", "attempts": attempts}
    return Said(json.dumps(told).encode(), told)


def published(*intents: Intent) -> list[Published]:
    """Return intents as they were published, each on the only partition of its topic."""
    ends: dict[str, int] = {}
    ledger = []
    for intent in intents:
        offset = ends.get(intent.topic, 0)
        ledger.append(Published((intent.topic, 0), offset, intent))
        ends[intent.topic] = offset + 1
    return ledger


def intent(topic: str, key: str, fate: Any, number: str | None, kind: str, data: Json, **more: Any) -> Intent:
    """Return something that was published; `kind` is its type without the version."""
    return Intent(topic, key, b"{", fate, f"{kind}.v1", number, data=data, **more)


class Campaign:
    """A campaign with one service, as it ended: `broken` tells which promises a change of it breaks."""

    def __init__(
        self,
        service: str,
        ledger: Sequence[Published],
        events: Sequence[Said],
        rows: Mapping[str, Sequence[Json]],
        outside: Mapping[str, Sequence[Json]],
        handled: int,
        letters: Sequence[Said] = (),
    ) -> None:
        self.ledger = ledger
        self.ends = {one.place: one.offset + 1 for one in ledger}
        self.part = ServiceTruth(
            service=SERVICES[service],
            events=events,
            letters=letters,
            rows=rows,
            outside=outside,
            counts={"handled": handled, "unsent": 0, "parked": 0, "tasks": 0, "due": 0},
            offsets=self.ends,
            faults=[],
        )

    def broken(self, **change: Any) -> set[str]:
        """Return the promises that are broken; a change is of an attribute, or of one table or neighbour."""
        part, own = self.part, {name: change.pop(name) for name in list(change) if name in ServiceTruth.__slots__}
        rows = {**part.rows, **{name: change.pop(name) for name in list(change) if name in part.rows}}
        outside = {**part.outside, **{name: change.pop(name) for name in list(change) if name in part.outside}}
        assert not change, f"there is no {change}"
        part = replace(part, **{"rows": rows, "outside": outside} | own)
        checks = check_all(self.ledger, Truth({part.service.name: part}, self.ends))
        return {check.promise for check in checks if check.faults}

    def without(self, *events: Said) -> list[Said]:
        """Return all events but these."""
        return [one for one in self.part.events if one not in events]
