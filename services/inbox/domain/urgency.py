"""Whether a message may mean danger: words of high risk in its text that are not taken back just before.

A text is taken word by word, without accents and apostrophes, whatever stands between the words. A phrase may run
over a line's end, a negation may not: where it is not clear, the message is flagged.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from services.inbox.domain.urgency_words import HIGH_RISK, NEGATIONS, OTHERWISE, TURNS

_NEGATED_WORDS_MAX: Final = 4
"""How many words before a phrase a negation still reaches it, within the same clause."""

_DROPPED: Final = re.compile("[\u0300-\u036f'\u2019\u2018\u02bc`\u00b4]")
"""Accents, once they stand alone, and apostrophes."""
_TOKEN: Final = re.compile(r"[^\W_]+|[.,!?;:\n\u2013\u2014]| -+ ")
_ENDS: Final = frozenset(".,!?;:")
"""What no phrase runs over; other marks that are tokens end the reach of a negation alone."""

_Phrases = Mapping[str, Sequence[tuple[str, ...]]]


def _plain(text: str) -> str:
    """Return a text in lower case, without accents and apostrophes."""
    return _DROPPED.sub("", unicodedata.normalize("NFD", text.lower()))


def _by_last_word(phrases: Mapping[str, Sequence[str]]) -> _Phrases:
    """Return phrases by the word that is rarest in them, as a rule: many begin with no, can or do."""
    found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for phrase in chain(*phrases.values()):
        words = tuple(_plain(phrase).split())
        found[words[-1]].append(words)
    return dict(found)


_RISKS: Final = _by_last_word(HIGH_RISK)
_LAST: Final = frozenset(_RISKS)
_NEGATIONS: Final = _by_last_word(NEGATIONS)
_OTHERWISE: Final = frozenset(chain(*OTHERWISE.values()))
_TURNS: Final = frozenset(chain(*TURNS.values()))
_AS_LISTED: Final = {tuple(_plain(phrase).split()): phrase for phrase in chain(*HIGH_RISK.values())}


def urgent_words(*texts: str) -> tuple[str, ...]:
    """Return the phrases of high risk that the texts hold, each once, as the lists have them."""
    found: dict[str, None] = {}
    for text in texts:
        tokens = _TOKEN.findall(_plain(text))
        # Nearly all messages end here.
        if not _LAST.isdisjoint(tokens):
            found |= dict.fromkeys(_found(tokens))
    return tuple(found)


def _found(tokens: Sequence[str]) -> Iterator[str]:
    words: list[str] = []
    clauses: list[int] = []
    sentences: list[int] = []
    clause = sentence = 0
    for token in tokens:
        if token[0].isalnum():
            words.append(token)
            clauses.append(clause)
            sentences.append(sentence)
            if token in _TURNS:
                clause = len(words)
        else:
            clause = len(words)
            sentence += token in _ENDS
    for last, word in enumerate(words):
        for phrase in _RISKS.get(word, ()):
            first = last + 1 - len(phrase)
            whole = tuple(words[max(first, 0) : last + 1]) == phrase and sentences[first] == sentences[last]
            if whole and not _negated(words[clauses[first] : first]):
                yield _AS_LISTED[phrase]


def _negated(before: Sequence[str]) -> bool:
    """Return whether the words before a phrase, in its clause, take it back."""
    for place in range(len(before) - 1, max(len(before) - 2 - _NEGATED_WORDS_MAX, -1), -1):
        if before[place] in _OTHERWISE:
            return False
        for negation in _NEGATIONS.get(before[place], ()):
            if tuple(before[max(place + 1 - len(negation), 0) : place + 1]) == negation:
                return True
    return False
