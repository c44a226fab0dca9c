"""Contracts: what each table is, read from ODCS v3 YAML."""

from __future__ import annotations

from databricks_utils.contracts.ddl import create_table_sql
from databricks_utils.contracts.documentation import (
    column_lineage,
    data_dictionary,
    entity_relationship_diagram,
)
from databricks_utils.contracts.key_values import key_items, key_text
from databricks_utils.contracts.model import Column, Contract, DeclaredRule, Severity
from databricks_utils.contracts.reader import read_contract, read_contracts
from databricks_utils.contracts.scaffold import scaffold_contract
from databricks_utils.contracts.spark_types import data_type, parse_schema, struct_type

__all__ = [
    "Column",
    "Contract",
    "DeclaredRule",
    "Severity",
    "column_lineage",
    "create_table_sql",
    "data_dictionary",
    "data_type",
    "entity_relationship_diagram",
    "key_items",
    "key_text",
    "parse_schema",
    "read_contract",
    "read_contracts",
    "scaffold_contract",
    "struct_type",
]
