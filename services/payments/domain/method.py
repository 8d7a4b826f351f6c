"""Cards and bank accounts that a person keeps for later: theirs alone, and shown by their last digits only."""

from datetime import datetime

from services.payments.domain import autopay
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.payer import method_digest, person_of
from services.payments.domain.records import Payment, SavedMethod
from services.payments.domain.refusal import refuse
from shared.events.actors import is_staff
from shared.events.payments import MethodRemoved, MethodSaved, RemoveMethod, SaveMethod
from shared.events.vocabulary import Method
from shared.frozen import replace
from shared.messaging.decision import Decision, Event


def save(account: GuarantorAccount, command: SaveMethod, actor: str, now: datetime) -> Decision[GuarantorAccount]:
    """Keep a method; its id names it for good: one that was removed stays so, and is told as it is."""
    person = person_of(account, actor)
    if person is None:
        return refuse(account, command, "not_found")
    known = account.methods.get(command.method_id)
    if known is not None and not _same(known, command.method, person):
        return refuse(account, command, "idempotency_conflict")
    if known is not None:
        tell = _saved if known.is_kept else _removed
        return Decision(account, (tell(account, known, done=True),))
    kept = _of(command.method_id, command.method, person, now)
    return Decision(account.with_method(kept), (_saved(account, kept, done=True),))


def keep_later(
    account: GuarantorAccount, payment_id: str, method: Method, person: str, now: datetime
) -> GuarantorAccount:
    """Return the account with a method that is kept, under the payment's id, once the money was taken."""
    return account.with_method(replace(_of(payment_id, method, person, now), waiting=True))


def keep_now(account: GuarantorAccount, payment_id: str) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Keep the method that waited for a payment, if one did."""
    waiting = _waiting(account, payment_id)
    if waiting is None:
        return account, ()
    kept = replace(waiting, waiting=False)
    return account.with_method(kept), (_saved(account, kept),)


def drop(account: GuarantorAccount, payment_id: str) -> GuarantorAccount:
    """Forget the method that waited for a payment, if one did."""
    waiting = _waiting(account, payment_id)
    return account.with_method(_forgotten(waiting)) if waiting else account


def remove(account: GuarantorAccount, command: RemoveMethod, actor: str) -> Decision[GuarantorAccount]:
    """Forget a method; a plan that paid by it goes on with reminders."""
    known = account.methods.get(command.method_id)
    if known is None or (known.person_id != person_of(account, actor) and not is_staff(actor)):
        return refuse(account, command, "not_found")
    after = account.with_method(_forgotten(known))
    after, changed = autopay.stop(after, lambda plan: plan.method_id == known.method_id)
    return Decision(after, (_removed(account, known, done=True), *changed))


def forget(account: GuarantorAccount, payment: Payment) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Forget a saved bank account that nothing can be taken from, since what it paid came back."""
    events = []
    for known in account.methods.values():
        if known.token and known.shown() == payment.method:
            account = account.with_method(_forgotten(known))
            if known.is_kept:
                events.append(_removed(account, known))
    return account, tuple(events)


def _of(method_id: str, method: Method, person: str, now: datetime) -> SavedMethod:
    return SavedMethod(method_id, person, method.kind, method.last4, method.brand, method.token, now)


def _waiting(account: GuarantorAccount, payment_id: str) -> SavedMethod | None:
    found = account.methods.get(payment_id)
    return found if found and found.waiting and found.token else None


def _forgotten(method: SavedMethod) -> SavedMethod:
    """Return a method without its token, of which only remains by what it is known again."""
    return replace(method, token=None, token_digest=method_digest(method.token)) if method.token else method


def _same(known: SavedMethod, method: Method, person: str) -> bool:
    same = _of(known.method_id, method, person, known.saved_at)
    return known in (same, _forgotten(same))


def _saved(account: GuarantorAccount, method: SavedMethod, *, done: bool = False) -> Event:
    told = MethodSaved(account_number=account.number, method_id=method.method_id, method=method.shown())
    return Event(told, "done" if done else None, account.number)


def _removed(account: GuarantorAccount, method: SavedMethod, *, done: bool = False) -> Event:
    told = MethodRemoved(account_number=account.number, method_id=method.method_id)
    return Event(told, "done" if done else None, account.number)
