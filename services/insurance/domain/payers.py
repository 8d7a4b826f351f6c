"""The payer directory: which payers can be asked, under which ids and names."""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from shared.events.vocabulary import Record, Word


class Payer(Record):
    """A payer; a retired one is asked under the id that replaced it, if there is one."""

    payer_id: Word
    name: Word
    aliases: tuple[Word, ...] = ()
    status: Literal["active", "retired"] = "active"
    replaced_by: Word | None = None


def _plain(name: str) -> str:
    """Return a name without case, accents, punctuation and doubled spaces."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c))
    return " ".join(kept.split())


_ALIKE: Final = str.maketrans("01l5826", "oiisbzg")
_LONG: Final = 8
"""A name of so many letters is known even where it is printed or read without its spaces."""


class Directory:
    """The payers that are known."""

    def __init__(self, payers: Iterable[Payer]) -> None:
        self._by_id = {payer.payer_id: payer for payer in payers}
        self._by_name: dict[str, Payer] = {}
        # Retired ones last, so that a name that was passed on leads to who bears it now.
        for payer in sorted(self._by_id.values(), key=lambda one: one.status != "active"):
            for name in (payer.name, *payer.aliases):
                self._by_name.setdefault(_plain(name), payer)
        self._printed = [(plain, plain.translate(_ALIKE)) for plain in self._by_name]

    def payer(self, payer_id: str | None, name: str) -> Payer | None:
        """Return who is meant and can be asked today; nothing for a payer that is not known."""
        found = self._by_id.get(payer_id) if payer_id is not None else self._by_name.get(_plain(name))
        # Each step leads to another payer, so there are at most as many as there are payers.
        for _ in self._by_id:
            if found is None or found.status == "active":
                return found
            found = self._by_id.get(found.replaced_by or "")
        return None

    def key(self, payer_id: str | None, name: str) -> str:
        """Return what is the same for the same payer, also for one that is not known."""
        payer = self.payer(payer_id, name)
        return payer.payer_id if payer else f"?{_plain(payer_id or name)}"

    def name(self, payer_id: str, told: str | None) -> str:
        """Return how the payer of an id is called: as was told, if anything was and it names no other payer."""
        meant, named = self.payer(payer_id, ""), self.payer(None, told or "")
        if told and (meant is None or named in (None, meant)):
            return told
        return meant.name if meant else payer_id

    def printed(self, text: str) -> Iterator[tuple[Payer, int]]:
        """Give who can be asked of those that a printed text names, and how many letters name them.

        The text was read from a picture: letters and digits that look alike are the same, and spaces may be lost.
        """
        read = _plain(text).translate(_ALIKE)
        glued = read.replace(" ", "")
        for plain, name in self._printed:
            solid = name.replace(" ", "")
            if f" {name} " in f" {read} " or (len(solid) >= _LONG and solid in glued):
                payer = self.payer(None, plain)
                if payer is not None:
                    yield payer, len(solid)

    def search(self, words: str) -> list[Payer]:
        """Return the payers whose id, name or alias has all the words, by name."""
        wanted = _plain(words).split()
        found = []
        for payer in self._by_id.values():
            text = _plain(" ".join((payer.payer_id, payer.name, *payer.aliases)))
            if all(word in text for word in wanted):
                found.append(payer)
        return sorted(found, key=lambda payer: payer.name)
