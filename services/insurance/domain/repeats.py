"""Whether a command says the same as one that was obeyed: what stands for its content was kept."""

from pydantic import BaseModel

from shared.digests import digest


def fingerprint(said: BaseModel, names: set[str] | None = None) -> bytes:
    """Return what stands for a content, or for the fields of it that are named.

    What is not given is left out, so that a field that may be given from some day on makes no earlier content
    another one.
    """
    return digest(said.model_dump_json(include=names, exclude_none=True))


def is_repeat(kept: bytes | None, said: BaseModel, names: set[str] | None = None) -> bool:
    """Tell whether a content is the one that a fingerprint was kept of.

    The first fingerprints were of contents with a null for all that was not given, and stay in their rows.
    """
    with_nulls = digest(said.model_dump_json(include=names))
    return kept in (fingerprint(said, names), with_nulls)
