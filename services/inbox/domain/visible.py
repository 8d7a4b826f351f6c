"""Whether a text that somebody is to read holds anything to see.

On the topics such a text may be empty to the eye, as it always might; the rules refuse it.
"""

import unicodedata
from typing import Final

from pydantic import AfterValidator

_UNSEEN: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
"""The categories of spaces, of control characters, and of those that only shape others."""


def visible(text: str) -> bool:
    """Return whether a text has a character that can be seen."""
    return any(unicodedata.category(char) not in _UNSEEN for char in text)


def _must_be_visible(text: str) -> str:
    if not visible(text):
        raise ValueError("nothing in it can be seen")
    return text


Visible: Final = AfterValidator(_must_be_visible)
"""`Annotated[Line, Visible]`: a text with something to see in it."""
