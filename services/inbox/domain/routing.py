"""Where a message goes: pools, and the rules as data, of which the first that matches wins.

A rule set is accepted whole or not at all; each message keeps the version of the set that routed it, and why.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from services.inbox.domain.hours import Hours
from services.inbox.domain.refusal import Objection
from shared.events.envelope import Id, Time
from shared.events.inbox import CATEGORIES, Kind
from shared.events.vocabulary import Line, Version, Word
from shared.frozen import replace

Delegate = Literal["clinical", "clinical-support"]
Role = Literal["billing", "crm", "insurance", "clinical", "clinical-support", "supervisor"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

UNROUTABLE: Final = "unroutable"
"""The queue of what no rule has a pool for; a supervisor decides."""

PROVIDER: Final = "provider:"
PROVIDERS_POOL: Final = "provider:{provider_id}"
"""As the pool of a rule: that of the provider whom the message is for."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class When(_Part):
    """What a message must be for a rule to match; what is absent does not matter.

    A new condition is a field here and in `Said`, and comes with a revision, if need be an empty one: code that
    does not know it cannot read rules that name it, and does not start on the schema of newer code.
    """

    kind: Kind | None = None
    category: Word | None = None
    affiliate: Id | None = None
    provider_id: Id | None = None
    language: Word | None = None
    urgent: bool | None = None

    @cached_property
    def conditions(self) -> frozenset[tuple[str, object]]:
        """What is asked for, each with its value; a category has its kind."""
        kind = self.kind or CATEGORIES.get(self.category or "")
        return frozenset((self.model_dump() | {"kind": kind}).items()) - _ANYTHING


_ANYTHING: Final = frozenset((name, None) for name in When.model_fields)


class Rule(_Part):
    """A message that is like this goes to that pool, and why."""

    when: When
    pool: Id
    why: Line


class Delegation(_Part):
    """Who works the pools of an affiliate's providers, or of one of them."""

    affiliate: Id
    provider_id: Id | None = None
    to: Delegate


Delegated = Annotated[tuple[Delegation, ...], Field(max_length=5_000)]


class PoolEntry(BaseModel):
    """A pool: who sees it, and whether it takes anything in. `delegation` is told of providers' pools only."""

    model_config = ConfigDict(frozen=True)

    pool: Id
    name: Word
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    delegation: Delegate | None = None
    active: bool = True


class Limits(_Part):
    """How long an item may wait before it escalates, in minutes of business time."""

    normal_min: Annotated[int, Field(ge=1, le=100_000)] = 2 * 9 * 60
    urgent_min: Annotated[int, Field(ge=1, le=100_000)] = 60
    unroutable_min: Annotated[int, Field(ge=1, le=100_000)] = 4 * 60


class RuleSet(_Part):
    """All that routing follows, in one version; pools that are not named are as they are by default."""

    version: Version = 0
    valid_from: Time = datetime(2000, 1, 1, tzinfo=UTC)
    pools: Annotated[tuple[PoolEntry, ...], Field(max_length=20_000)] = ()
    rules: Annotated[tuple[Rule, ...], Field(max_length=1_000)]
    delegations: Delegated = ()
    hours: Hours = Hours()
    limits: Limits = Limits()


FIXED_POOLS: Final[Mapping[str, PoolEntry]] = {
    entry.pool: entry
    for entry in (
        PoolEntry(pool="billing", name="Billing", roles=("billing",)),
        PoolEntry(pool="crm", name="Customer service", roles=("crm",)),
        PoolEntry(pool="insurance", name="Insurance", roles=("insurance",)),
        PoolEntry(pool=UNROUTABLE, name="Unroutable", roles=("supervisor",)),
    )
}

_MEDICAL: Final = [category for category, kind in CATEGORIES.items() if kind == "medical"]
_BY_CATEGORY: Final = {
    "billing-question": ("billing", "Billing answers questions about bills"),
    "insurance-question": ("insurance", "The insurance team answers questions about coverage"),
    "customer-service": ("crm", "Customer service answers what is not about care, bills or coverage"),
    "portal-help": ("crm", "Customer service helps with the portal"),
}

DEFAULT_RULES: Final = RuleSet(
    version=1,
    rules=(
        *(
            Rule(
                when=When(kind="medical", category=category),
                pool=PROVIDERS_POOL,
                why="Medical messages go to the provider's pool",
            )
            for category in _MEDICAL
        ),
        *(
            Rule(when=When(kind="non-medical", category=category), pool=pool, why=why)
            for category, (pool, why) in _BY_CATEGORY.items()
        ),
    ),
)
"""In force until a supervisor puts another."""


_POOL_LENGTH_MAX: Final = 128
"""As any id."""


@dataclass(frozen=True)
class Provider:
    """A provider, as scheduling named them last."""

    provider_id: str
    name: str | None
    affiliate: str
    told_at: datetime

    @property
    def pool(self) -> str:
        """The id of the provider's pool."""
        return f"{PROVIDER}{self.provider_id}"

    @property
    def has_pool(self) -> bool:
        """Whether messages can name the pool; what is for a provider with too long an id is unroutable."""
        return len(self.pool) <= _POOL_LENGTH_MAX

    def after(self, told: "Provider") -> "Provider":
        """Return the provider after something was told: what was told later, and a name that was told at all."""
        older, newer = sorted((self, told), key=lambda one: one.told_at)
        return replace(newer, name=newer.name or older.name)


@dataclass(frozen=True)
class Said:
    """What the rules look at in a message: all that `When` can name."""

    kind: Kind
    category: str
    affiliate: str | None
    provider_id: str | None
    language: str | None
    urgent: bool


@dataclass(frozen=True)
class Routed:
    """Where a message goes and why; `rule` is the place of the rule that matched, if one did."""

    pool: str
    why: str
    rule: int | None


def in_force(rule_sets: Sequence[RuleSet], now: datetime) -> RuleSet:
    """Return the newest rule set that is valid by now."""
    valid = (rules for rules in rule_sets if rules.valid_from <= now)
    return max(valid, key=lambda rules: rules.version, default=DEFAULT_RULES)


class ProviderPools:
    """The pools of providers as a rule set has them: looked up, since both providers and delegations are many."""

    def __init__(self, rules: RuleSet) -> None:
        self._delegates = {(one.affiliate, one.provider_id): one.to for one in rules.delegations}
        self._named = {entry.pool: entry for entry in rules.pools}

    def of(self, provider: Provider) -> PoolEntry:
        """Return a provider's pool; it exists as soon as scheduling has named the provider."""
        to = self.delegation(provider)
        named = self._named.get(provider.pool)
        return PoolEntry(
            pool=provider.pool,
            name=(provider.name or provider.provider_id)[:80],
            roles=(to,),
            delegation=to,
            active=named is None or named.active,
        )

    def delegation(self, provider: Provider) -> Delegate:
        """Return who works a provider's pool: as said of the provider, else of the affiliate."""
        own = self._delegates.get((provider.affiliate, provider.provider_id))
        return own or self._delegates.get((provider.affiliate, None)) or "clinical-support"


def pools(rules: RuleSet, providers: Sequence[Provider]) -> dict[str, PoolEntry]:
    """Return the pools that there are, by id; of the providers' those of the given ones."""
    told = {entry.pool: entry for entry in rules.pools if not entry.pool.startswith(PROVIDER)}
    of_providers = ProviderPools(rules)
    return {**FIXED_POOLS, **told, **{one.pool: of_providers.of(one) for one in providers if one.has_pool}}


def pool_of(rules: RuleSet, providers: Mapping[str, Provider], pool: str) -> PoolEntry | None:
    """Return one of the pools that `pools` has, without making the others: there are as many as providers."""
    if pool.startswith(PROVIDER):
        provider = providers.get(pool.removeprefix(PROVIDER))
        return ProviderPools(rules).of(provider) if provider and provider.has_pool else None
    return next((entry for entry in rules.pools if entry.pool == pool), FIXED_POOLS.get(pool))


def route(rules: RuleSet, said: Said, known: Callable[[str], PoolEntry | None]) -> Routed:
    """Return where a message goes: by the first rule that matches, or to the unroutable queue.

    Args:
        rules: the set in force.
        said: what they look at.
        known: returns a pool by its id, if there is such a pool.
    """
    about = vars(said).items()
    for place, rule in enumerate(rules.rules):
        if not rule.when.conditions <= about:
            continue
        if rule.pool == PROVIDERS_POOL and said.provider_id is None:
            return Routed(UNROUTABLE, "There is no provider for this patient yet", place)
        pool = known(rule.pool.replace("{provider_id}", said.provider_id or ""))
        if pool is None:
            return Routed(UNROUTABLE, "The rule's pool is not known", place)
        if not pool.active:
            return Routed(UNROUTABLE, f"The pool {pool.pool} is not active", place)
        return Routed(pool.pool, rule.why, place)
    return Routed(UNROUTABLE, "No rule matches", None)


def objection_to_rules(rules: RuleSet, known: Mapping[str, PoolEntry]) -> Objection | None:
    """Return why a rule set cannot be taken, if so, with a sentence that names the place.

    Args:
        rules: the set.
        known: the pools that there would be.
    """
    for place in range(len(rules.rules)):
        found = _objection_to_rule(rules.rules, place, known)
        if found is not None:
            return found
    unroutable = known.get(UNROUTABLE)
    if unroutable is None or not unroutable.active:
        return Objection("pool_inactive", "the unroutable queue is always active")
    if len({entry.pool for entry in rules.pools}) < len(rules.pools):
        return Objection("duplicate_pool", "a pool is named twice")
    if len({(one.affiliate, one.provider_id) for one in rules.delegations}) < len(rules.delegations):
        return Objection("duplicate_delegation", "an affiliate or provider is delegated twice")
    return None


def _objection_to_rule(rules: Sequence[Rule], place: int, known: Mapping[str, PoolEntry]) -> Objection | None:
    rule = rules[place]
    if rule.pool != PROVIDERS_POOL and rule.pool not in known:
        return Objection("unknown_pool", f"rule {place} names a pool that does not exist")
    category = rule.when.category
    if category is not None and rule.when.kind not in (None, CATEGORIES.get(category)):
        return Objection("unknown_category", f"rule {place} names a category that its kind does not have")
    if category is not None and category not in CATEGORIES:
        return Objection("unknown_category", f"rule {place} names a category that does not exist")
    for earlier, other in enumerate(rules[:place]):
        if other.when.conditions <= rule.when.conditions:
            return Objection("rule_shadowed", f"rule {place} never matches, since rule {earlier} is more general")
    return None
