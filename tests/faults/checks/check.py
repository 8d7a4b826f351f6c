"""What a check is, and what all of them look at."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from tests.faults.group import Place
from tests.faults.intents.making import ID_PREFIX, Intent, Json
from tests.faults.load import Published
from tests.faults.truth import Said, ServiceTruth, Truth

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One promise: what was counted, and where it is broken; `service` is whose promise it is."""

    promise: str
    counted: str
    faults: Sequence[str]
    service: str = ""

    def __str__(self) -> str:
        shown = [f"\n      {fault}" for fault in self.faults[:_SHOWN_MAX]]
        more = [f"\n      … {len(self.faults)} in all"] if len(self.faults) > _SHOWN_MAX else []
        mark = "✗" if self.faults else "✓"
        return "".join([f"  {mark} {self.service:<13} {self.promise:<50} {self.counted}", *shown, *more])


@dataclass(frozen=True)
class Evidence:
    """What was published to a service and what came of it, put in order once for all checks.

    Attributes:
        ledger: what was published on the topics that it reads.
        truth: what came of it in the service.
        heard: what other services said on the topics that it reads; as often as they sent it.
        there: by partition, the end of what it reads.
    """

    ledger: Sequence[Published]
    truth: ServiceTruth
    heard: Sequence[Said]
    there: Mapping[Place, int]

    @classmethod
    def of(cls, name: str, ledger: Iterable[Published], truth: Truth) -> "Evidence":
        """Return what concerns one service."""
        part = truth.parts[name]
        read = {heard.topic.name for heard in part.service.reads}
        return cls(
            [one for one in ledger if one.place[0] in read],
            part,
            [said for other in truth.parts.values() for said in other.events if other.service.events.name in read],
            {place: end for place, end in truth.ends.items() if place[0] in read},
        )

    @cached_property
    def _heeded(self) -> set[str]:
        return {data.TYPE for heard in self.truth.service.reads for data in heard.heeds}

    @cached_property
    def _carried(self) -> set[str]:
        return {data.TYPE for heard in self.truth.service.reads for data in heard.topic.carries}

    def passes_over(self, kind: str | None) -> bool:
        """Tell whether a message of this type is nothing to the service."""
        return kind in self._carried - self._heeded

    @cached_property
    def messages(self) -> list[Intent]:
        """The messages that it heeds, each at its first place, in their order for each key and topic."""
        ordered = sorted(self.ledger, key=lambda published: (published.place, published.offset))
        heeded = (one.intent for one in ordered if one.intent.id and not self.passes_over(one.intent.kind))
        return firsts(heeded, lambda intent: intent.id)

    @cached_property
    def commands(self) -> dict[str, Intent]:
        """Commands by id, in their order for each key."""
        return {one.id: one for one in self.messages if one.fate == "command" and one.id is not None}

    @cached_property
    def facts(self) -> list[Intent]:
        """Facts, whether or not they had an effect."""
        return [one for one in self.messages if one.fate == "fact"]

    @cached_property
    def news(self) -> list[Json]:
        """What it heard from other services and heeds, each at its first place."""
        heeded = (said.told for said in self.heard if not self.passes_over(said.told["type"]))
        return firsts(heeded, lambda event: event["id"])

    @cached_property
    def events(self) -> list[Json]:
        """Events, each at its first place, in their order for each key."""
        return firsts((said.told for said in self.truth.events), lambda event: event["id"])

    @cached_property
    def letters(self) -> dict[str, Json]:
        """Dead letters by id, each as it was told last."""
        return {said.told["id"]: said.told for said in self.truth.letters}

    @cached_property
    def outcomes(self) -> dict[str, Json]:
        """By the id of a command the event that ends it: the last one, should there be more."""
        return {event["causationid"]: event for event in self.ends}

    @cached_property
    def ends(self) -> list[Json]:
        """Events that end commands of topics; what was asked over HTTP is no intent, and has such an event too."""
        ended = (event for event in self.events if "outcome" in event)
        return [event for event in ended if event["causationid"].startswith(ID_PREFIX)]

    def told(self, kind: str) -> list[Json]:
        """Return the data of all events of a kind, each once."""
        name = f"{self.truth.service.name}.{kind}.v1"
        return [event["data"] for event in self.events if event["type"] == name]

    def done(self, kind: str) -> list[Intent]:
        """Return the commands of a kind that were done, each content once."""
        name = f"{self.truth.service.name}.{kind}.v1"
        return [
            one
            for one in self.commands.values()
            if one.kind == name and self.outcomes.get(one.id or "", {}).get("outcome") == "done"
        ]


Effect = Callable[[Intent], bool]
"""Tells whether a fact had its effect."""


def firsts(things: Iterable[T], key: Callable[[T], K]) -> list[T]:
    """Return things without those whose key was there before."""
    first: dict[K, T] = {}
    for thing in things:
        first.setdefault(key(thing), thing)
    return list(first.values())
