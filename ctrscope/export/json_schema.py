"""The JSON Schema of every answer, made from the Structs that encode them."""

from importlib import reload
from typing import Any

import msgspec

from ctrscope.export.contract import ANSWERS, SCHEMA


def json_schema() -> dict[str, Any]:
    """One JSON Schema (2020-12) that every answer satisfies; ``$defs`` has each answer by its Struct's name."""
    reload(msgspec.json)  # the model imported it without the part about schemas
    references, components = msgspec.json.schema_components(ANSWERS.values(), ref_template="#/$defs/{name}")
    for component in components.values():
        if "properties" in component:
            # Keys are always there; that a field has a default only matters to those who build one.
            component["required"] = list(component["properties"])
            for described in component["properties"].values():
                described.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        "anyOf": list(references),
        "$defs": dict(sorted(components.items())),
    }
