"""What a plan needs to pay by itself, and how it stops: what pays it is forgotten, and the payer is reminded."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.plan_events import tell_schedule
from services.payments.domain.records import Payment, Plan
from shared.events.actors import is_staff
from shared.events.payments import MethodShown, RefusalReason
from shared.events.plans import Authorization, PlanChanged
from shared.events.vocabulary import Method
from shared.frozen import replace
from shared.messaging.decision import Event

_CLOCKS_DIFFER: Final = timedelta(days=1)
"""How far ahead the clock of who heard the payer's consent may be."""


def missing(
    method: Method | None, method_id: str | None, authorization: Authorization | None, now: datetime
) -> RefusalReason | None:
    """Return what a plan lacks to pay by itself: for a bank, also a consent that was given by now."""
    if method is None:
        return "not_found" if method_id else "method_missing"
    given = authorization is not None and authorization.accepted_at <= now + _CLOCKS_DIFFER
    return "authorization_missing" if method.kind == "bank_account" and not given else None


def stop(account: GuarantorAccount, stops: Callable[[Plan], bool]) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Take nothing more by themselves for the open plans that this is true of, and tell of each."""
    events = []
    for plan in account.plans.values():
        if plan.is_open and plan.autopay and stops(plan):
            account = account.with_plan(by_hand(plan))
            events.append(tell_schedule(account, plan, PlanChanged))
    return account, tuple(events)


def stop_for(account: GuarantorAccount, payment: Payment) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Take nothing more by itself from what a payment was made with, whatever it paid."""
    return stop(account, lambda plan: made_with_its_method(plan, payment))


def may_go_on(account: GuarantorAccount, plan: Plan) -> bool:
    """Tell whether what paid a plan by itself until it ended may pay it again.

    Who gave it may have left the account since, or removed the saved method.
    """
    payer = plan.person_id
    if plan.method_id is not None:
        saved = account.methods.get(plan.method_id)
        if saved is None or not saved.is_kept:
            return False
        payer = saved.person_id
    return is_staff(payer) or (account.opened is not None and payer in account.opened.persons())


def by_hand(plan: Plan) -> Plan:
    """Return a plan without what paid it by itself."""
    return replace(plan, autopay=False, method=None, method_id=None)


def made_with_its_method(plan: Plan, payment: Payment) -> bool:
    """Tell whether a payment was made with what pays a plan by itself now, and not with what did before."""
    return same_method(plan.method, payment.method)


def same_method(one: Method | None, other: Method | MethodShown | None) -> bool:
    """Tell whether both are the same card or account, which may come with another token."""
    if one is None or other is None:
        return False
    return (one.kind, one.last4, one.brand) == (other.kind, other.last4, other.brand)
