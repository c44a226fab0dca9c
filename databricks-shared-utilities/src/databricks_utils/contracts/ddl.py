"""CREATE TABLE from a contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from databricks_utils.contracts.model import Column, Contract
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql.types import StructType


def create_table_sql(
    contract: Contract,
    identifier: str,
    properties: Mapping[str, str] | None = None,
    *,
    technical: StructType | None = None,
) -> str:
    """Return `CREATE TABLE IF NOT EXISTS … USING DELTA` with comments, NOT NULL on the key, clustering, properties.

    Args:
        contract: The table.
        identifier: Quoted SQL identifier.
        properties: Table properties.
        technical: Columns beside the contract's.
    """
    columns = [_column(column, column.name in contract.key) for column in contract.columns]
    columns += [f"{_quoted(item.name)} {item.dataType.simpleString()}" for item in (technical or [])]
    parts = [f"CREATE TABLE IF NOT EXISTS {identifier} (\n  " + ",\n  ".join(columns) + "\n)", "USING DELTA"]
    if contract.cluster_by:
        parts.append(f"CLUSTER BY ({', '.join(_quoted(name) for name in contract.cluster_by)})")
    if contract.description:
        parts.append(f"COMMENT {string_literal(contract.description)}")
    if properties:
        pairs = (f"{string_literal(key)} = {string_literal(value)}" for key, value in sorted(properties.items()))
        parts.append(f"TBLPROPERTIES ({', '.join(pairs)})")
    return "\n".join(parts)


def _column(column: Column, in_key: bool) -> str:
    parts = [_quoted(column.name), column.data_type]
    if in_key:
        parts.append("NOT NULL")
    if column.description:
        parts.append(f"COMMENT {string_literal(column.description)}")
    return " ".join(parts)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
