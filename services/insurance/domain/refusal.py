"""How a command is refused: an event with a documented reason, and nothing else."""

from typing import NamedTuple

from services.insurance.domain.patient import Patient
from shared.events.envelope import Command
from shared.events.insurance import REFUSAL_REASONS, CommandRefused, RefusalReason
from shared.messaging.decision import Decision, Event


class Objection(NamedTuple):
    """Why a command cannot be obeyed, with words where the reason is not enough."""

    reason: RefusalReason
    detail: str | None = None


def refuse(
    patient: Patient, command: Command, reason: RefusalReason, detail: str | None = None
) -> Decision[Patient]:
    """Return the decision to do nothing, and the reason to tell."""
    refused = CommandRefused(command_type=command.TYPE, reason=reason, detail=detail or REFUSAL_REASONS[reason])
    return Decision(patient, (Event(refused, "refused"),))
