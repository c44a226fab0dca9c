"""The skeleton of a contract."""

from __future__ import annotations

from collections.abc import Sequence

from databricks_utils.contracts.model import Column
from databricks_utils.contracts.spark_types import LOGICAL

#: Word of the standard for a type that a skeleton can have.
WORDS = {**{kind: word for word, kind in LOGICAL.items()}, "BINARY": "string", "INT": "integer"}
SKELETON = """\
apiVersion: v3.2.0
kind: DataContract
id: {layer}-{table}
name: {table}
version: 0.1.0
status: draft
description:
  purpose: Say what one row of {layer}.{table} is.
team:
  name: {owner}
schema:
  - name: {table}
    physicalType: table
    description: Say what one row of {layer}.{table} is.
    properties:
"""
PROPERTY = """\
      - name: {name}
        logicalType: {logical}
        physicalType: {physical}
"""
REQUIRED = """\
        required: true
"""
KEY = """\
        primaryKey: true
        primaryKeyPosition: {position}
"""
DESCRIPTION = """\
        description: {text}
"""


def scaffold_contract(
    layer: str, table: str, owner: str = "data-engineers", columns: Sequence[Column] | None = None
) -> str:
    """Return a contract that is valid and says where to go on.

    Args:
        layer: bronze, silver or gold.
        table: Name without the layer.
        owner: The team that answers for it.
        columns: Its columns; by default an `id`, which is the key except in bronze.
    """
    if columns is None:
        bronze, text = layer == "bronze", "Say what identifies a row."
        columns = [Column("id", "STRING" if bronze else "BIGINT", not bronze, not bronze, description=text)]
    head = SKELETON.format(layer=layer, table=table, owner=owner)
    keys = [column.name for column in columns if column.primary_key]
    return head + "".join(_property(column, keys) for column in columns)


def _property(column: Column, keys: Sequence[str]) -> str:
    text = PROPERTY.format(name=column.name, logical=WORDS[column.data_type], physical=column.data_type)
    if column.required:
        text += REQUIRED
    if column.name in keys:
        text += KEY.format(position=keys.index(column.name) + 1)
    return text + DESCRIPTION.format(text=column.description)
