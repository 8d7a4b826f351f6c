"""JSON Schema (2020-12) of the messages, as they are published."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from shared.events.dead_letter import DeadLetter
from shared.events.envelope import Data, envelope

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

DEAD_LETTER: Final = "dead-letter"
"""What the schema of dead letters is called where others are called by their type."""

Schema = dict[str, Any]


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles of fields, which only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # as the base has it
        return False


def summary(model: type[BaseModel]) -> str:
    """Return what a message says in one line: the first paragraph of its docstring."""
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def message_schema(cls: type[Data]) -> Schema:
    """Return the schema of the whole message whose data is `cls`: envelope and data."""
    return _standalone(envelope(cls), cls.TYPE)


def dead_letter_schema() -> Schema:
    """Return the schema of the records of a dead-letter topic."""
    return _standalone(DeadLetter, DEAD_LETTER)


def component_schemas(classes: Iterable[type[Data]], prefix: str) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return the schemas of the messages and of the dead letter as parts of one document.

    Args:
        classes: the messages.
        prefix: where the document keeps schemas, such as `#/components/schemas/`.

    Returns:
        A reference for each type, and for `dead-letter`; and the schemas by name, `<owner>.<class>`.
    """
    references: dict[str, Schema] = {}
    schemas: dict[str, Schema] = {}
    models: dict[str, type[BaseModel]] = {cls.TYPE: envelope(cls) for cls in classes}
    models[DEAD_LETTER] = DeadLetter
    for owner, types in groupby(sorted(models), lambda name: name.split(".")[0]):
        theirs = {name: models[name] for name in types}
        found, definitions = models_json_schema(
            [(model, "validation") for model in theirs.values()],
            schema_generator=_Untitled,
            ref_template=f"{prefix}{owner}.{{model}}",
        )
        references |= {name: found[model, "validation"] for name, model in theirs.items()}
        schemas |= {f"{owner}.{name}": schema for name, schema in definitions["$defs"].items()}
    return references, schemas


def _standalone(model: type[BaseModel], title: str) -> Schema:
    schema = model.model_json_schema(schema_generator=_Untitled)
    return {"$schema": DIALECT, **schema, "title": title}
