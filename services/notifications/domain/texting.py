"""The rules for words that are texted to us: STOP ends texts to a number at once, whosoever contact it is."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.notifications.domain.internal import HearText, ReplyToText, StartTexts, StopTexts, Word
from shared.events.notifications import TextHeard
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

_WORDS: Final[dict[Word, frozenset[str]]] = {
    "stop": frozenset(
        ("STOP", "STOPALL", "QUIT", "END", "REVOKE", "OPTOUT", "CANCEL", "UNSUBSCRIBE", "ALTO", "PARAR")
    ),
    "start": frozenset(("START", "UNSTOP", "YES", "EMPEZAR")),
    "help": frozenset(("HELP", "INFO", "AYUDA")),
}


def word(text: str) -> Word | None:
    """Return the word that a text is, in any case, spacing and punctuation; nothing for other texts."""
    # Some keyboards write letters in full width.
    plain = unicodedata.normalize("NFKC", text)
    letters = "".join(letter for letter in plain if letter.isalpha()).upper()
    return next((meant for meant, words in _WORDS.items() if letters in words), None)


@dataclass(frozen=True)
class Destination:
    """A number that texted us, by its digest; `contacts` are whose it is (person, contact), to be read only."""

    destination_id: str
    stopped_at: datetime | None = None
    contacts: tuple[tuple[str, str], ...] = ()


def hear_text(destination: Destination, heard: HearText, now: datetime) -> Decision[Destination]:
    """Do what a word says, and have it answered; one that says what is so already is not answered again."""
    done = Event(TextHeard(word=heard.word), "done", f"destination:{destination.destination_id}")
    stops = heard.word == "stop"
    if heard.word != "help" and stops == (destination.stopped_at is not None):
        return Decision(destination, (done,))
    reply = Task(ReplyToText(destination_id=destination.destination_id, word=heard.word))
    if heard.word == "help":
        return Decision(destination, (done,), (reply,))
    message = StopTexts if stops else StartTexts
    spread = tuple(
        Task(message(person_id=person_id, contact_id=contact_id), name=f"{person_id}\0{contact_id}")
        for person_id, contact_id in destination.contacts
    )
    return Decision(replace(destination, stopped_at=now if stops else None), (done,), (reply, *spread))
