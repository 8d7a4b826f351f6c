"""Holds manifests against their schemas: `python validate_manifests.py VERSION MANIFESTS DEFINITION…`.

Kubernetes' own kinds are held against the schemas of that version, others against the given definitions of custom
resources. Run by a Python that has kubernetes-validate, which brings what it needs along.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

# Not the project's own libraries.
jsonschema, kubernetes_validate, yaml = map(import_module, ("jsonschema", "kubernetes_validate", "yaml"))


def strict(schema: Any) -> Any:
    """Return a schema that allows nothing that it does not name; the API server would drop it."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(one) for name, one in schema.items()}
    free = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and not free:
        closed["additionalProperties"] = False
    return closed


def defined(files: list[str]) -> dict[tuple[str, str], Any]:
    """Return the schemas of custom resources by `apiVersion` and kind."""
    found = {}
    for file in files:
        spec = yaml.safe_load(Path(file).read_text())["spec"]
        for version in spec["versions"]:
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            found[key] = schema
    return found


version, manifests, *definitions = sys.argv[1:]
custom = defined(definitions)
documents = list(yaml.safe_load_all(Path(manifests).read_text()))
for document in documents:
    schema = custom.get((document["apiVersion"], document["kind"]))
    if schema is None:
        kubernetes_validate.validate(document, version, strict=True)
    else:
        jsonschema.validate(document, schema)
print(f"{len(documents)} manifests are valid")  # noqa: T201  # for whoever reads the run
