"""Rule sets: a supervisor puts a whole new one, or none."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.inbox.domain.commands import PutDelegations, PutRoutingRules
from services.inbox.domain.refusal import refuse
from services.inbox.domain.routing import (
    DEFAULT_RULES,
    PROVIDER,
    PoolEntry,
    Provider,
    RuleSet,
    in_force,
    objection_to_rules,
    pools,
)
from shared.events.inbox import RoutingRulesChanged
from shared.frozen import replace
from shared.messaging.decision import Decision, Event

SUBJECT: Final = "routing-rules"
"""The key of what is said about rule sets."""


@dataclass(frozen=True)
class Put:
    """A rule set as somebody put it."""

    rules: RuleSet
    by: str
    at: datetime


@dataclass(frozen=True)
class Supervision:
    """The newest rule sets, of which one is in force and one may be waiting for its day.

    `providers` are those that the new set's rules name and that are known.
    """

    rule_sets: tuple[RuleSet, ...] = ()
    providers: tuple[Provider, ...] = ()
    put: tuple[Put, ...] = ()


def newest(rule_sets: tuple[RuleSet, ...]) -> RuleSet:
    """Return the newest rule set, in force or not."""
    return max(rule_sets, key=lambda rules: rules.version, default=DEFAULT_RULES)


def put(supervision: Supervision, command: PutRoutingRules, actor: str, now: datetime) -> Decision[Supervision]:
    """Take a rule set, with the next version; one that was waiting for its day is given up for it."""
    current = newest(supervision.rule_sets)
    if command.version != current.version:
        return refuse(supervision, command, "stale_version")
    rules = command.rules.model_copy(update={"version": current.version + 1, "pools": tuple(_kept(command.rules))})
    found = objection_to_rules(rules, pools(rules, supervision.providers))
    if found is not None:
        return refuse(supervision, command, *found)
    before = in_force(supervision.rule_sets, now)
    rules = rules.model_copy(update={"pools": (*rules.pools, *_left_out(before, rules))})
    told = RoutingRulesChanged(version=rules.version, valid_from=rules.valid_from)
    after = replace(supervision, rule_sets=(before, rules), put=(*supervision.put, Put(rules, actor, now)))
    return Decision(after, (Event(told, "done"),))


def delegate(
    supervision: Supervision, command: PutDelegations, actor: str, now: datetime
) -> Decision[Supervision]:
    """Put other delegations from now on: into the set in force, and into one that waits for its day."""
    current = newest(supervision.rule_sets)
    if command.version != current.version:
        return refuse(supervision, command, "stale_version")
    waiting = (current,) if current.valid_from > now else ()
    sets = tuple(
        rules.model_copy(
            update={
                "version": current.version + number,
                "valid_from": max(now, rules.valid_from),
                "delegations": command.delegations,
            }
        )
        for number, rules in enumerate((in_force(supervision.rule_sets, now), *waiting), 1)
    )
    found = objection_to_rules(sets[0], pools(sets[0], supervision.providers))
    if found is not None:
        return refuse(supervision, command, *found)
    first, *others = (RoutingRulesChanged(version=one.version, valid_from=one.valid_from) for one in sets)
    after = replace(supervision, rule_sets=sets, put=(*supervision.put, *(Put(one, actor, now) for one in sets)))
    return Decision(after, (Event(first, "done"), *(Event(one) for one in others)))


def _kept(rules: RuleSet) -> list[PoolEntry]:
    """Return the pools worth keeping in a set: of providers', those that differ from what they are by default."""
    return [entry for entry in rules.pools if not entry.pool.startswith(PROVIDER) or not entry.active]


def _left_out(before: RuleSet, rules: RuleSet) -> list[PoolEntry]:
    """Return the pools that a set leaves out, taking nothing in: what waits there is still worked by the same."""
    there = pools(rules, ())
    return [
        entry.model_copy(update={"active": False})
        for entry in before.pools
        if not entry.pool.startswith(PROVIDER) and entry.pool not in there
    ]
