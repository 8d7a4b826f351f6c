"""What a dead-letter topic carries: a record that could not be handled, to the byte, and why.

It is no CloudEvent, since what it holds may be none.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from shared.events.envelope import Data, Id, Time
from shared.events.vocabulary import Code, Note

Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


class DeadLetter(BaseModel):
    """A record that a service could not handle; the same record is the same `id`, however often it fails."""

    model_config = Data.model_config

    id: Id
    reason: Code
    detail: Note
    service: Code
    topic: Id
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    key_base64: Base64 | None
    value_base64: Base64 | None
    headers: tuple[tuple[str, Base64 | None], ...]
    attempts: Annotated[int, Field(ge=1)]
    first_seen_at: Time
    dead_at: Time
