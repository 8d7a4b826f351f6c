"""The supervisors' rules: read, tried out, and put as a whole or not at all."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from services.inbox.api.callers import SeenVersion, Supervisor
from services.inbox.domain.commands import PutDelegations, PutRoutingRules
from services.inbox.domain.routing import (
    UNROUTABLE,
    Delegated,
    RuleSet,
    Said,
    objection_to_rules,
    route,
)
from services.inbox.domain.supervising import SUBJECT, newest
from services.inbox.reads import all_pools, rules_in_force
from services.inbox.store import read_rule_sets
from shared.auth import Caller
from shared.database import Pool
from shared.events.envelope import Id
from shared.events.inbox import CATEGORIES, REFUSAL_REASONS, CommandRefused, Kind
from shared.events.vocabulary import Word
from shared.problems import Problem
from shared.routes import Now, TheAsk, ThePool

router = APIRouter(prefix="/v1", tags=["routing rules"])


class Trial(BaseModel):
    """A message that might be sent, to see where it would go; by `rules`, if given, else by those in force."""

    kind: Kind
    category: Word
    affiliate: Id | None = None
    provider_id: Id | None = None
    language: Word | None = None
    urgent: bool = False
    rules: RuleSet | None = None


class TrialResult(BaseModel):
    """Where the message would go, and why; `rule` is the place of the rule that matched."""

    pool: str
    why: str
    rule: int | None
    rule_version: int
    routable: bool


class Delegations(BaseModel):
    """Who works the pools of an affiliate's providers, or of one of them; else it is clinical support."""

    version: int = Field(default=0, description="of the rule set that they belong to")
    delegations: Delegated


@router.get("/routing-rules")
async def rules(_: Supervisor, pool: ThePool, response: Response) -> RuleSet:
    """Show the newest rule set, with every pool as it has it."""
    return await _shown(pool, newest(await read_rule_sets(pool)), response)


@router.put("/routing-rules")
async def put_rules(
    body: RuleSet,
    caller: Supervisor,
    version: SeenVersion,
    pool: ThePool,
    ask: TheAsk,
    now: Now,
    response: Response,
) -> RuleSet:
    """Put a rule set in the place of the newest; it gets the next version, and is valid from now if not later.

    A pool of the set in force that it leaves out stays, and takes nothing in any more.
    """
    if "valid_from" not in body.model_fields_set:
        body = body.model_copy(update={"valid_from": now})
    return await _put(PutRoutingRules(version=version, rules=body), caller, pool, ask, response)


@router.post("/routing-rules/dry-run")
async def dry_run(body: Trial, _: Supervisor, pool: ThePool, now: Now) -> TrialResult:
    """Show where a message would go; one that would be refused for its category is refused here, too."""
    if CATEGORIES.get(body.category) != body.kind:
        raise _refused("unknown_category", REFUSAL_REASONS["unknown_category"])
    tried = body.rules or await rules_in_force(pool, now)
    known = await all_pools(pool, tried)
    if body.rules is not None and (found := objection_to_rules(tried, known)) is not None:
        raise _refused(found.reason, found.detail or REFUSAL_REASONS[found.reason])
    said = Said(
        kind=body.kind,
        category=body.category,
        affiliate=body.affiliate,
        provider_id=body.provider_id,
        language=body.language,
        urgent=body.urgent,
    )
    routed = route(tried, said, known.get)
    return TrialResult(
        pool=routed.pool,
        why=routed.why,
        rule=routed.rule,
        rule_version=tried.version,
        routable=routed.pool != UNROUTABLE,
    )


@router.get("/delegations")
async def delegations(_: Supervisor, pool: ThePool, response: Response) -> Delegations:
    """Show who works which providers' pools."""
    shown = newest(await read_rule_sets(pool))
    response.headers["etag"] = f'"{shown.version}"'
    return Delegations(version=shown.version, delegations=shown.delegations)


@router.put("/delegations")
async def put_delegations(
    body: Delegations,
    caller: Supervisor,
    version: SeenVersion,
    pool: ThePool,
    ask: TheAsk,
    response: Response,
) -> Delegations:
    """Put other delegations from now on; all else stays, in a new version, and in one more of a set that waits."""
    command = PutDelegations(version=version, delegations=body.delegations)
    put = await _put(command, caller, pool, ask, response)
    return Delegations(version=put.version, delegations=put.delegations)


async def _put(
    command: PutRoutingRules | PutDelegations, caller: Caller, pool: Pool, ask: TheAsk, response: Response
) -> RuleSet:
    ended = await ask(command, SUBJECT, caller.staff_actor)
    if isinstance(ended, CommandRefused):
        raise _refused(ended.reason, ended.detail)
    return await _shown(pool, newest(await read_rule_sets(pool)), response)


async def _shown(pool: Pool, rules: RuleSet, response: Response) -> RuleSet:
    response.headers["etag"] = f'"{rules.version}"'
    every = await all_pools(pool, rules)
    return rules.model_copy(update={"pools": tuple(every.values())})


def _refused(reason: str, detail: str) -> Problem:
    stale = reason == "stale_version"
    status = HTTPStatus.PRECONDITION_FAILED if stale else HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, detail, reason=reason)
