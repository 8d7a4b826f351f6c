"""Cards and bank accounts that a person keeps for later: theirs alone, and shown by their last digits only."""

from datetime import datetime

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.payer import is_staff, person_of
from services.payments.domain.records import SavedMethod
from services.payments.domain.refusal import refuse
from shared.events.payments import MethodRemoved, MethodSaved, RemoveMethod, SaveMethod
from shared.events.plans import Instalment as InstalmentTold
from shared.events.plans import PlanChanged
from shared.events.vocabulary import Method
from shared.frozen import replace
from shared.messaging.decision import Decision, Event


def save(account: GuarantorAccount, command: SaveMethod, actor: str, now: datetime) -> Decision[GuarantorAccount]:
    """Keep a method; its id names it for good."""
    person = person_of(account, actor)
    if person is None:
        return refuse(account, command, "not_found")
    known = account.methods.get(command.method_id)
    if known is not None and not _same(known, command.method, person):
        return refuse(account, command, "idempotency_conflict")
    if known is not None:
        return Decision(account, (_saved(account, known, done=True),))
    after, (told,) = keep(account, command.method_id, command.method, person, now)
    return Decision(after, (told._replace(outcome="done"),))


def keep(
    account: GuarantorAccount, method_id: str, method: Method, person: str, now: datetime
) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Return the account with a method kept for a person, and the event."""
    kept = SavedMethod(method_id, person, method.kind, method.last4, method.brand, method.token, now)
    return account.with_method(kept), (_saved(account, kept),)


def remove(account: GuarantorAccount, command: RemoveMethod, actor: str) -> Decision[GuarantorAccount]:
    """Forget a method; a plan that paid by it goes on with reminders."""
    known = account.methods.get(command.method_id)
    if known is None or (known.person_id != person_of(account, actor) and not is_staff(actor)):
        return refuse(account, command, "not_found")
    told = MethodRemoved(account_number=account.number, method_id=known.method_id)
    after = account.with_method(replace(known, token=None)) if known.token else account
    events = [Event(told, "done", account.number)]
    for plan in after.plans.values():
        if plan.is_open and plan.autopay and plan.method_id == known.method_id:
            after = after.with_plan(replace(plan, autopay=False, method=None, method_id=None))
            instalments = tuple(
                InstalmentTold(number=one.number, due_on=one.due_on, amount_minor=one.amount_minor)
                for one in plan.instalments
            )
            changed = PlanChanged(
                plan_id=plan.plan_id,
                account_number=account.number,
                currency=plan.currency,
                instalments=instalments,
            )
            events.append(Event(changed, key=account.number))
    return Decision(after, tuple(events))


def _same(known: SavedMethod, method: Method, person: str) -> bool:
    return (known.person_id, known.kind, known.last4, known.brand) == (
        person,
        method.kind,
        method.last4,
        method.brand,
    ) and known.token in (None, method.token)


def _saved(account: GuarantorAccount, method: SavedMethod, *, done: bool = False) -> Event:
    told = MethodSaved(account_number=account.number, method_id=method.method_id, method=method.shown())
    return Event(told, "done" if done else None, account.number)
