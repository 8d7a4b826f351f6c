"""Sentences that wait for the next page: what came of a command, or that it is still being worked on."""

from dataclasses import dataclass
from typing import Final, Literal

from fastapi import Request

from portal.commands import Outcome
from portal.language import _
from portal.refusals import refusal

Tone = Literal["success", "info", "warning", "danger"]

_KEPT_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Awaited:
    """A command that had not ended when its page stopped waiting, and how it stands now."""

    command_id: str
    text: str
    tone: Tone


def notice(request: Request, text: str, tone: Tone = "success") -> None:
    """Show a sentence on the next page that this browser gets."""
    request.session["notices"] = [*request.session.get("notices", []), {"text": text, "tone": tone}]


def tell(request: Request, outcome: Outcome, service: str, done: str) -> None:
    """Tell how a command ended on the next page, or that it is still being worked on until that is known.

    Args:
        request: of the page that asked.
        outcome: what `ask` returned.
        service: whose command it is.
        done: the sentence for a command that is done.
    """
    match outcome.state:
        case "done":
            notice(request, done)
        case "refused":
            notice(request, refusal(service, outcome.reason), "danger")
        case "pending":
            kept = [*request.session.get("awaited", []), [outcome.command_id, service, done]]
            request.session["awaited"] = kept[-_KEPT_MAX:]


def awaited(request: Request) -> list[Awaited]:
    """Return how the commands stand that this browser waits for; those that have ended are told once."""
    kept = request.session.get("awaited", [])
    standing = [_standing(request, *one) for one in kept]
    open_ones = [one for one, now in zip(kept, standing, strict=True) if now.tone == "info"]
    if open_ones != kept:
        request.session["awaited"] = open_ones
    return standing


def _standing(request: Request, command_id: str, service: str, done: str) -> Awaited:
    for heard in request.app.state.commands.chain(command_id):
        if heard.outcome == "done":
            return Awaited(command_id, done, "success")
        if heard.outcome == "refused":
            return Awaited(command_id, refusal(service, str(heard.data.get("reason"))), "danger")
    text = _("What you sent is still being worked on. We tell you here as soon as it is done.")
    return Awaited(command_id, text, "info")
