"""The payment tokens that choose what the processor does with a charge."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

SLOW_S = 5

Answering = Literal["at once", "slowly", "never", "with an error"]
"""How a call ends, whatever became of the charge."""


@dataclass(frozen=True)
class Turn:
    """What becomes of a charge that had succeeded: into what, why, and after how many (banking) days."""

    into: Literal["returned", "disputed"]
    reason: str
    days: int
    banking: bool

    def at(self, charged_at: datetime) -> datetime:
        """Return when it happens. Weekends are no banking days; holidays are not observed."""
        moment, days = charged_at, self.days
        while days:
            moment += timedelta(days=1)
            days -= not (self.banking and moment.isoweekday() in (6, 7))
        return moment


@dataclass(frozen=True)
class Token:
    """What a token does.

    `answer` is how the call ends, whatever became of the charge; a repeat with the same key ends so too.
    `declined` is the reason of a decline. `received` is false when the request gets lost on its way.
    """

    does: str
    answer: Answering = "at once"
    declined: str | None = None
    received: bool = True
    turn: Turn | None = None
    refund_fails: bool = False


def _bank_return(code: str, meaning: str) -> Token:
    return Token(
        f"succeeds and is returned two banking days later: {meaning}",
        turn=Turn("returned", code, days=2, banking=True),
    )


TOKENS = {
    "tok_ok": Token("succeeds"),
    "tok_declined": Token("is declined", declined="card_declined"),
    "tok_insufficient_funds": Token("is declined for want of funds", declined="insufficient_funds"),
    "tok_slow": Token(f"succeeds and answers after {SLOW_S} s", answer="slowly"),
    "tok_timeout_done": Token("succeeds and never answers", answer="never"),
    "tok_timeout_lost": Token("is never received and never answered", answer="never", received=False),
    "tok_500_done": Token("succeeds and answers 500", answer="with an error"),
    "tok_bank_ok": Token("succeeds provisionally and is not returned"),
    "tok_bank_return_R01": _bank_return("R01", "insufficient funds"),
    "tok_bank_return_R02": _bank_return("R02", "account closed"),
    "tok_bank_return_R03": _bank_return("R03", "no such account"),
    "tok_bank_return_R10": _bank_return("R10", "not authorised"),
    "tok_bank_return_R29": _bank_return("R29", "a company says that it did not authorise it"),
    "tok_dispute": Token(
        "succeeds and is disputed a day later", turn=Turn("disputed", "fraudulent", days=1, banking=False)
    ),
    "tok_refund_fails": Token("succeeds; a refund of it succeeds and fails a day later", refund_fails=True),
}

UNKNOWN = Token("is declined as unknown", declined="invalid_token")


def token(name: str) -> Token:
    """Return what the token called `name` does; one that is not known is declined."""
    return TOKENS.get(name, UNKNOWN)
