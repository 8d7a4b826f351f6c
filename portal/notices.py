"""Sentences that wait for the next page: what came of a command, or that it is still being worked on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi import Request

from portal.commands import Outcome
from portal.language import N_, _, gettext
from portal.refusals import refusal
from portal.visitors import unattended

Tone = Literal["success", "info", "warning", "danger"]

_KEPT_MAX: Final = 5
_PLACES: Final = {
    "payments": ("/billing", N_("Look at my bills")),
    "insurance": ("/insurance", N_("Look at my insurance")),
    "inbox": ("/messages", N_("Look at my messages")),
    "notifications": ("/settings", N_("Look at my settings")),
}
"""Where a person sees what came of a command to a service."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A command that had not ended when its page stopped waiting, and how it stands now.

    Attributes:
        command_id: of the command.
        text: how it stands, in words.
        tone: of the sentence.
        message_id: of a message that was refused: the browser keeps its text under this key.
        href: where it can be seen what came of it, when it is not told here any more.
        label: of the way there.
    """

    command_id: str
    text: str
    tone: Tone
    message_id: str | None = None
    href: str = ""
    label: str = ""


def notice(request: Request, text: str, tone: Tone = "success") -> None:
    """Show a sentence on the next page that this browser gets."""
    request.session["notices"] = [*request.session.get("notices", []), {"text": text, "tone": tone}]


def tell(request: Request, outcome: Outcome, service: str, done: str, message_id: str | None = None) -> None:
    """Tell how a command ended on the next page, or that it is still being worked on until that is known.

    Args:
        request: of the page that asked.
        outcome: what `ask` returned.
        service: whose command it is.
        done: the sentence for a command that is done, or for one of which no more is known when it is.
        message_id: of a message: told later, it is told by where it went; the browser keeps its text under this
            key (`portal.js`), so that it can be written again.
    """
    match outcome.state:
        case "done":
            notice(request, done)
        case "refused":
            notice(request, refusal(service, outcome.reason), "danger")
        case "pending":
            kept = [*request.session.get("awaited", []), [outcome.command_id, service, done]]
            request.session["awaited"] = kept[-_KEPT_MAX:]
            if message_id:
                messages = request.session.get("messages", {}) | {outcome.command_id: message_id}
                request.session["messages"] = dict([*messages.items()][-_KEPT_MAX:])


def awaited(request: Request) -> list[Awaited]:
    """Return how the commands stand that this browser waits for.

    Those that have ended, or that this process cannot follow, are told once, and by a page that asks for itself
    until somebody's next click.
    """
    kept = request.session.get("awaited", [])
    standing = [_standing(request, *one) for one in kept]
    open_ones = [one for one, now in zip(kept, standing, strict=True) if now.tone == "info"]
    if open_ones != kept and not unattended(request):
        request.session["awaited"] = open_ones
    return standing


def _standing(request: Request, command_id: str, service: str, done: str) -> Awaited:
    message_id: str | None = request.session.get("messages", {}).get(command_id)
    chain = request.app.state.commands.chain(command_id)
    if chain is None:
        href, label = _PLACES[service]
        text = _("We cannot follow here any more what you sent. Please look whether it is done.")
        return Awaited(command_id, text, "warning", href=href, label=gettext(label))
    for heard in chain:
        if heard.outcome == "done":
            return Awaited(command_id, went_to(heard.data) if message_id else done, "success")
        if heard.outcome == "refused":
            return Awaited(command_id, refusal(service, str(heard.data.get("reason"))), "danger", message_id)
    text = _("What you sent is still being worked on. We tell you here as soon as it is done.")
    return Awaited(command_id, text, "info")


def went_to(routed: Mapping[str, Any]) -> str:
    """Return in words where the inbox put a message."""
    match str(routed.get("pool") or ""):
        case "billing":
            return _("Sent to our billing team.")
        case "insurance":
            return _("Sent to our insurance team.")
        case "crm":
            return _("Sent to our customer service.")
        case pool if pool.startswith("provider:"):
            return _("Sent to the care team.")
        case _:
            return _("Sent. Our staff will bring it to the right people.")
