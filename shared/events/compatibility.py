"""Whether a published message may change as wanted, so that those who know the old one need not care.

Within a major version, every message that was ever written must still be readable; what a service tells must
also stay readable for those who have not changed. A change that breaks this is a new type, `….v2`.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import jsoncompat

from shared.events.schemas import Schema

_FACETS = ("pattern", "format")


def breaks(old: Schema, new: Schema, *, told: bool) -> list[str]:
    """Return how `new` breaks those who know `old`: a sentence each, none if it does not.

    Args:
        old: the published schema.
        new: the schema that is to take its place.
        told: a service writes the message and others read it; else others write it and a service reads it.
    """
    if old == new:
        return []
    found = []
    # Who writes adds nothing that is not in the schema, who reads ignores it: hence closed against open.
    if not jsoncompat.check_compat(json.dumps(_closed(old)), json.dumps(new), "deserializer"):
        found.append("messages that were valid no longer are")
    if told and not jsoncompat.check_compat(json.dumps(old), json.dumps(_closed(new)), "serializer"):
        found.append("who reads by the old schema cannot read it")
    return found + list(_unseen(_facets(old), _facets(new), told=told))


def _closed(part: Any) -> Any:
    """Return a schema that allows no field beside those it names."""
    if isinstance(part, list):
        return [_closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(value) for name, value in part.items()}
    return {**closed, "additionalProperties": False} if part.get("type") == "object" else closed


def _unseen(old: dict[str, set[str]], new: dict[str, set[str]], *, told: bool) -> Iterator[str]:
    """Find what comparing sets of valid messages does not see: optional fields that go, and patterns."""
    for path, facets in old.items():
        if path not in new:
            yield f"{path} is gone"
        elif new[path] - facets or (told and facets - new[path]):
            yield f"{path} has another pattern or format"


def _facets(schema: Schema) -> dict[str, set[str]]:
    """Return the path of every field with the patterns and formats that it is held to."""
    found: defaultdict[str, set[str]] = defaultdict(set)

    def visit(path: str, part: Schema) -> None:
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rpartition("/")[2]]
        found[path] |= {f"{facet} {part[facet]}" for facet in _FACETS if facet in part}
        for name, value in part.get("properties", {}).items():
            visit(f"{path}.{name}" if path else name, value)
        for choice in part.get("anyOf", ()):
            visit(path, choice)
        for items in part.get("prefixItems", ()):
            visit(f"{path}[]", items)
        if "items" in part:
            visit(f"{path}[]", part["items"])

    visit("", schema)
    return found
