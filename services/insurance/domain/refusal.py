"""How a command is refused, and who may give one."""

from typing import NamedTuple

from services.insurance.domain.patient import By, Patient
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


def who(patient: Patient, actor: str) -> By | None:
    """Return as what an actor gives a command about a patient; nothing for those who give insurance none.

    Whether persons act for themselves or as proxies follows from whose login it is, not from what they say.
    """
    kind, _, person_id = actor.partition(":")
    match kind:
        case "patient" | "proxy":
            own = patient.registered is not None and patient.registered.person_id == person_id
            return "patient" if own else "proxy"
        case "staff":
            return "staff"
        case _:
            return None


def may_act(patient: Patient, actor: str) -> bool:
    """Tell whether an actor may act for a patient: themself, a proxy, or staff."""
    by = who(patient, actor)
    if patient.registered is None or by is None:
        return False
    return by == "staff" or patient.registered.acts(actor.partition(":")[2])
