"""Who asks, and what they may do: guarantors and viewers of an account, guests who looked up a bill, staff."""

from datetime import datetime, timedelta
from typing import Final

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.proofs import GuestPass, Proofs, expired
from services.payments.domain.rules import Rules
from shared.digests import digest
from shared.events.actors import is_staff, person_in
from shared.events.payments import Allocation, RefusalReason, Share, SubmitPayment

_FAILURES_WITHIN: Final = timedelta(days=1)


def person_of(account: GuarantorAccount, actor: str) -> str | None:
    """Return the person that an actor is, if they may see and pay the account."""
    opened, person = account.opened, person_in(actor)
    known = opened is not None and (person == opened.person_id or person in opened.viewers)
    return person if known else None


def may_ask(account: GuarantorAccount, actor: str) -> bool:
    """Tell whether an actor may pay an account, or arrange how it is paid."""
    return account.opened is not None and (person_of(account, actor) is not None or is_staff(actor))


def guest_of(command: SubmitPayment, subject: str, proofs: Proofs) -> GuestPass | None:
    """Return the pass of a guest, if it is for what the command asks, under the subject that it names."""
    found = proofs.read(GuestPass, command.guest_token)
    if found is None or found.subject != subject or found.typed != command.account_number:
        return None
    return found


def guests_allocation(
    account: GuarantorAccount,
    guest: GuestPass,
    amount_minor: int,
    chosen: Allocation | None,
    plan_id: str | None,
    now: datetime,
) -> Allocation | RefusalReason | None:
    """Return what a guest's payment is for, or why it cannot be: no plan, and by a visit's bill no other visit."""
    if expired(guest, now):
        return "guest_expired"
    if plan_id is not None:
        return "not_found"
    if guest.visit_number is None:
        return chosen
    if chosen:
        others = any(share.visit_account_number != guest.visit_number for share in chosen)
        return "not_found" if others else chosen
    visit = account.visit(guest.visit_number)
    if amount_minor > visit.balance_minor and not visit.closed:
        return "amount_exceeds_balance"
    return (Share(visit_account_number=visit.number, amount_minor=amount_minor),)


def method_digest(token: str) -> bytes:
    """Return what stands for a card or bank account that is not kept itself, so that it is known again."""
    return digest("token", token)


def failed_too_often(account: GuarantorAccount, guest: GuestPass, token: str, now: datetime, rules: Rules) -> bool:
    """Tell whether guests try out cards: many by one lookup, one on many bills, or many whatever way they take.

    By one lookup, of one account and from one address those count that have not ended, so that trying them all at
    once is no way around; from one address only as far as they are known: what is decided of other accounts at the
    same moment is not. Nobody who is logged in is held up by what guests tried.
    """
    method, since = method_digest(token), now - _FAILURES_WITHIN
    tries = [one for one in account.guest_tries if one.at > since]
    by_guest = sum(one.guest == guest.subject for one in tries)
    by_method = sum(one.failed and one.method == method for one in tries)
    of_account = sum(one.account_number == account.number for one in tries)
    from_address = sum(one.address == guest.address for one in tries) if guest.address else 0
    return (
        max(by_guest, by_method) >= rules.guest_failures_max
        or of_account >= rules.guest_failures_per_account_max
        or from_address >= rules.guest_failures_per_address_max
        or (account.guests_failed_since is not None and account.guests_failed_since > since)
    )
