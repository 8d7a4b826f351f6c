"""How a command is refused: an event with a documented reason, and nothing else."""

from typing import NamedTuple, TypeVar

from shared.events.envelope import Command
from shared.events.inbox import REFUSAL_REASONS, CommandRefused, RefusalReason
from shared.messaging.decision import Decision, Event

S = TypeVar("S")


class Objection(NamedTuple):
    """Why a command cannot be obeyed, with words where the reason is not enough."""

    reason: RefusalReason
    detail: str | None = None


def refuse(
    state: S, command: Command, reason: RefusalReason, detail: str | None = None, key: str | None = None
) -> Decision[S]:
    """Return the decision to do nothing, and the reason to tell."""
    refused = CommandRefused(command_type=command.TYPE, reason=reason, detail=detail or REFUSAL_REASONS[reason])
    return Decision(state, (Event(refused, "refused", key),))
