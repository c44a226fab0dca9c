"""Columns that every step of every run can work with: names, types, and what they are called where they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from databricks_utils.contracts.model import Column
from databricks_utils.contracts.quality import Complaint
from databricks_utils.contracts.spark_types import UNFIT, data_type, is_data_type
from databricks_utils.contracts.unsupported import SOURCE

TABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
#: So many columns of a table have statistics in Delta Lake, by default.
WITH_STATISTICS = 32
#: Names that Spark's readers of files use themselves.
OF_READERS = ("_corrupt_record", "_metadata", "_rescued_data")


def received_name(position: int, layer: str, item: Mapping[str, Any], complain: Complaint) -> str | None:
    """Return what a column is called in files or events, where its contract says so."""
    given = [
        (("schema", "0", "properties", str(position), "customProperties", str(number)), entry.get("value"))
        for number, entry in enumerate(item.get("customProperties") or [])
        if entry.get("property") == SOURCE
    ]
    for at, _ in given[1:]:
        complain(at, f"{SOURCE} is there twice", "Remove one; the second would be passed over")
    if not given:
        return None
    at, value = given[0]
    if layer == "gold":
        hint = "Put it into the contract of the bronze table, for streams into that of the silver table"
        complain(at, "A gold table is read from no file and no event", hint)
    if not isinstance(value, str) or not value.strip():
        complain((*at, "value"), f"{value!r} is no name", 'Write it as text, for example value: "unit price (EUR)"')
        return None
    if value.strip().lower() in OF_READERS:
        complain(
            (*at, "value"), f"{value!r} belongs to the reader of files", "Have the column delivered by another name"
        )
    return value


def check_columns(columns: Sequence[Column], cluster_by: Sequence[str], complain: Complaint) -> None:
    """Complain about columns that a table cannot have, or can have only until its second run."""
    received: dict[str, str] = {}
    leaves = 0
    for position, column in enumerate(columns):
        at = ("schema", "0", "properties", str(position))
        _check_name(at, column, complain)
        _check_type(at, column, column.name in cluster_by, complain)
        if column.name in cluster_by and leaves >= WITH_STATISTICS:
            hint = f"Move it among the first {WITH_STATISTICS}, fields of structs counted"
            complain(at, f"A table is clustered only by columns with statistics, and {column.name} has none", hint)
        leaves += column.data_type.count(":") or 1
        name = (column.received_as or column.name).strip().lower()
        if name in received and column.name.lower() != received[name].lower():
            message = f"{column.name} and {received[name]} both take {name!r} of a file or event"
            complain((*at, "customProperties"), message, "Give each its own")
        received.setdefault(name, column.name)


def _check_name(at: tuple[str, ...], column: Column, complain: Complaint) -> None:
    if UNFIT.search(column.name):
        plain = re.sub(r"\W+", "_", column.name).strip("_").lower() or "plain_name"
        source = f"customProperties: [{{property: {SOURCE}, value: {column.name!r}}}]"
        complain(
            (*at, "name"), f"No table can have a column called {column.name!r}", f"Write name: {plain}, and {source}"
        )


def _check_type(at: tuple[str, ...], column: Column, clustered: bool, complain: Complaint) -> None:
    if not is_data_type(column.data_type):
        return  # That is said already.
    kind = data_type(column.data_type).simpleString()
    if column.primary_key and kind.partition("<")[0] in ("array", "map", "struct"):
        complain(
            (*at, "physicalType"),
            f"A key cannot be {column.data_type}",
            "Make a key of its parts, or STRING by to_json",
        )
    elif clustered and kind.partition("<")[0] in ("array", "map", "struct", "binary", "boolean"):
        complain((*at, "physicalType"), f"A table cannot be clustered by {column.data_type}", "Take another column")
