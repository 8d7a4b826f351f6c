"""Why something was refused, in words that say what to do next.

A sentence for each reason of each service's list (a test holds both together); a reason that this portal has not
heard of gets a sentence too, since services learn new ones before gateways do.
"""

from typing import Final

from portal.language import N_, gettext

_EVERYWHERE: Final = {
    "invalid_data": N_("Something you typed does not fit. Please look it over and try again."),
    "too_large": N_("This is too long to send. Please make it shorter."),
    "not_found": N_("We cannot find this, or it is not yours. Please start again from the list."),
    "not_allowed": N_("Only staff can do this."),
    "idempotency_conflict": N_("This form was sent before with something else in it. Please start again."),
    "nothing_to_change": N_("Nothing was changed. Change something first."),
    "stale_version": N_("Somebody changed this in the meantime. Please look at it again."),
    "unknown_attachment": N_("We no longer have one of the files. Please add it again."),
    "work_settled": N_("A colleague has settled this already."),
}

_PAYMENTS: Final = {
    "card_number_refused": N_("Please never type a card number here. Use the secure card form instead."),
    "amount_not_positive": N_("The amount must be more than zero."),
    "amount_exceeds_balance": N_("This is more than you owe. Please pay a smaller amount."),
    "allocation_mismatch": N_("The amounts for the visits do not add up. Please look them over."),
    "account_closed": N_("This bill is closed. There is nothing to pay."),
    "currency_mismatch": N_("This account is kept in another currency."),
    "payment_in_progress": N_("Another payment is still being worked on. Please wait until it has ended."),
    "review_expired": N_("Too much time has passed since you looked it over. Please check it once more."),
    "review_stale": N_("Your balance has changed since you looked it over. Please check it once more."),
    "method_missing": N_("Please choose a card or a bank account to pay with."),
    "plan_exists": N_("There is a payment plan for this already. You can change that plan instead."),
    "plan_ended": N_("This plan has ended. You can start a new one."),
    "plan_not_paused": N_("This plan is not paused."),
    "instalment_too_small": N_("The monthly amount is too small. Please choose a larger one."),
    "plan_too_long": N_("The plan would take too long. Please choose a larger monthly amount."),
    "authorization_missing": N_("Please tick the box that allows us to take each part of the plan."),
    "refund_exceeds_payment": N_("This is more than what is left of the payment."),
    "payment_disputed": N_("The card holder disputes this payment. It can be refunded only once that is over."),
    "refund_decided": N_("This refund has been decided already."),
    "guest_expired": N_("Too much time has passed. Please look your bill up again."),
    "too_many_attempts": N_("This did not work too often. Please try again tomorrow, or call us."),
    "unknown_action": N_("This cannot be settled in that way."),
    "settlement_repeated": N_("This settlement has been imported before."),
    "second_person_required": N_("Somebody else must approve this refund."),
    "why_missing": N_("Please say why."),
}

_INSURANCE: Final = {
    "duplicate_coverage": N_("This insurance is on file already. You can ask to change it instead."),
    "birth_date_in_future": N_("The date of birth has not come yet. Please check the year."),
    "change_decided": N_("This change has been decided already."),
    "priority_mismatch": N_("The list of coverages has changed. Please look at it again."),
    "unknown_payer": N_("We do not know this insurer. Please choose one from the list."),
    "action_not_offered": N_("This cannot be settled in that way."),
}

_INBOX: Final = {
    "unknown_category": N_("Please choose what your message is about."),
    "recipient_missing": N_("Please choose whom the message is for."),
    "recipient_not_allowed": N_("You cannot write to this provider. Please choose another from the list."),
    "thread_mismatch": N_("This conversation is about something else. Please send a new message."),
    "attachment_refused": N_("One of the files could not be accepted. Please remove it and try again."),
    "too_many_attachments": N_("These are too many files for one message. Please send some in a second one."),
    "attachments_too_large": N_("The files are too large for one message. Please send some in a second one."),
    "same_file_twice": N_("One of the files is there twice. Please remove one of them."),
    "unknown_pool": N_("There is no such pool."),
    "pool_inactive": N_("This pool takes nothing in at the moment. Please choose another."),
    "taken": N_("A colleague is working on this."),
    "lease_expired": N_("You held this for too long. Claim it again to go on."),
    "not_claimed": N_("Nobody is working on this. Claim it first."),
    "item_done": N_("This is done already."),
    "no_thread": N_("This is work, not a message: there is nobody to reply to."),
    "until_past": N_("This time has passed already. Please choose a later one."),
    "rule_shadowed": N_("One rule would never be used, because a more general one stands before it."),
    "duplicate_pool": N_("A pool is named twice."),
    "duplicate_delegation": N_("An affiliate or provider is delegated twice."),
}

_NOTIFICATIONS: Final = {
    "address_invalid": N_("This does not look right. Please check what you typed."),
    "address_not_supported": N_("We cannot send anything to this number. Please use a mobile number."),
    "too_soon": N_("We sent you a code a moment ago. Please wait a minute before you ask for another."),
    "too_many_codes": N_("We cannot send more codes today. Please try again tomorrow."),
    "texts_stopped": N_("This number asked us to stop. Send a text with the word START to us first."),
    "code_wrong": N_("This is not the code. Please check it and try again."),
    "code_expired": N_("This code is too old. Ask for a new one."),
    "contact_not_verified": N_("Please confirm this contact with the code that we sent."),
    "consent_missing": N_("Please tick the box to agree."),
    "consent_stale": N_("The text has changed. Please read it and agree again."),
}

WORDS: Final = {
    "payments": _EVERYWHERE | _PAYMENTS,
    "insurance": _EVERYWHERE | _INSURANCE,
    "inbox": _EVERYWHERE | _INBOX,
    "notifications": _EVERYWHERE | _NOTIFICATIONS,
}

_UNHEARD: Final = N_("This was not accepted. Please try again, or write to us.")

_FAILURES: Final = {
    "card_declined": N_("The card was declined. Try another card, or ask your bank."),
    "insufficient_funds": N_("There was not enough money on the account. Try a smaller amount or another card."),
    "invalid_token": N_("The card could not be used. Please enter it again."),
    "not_received": N_("The payment did not reach the bank. No money was taken. You can try again."),
    "R01": N_("The bank sent the payment back: there was not enough money."),
    "R02": N_("The bank sent the payment back: the account is closed."),
    "R03": N_("The bank sent the payment back: it does not know the account."),
    "R04": N_("The bank sent the payment back: it does not know the account."),
    "R05": N_("The bank sent the payment back: it was not authorized."),
    "R07": N_("The bank sent the payment back: it was not authorized."),
    "R09": N_("The bank sent the payment back: there was not enough money."),
    "R10": N_("The bank sent the payment back: it was not authorized."),
    "R11": N_("The bank sent the payment back: it was not authorized."),
    "R29": N_("The bank sent the payment back: it was not authorized."),
}
_RETURNED: Final = N_("The bank sent the payment back. Please ask your bank why, or pay in another way.")
_FAILED: Final = N_("The payment did not go through. No money was taken. You can try again.")


def refusal(service: str, reason: str) -> str:
    """Return why a service refused something, in the language of the request."""
    return gettext(WORDS[service].get(reason, _UNHEARD))


def failure(status: str, reason: str | None) -> str:
    """Return why a payment failed or was returned."""
    return gettext(_FAILURES.get(reason or "", _RETURNED if status == "returned" else _FAILED))
