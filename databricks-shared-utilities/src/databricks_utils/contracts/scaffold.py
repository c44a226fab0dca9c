"""The skeleton of a contract."""

from __future__ import annotations

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
      - name: id
        logicalType: {logical}
        physicalType: {physical}
{key}        description: Say what identifies a row.
"""
KEY = """\
        required: true
        primaryKey: true
        primaryKeyPosition: 1
"""


def scaffold_contract(layer: str, table: str, owner: str = "data-engineers") -> str:
    """Return a contract that is valid and says where to go on."""
    bronze = layer == "bronze"
    return SKELETON.format(
        layer=layer,
        table=table,
        owner=owner,
        logical="string" if bronze else "integer",
        physical="STRING" if bronze else "BIGINT",
        key="" if bronze else KEY,
    )
