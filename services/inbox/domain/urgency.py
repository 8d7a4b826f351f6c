"""Whether a message may mean danger: words of high risk in its text that are not taken back just before."""

import re
import unicodedata
from typing import Final

from services.inbox.domain.urgency_words import HIGH_RISK, NEGATIONS

_NEGATED_WORDS_MAX: Final = 4
"""How many words before a phrase a negation still reaches it, within the same clause."""


def _either(phrases: tuple[str, ...]) -> str:
    return "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))


_PATTERNS: Final = tuple(
    (
        re.compile(rf"\b({_either(words)})\b"),
        re.compile(rf"\b({_either(NEGATIONS[language])})\b(\W+\w+){{0,{_NEGATED_WORDS_MAX}}}\W*$"),
    )
    for language, words in HIGH_RISK.items()
)
_CLAUSE: Final = re.compile(r"[.!?;:\n]|\b(?:but|however|pero)\b")


def urgent_words(*texts: str) -> tuple[str, ...]:
    """Return the phrases of high risk that the texts hold, each once, in the order of the lists' languages."""
    found: dict[str, None] = {}
    for text in texts:
        plain = _plain(text)
        for words, negation in _PATTERNS:
            for match in words.finditer(plain):
                clause = _CLAUSE.split(plain[max(match.start() - 100, 0) : match.start()])[-1]
                if not negation.search(clause):
                    found[match.group()] = None
    return tuple(found)


def _plain(text: str) -> str:
    """Return a text in lower case, without accents, with plain apostrophes."""
    decomposed = unicodedata.normalize("NFD", text.lower().replace("\u2019", "'"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))
