"""Keys that the standard allows and nothing here acts upon, where a reader of the contract would believe it is so."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from databricks_utils.contracts.quality import Complaint

#: Keys of a column, and what to write instead.
COLUMN_KEYS = {
    "enum": "Write a quality rule: metric: invalidValues, arguments: {validValues: […]}, mustBe: 0",
    "partitioned": "Remove it; name the column in the custom property clusterBy",
    "partitionKeyPosition": "Remove it; name the column in the custom property clusterBy",
    "physicalName": "Give the column its physical name under name",
}
STRUCTURE = "Remove it, and write a row rule with size()"
#: Keys of `logicalTypeOptions`, and what to write instead.
OPTION_KEYS = {
    "minItems": STRUCTURE,
    "maxItems": STRUCTURE,
    "uniqueItems": STRUCTURE,
    "minProperties": STRUCTURE,
    "maxProperties": STRUCTURE,
    "required": "Remove it, and write a row rule",
    "defaultTimezone": "Remove it; times without a zone are UTC, and a transformation can shift them",
}
#: The custom properties this library reads, of a table and of a column; all others belong to other tools.
CLUSTER_BY, SOURCE = "clusterBy", "source"


def check_column_keys(position: int, column: Mapping[str, Any], complain: Complaint) -> None:
    """Complain about a column's keys without effect."""
    at = ("schema", "0", "properties", str(position))
    for name in COLUMN_KEYS:
        if column.get(name) not in (None, False, column.get("name")):
            complain((*at, name), f"The key {name!r} has no effect", COLUMN_KEYS[name])
    for name in column.get("logicalTypeOptions") or {}:
        if name in OPTION_KEYS:
            place = (*at, "logicalTypeOptions", name)
            complain(place, f"The option {name!r} has no effect", OPTION_KEYS[name])
    for number, item in enumerate(column.get("customProperties") or []):
        place = (*at, "customProperties", str(number))
        if close_to_ours(item.get("property")):
            complain(place, f"{CLUSTER_BY} is about the table", "Put it under the contract's customProperties")
        elif item.get("property") != SOURCE and close_to(SOURCE, item.get("property")):
            message = f"Unknown custom property {item.get('property')!r}"
            complain((*place, "property"), message, f"Did you mean {SOURCE}, the name in files and events?")


def check_table_keys(layer: str, values: Mapping[str, Any], table: Mapping[str, Any], complain: Complaint) -> None:
    """Complain about a table's keys without effect: references of the table, checks of bronze, misspelt properties."""
    if table.get("relationships"):
        hint = "Put each reference under its column: relationships: [{to: layer.table.column}]"
        complain(("schema", "0", "relationships"), "References of the table are not checked", hint)
    if layer == "bronze":
        _check_bronze(values, table, complain)
    for prefix, holder in ((), values), (("schema", "0"), table):
        for position, item in enumerate(holder.get("customProperties") or []):
            name = item.get("property")
            if name != CLUSTER_BY and close_to_ours(name):
                place = (*prefix, "customProperties", str(position), "property")
                complain(place, f"Unknown custom property {name!r}", f"Did you mean {CLUSTER_BY}?")


def close_to_ours(name: object) -> bool:
    """Say whether somebody meant the custom property of tables that this library reads."""
    return close_to(CLUSTER_BY, name)


def close_to(ours: str, name: object) -> bool:
    """Say whether somebody meant one of the custom properties this library reads."""
    plain = "".join(letter for letter in str(name).lower() if letter.isalnum())
    return bool(difflib.get_close_matches(plain, [ours.lower()], 1, cutoff=0.8))


def _check_bronze(values: Mapping[str, Any], table: Mapping[str, Any], complain: Complaint) -> None:
    hint = "Put it into the contract of the silver table"
    message = "Bronze keeps rows as they were received; nothing is checked there"
    if table.get("quality"):
        complain(("schema", "0", "quality"), message, hint)
    for position, column in enumerate(table.get("properties") or []):
        if column.get("quality"):
            complain(("schema", "0", "properties", str(position), "quality"), message, hint)
    if values.get("slaProperties"):
        complain(("slaProperties",), message, hint)
