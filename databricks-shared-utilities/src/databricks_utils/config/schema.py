"""The configuration's JSON Schema, for editors and CI."""

from __future__ import annotations

from typing import Any

from databricks_utils.config.model import Configuration


def configuration_schema(*, partial: bool = True) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of configuration files.

    Args:
        partial: Nothing is required, since each file holds only a part; the loader checks the whole.
    """
    schema = Configuration.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Lakehouse configuration"
    if partial:
        _without_required(schema)
    return schema


def _without_required(node: Any) -> None:
    if isinstance(node, dict):
        node.pop("required", None)
        for value in node.values():
            _without_required(value)
    elif isinstance(node, list):
        for value in node:
            _without_required(value)
