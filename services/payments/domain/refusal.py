"""How a command is refused: an event with a documented reason, and nothing else."""

from services.payments.domain.account import GuarantorAccount
from shared.events.envelope import Command
from shared.events.payments import REFUSAL_REASONS, CommandRefused, RefusalReason
from shared.messaging.decision import Decision, Event


def refuse(account: GuarantorAccount, command: Command, reason: RefusalReason) -> Decision[GuarantorAccount]:
    """Return the decision to do nothing, and the reason to tell."""
    return Decision(account, (refusal(command, reason, account.number if account.opened else None),))


def refusal(command: Command, reason: RefusalReason, key: str | None = None) -> Event:
    """Return the event that refuses a command."""
    refused = CommandRefused(command_type=command.TYPE, reason=reason, detail=REFUSAL_REASONS[reason])
    return Event(refused, "refused", key)
