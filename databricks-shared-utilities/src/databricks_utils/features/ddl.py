"""CREATE TABLE and tags of a feature table."""

from __future__ import annotations

from collections.abc import Mapping

from databricks_utils.contracts import Contract
from databricks_utils.delta import TABLE_PROPERTIES, literal, quoted
from databricks_utils.features.definitions import AVAILABLE_AT, FeatureTable
from databricks_utils.features.fingerprints import column_fingerprints
from databricks_utils.features.plan import result_type

#: Property of a feature table that holds the fingerprint of a column's definition; the column's name comes after it.
DEFINED = "features.definition."
_UNORDERED = ("BOOLEAN", "BINARY")


def feature_table_sql(table: FeatureTable, source: Contract, identifier: str, *, constraint: bool = True) -> str:
    """Return `CREATE TABLE IF NOT EXISTS … USING DELTA` of a feature table.

    Args:
        table: The definitions.
        source: Contract of the source.
        identifier: Quoted SQL identifier.
        constraint: Declare the primary key with its time series column, which makes the table a feature table of
            Unity Catalog. It is informational there, and outside of it no catalog knows it.
    """
    comments = {name: _comment(text) for name, text in feature_comments(table, source).items()}
    columns = [f"{quoted(name)} {source.column(name).data_type} NOT NULL{comments[name]}" for name in table.entity]
    columns.append(f"{quoted(AVAILABLE_AT)} TIMESTAMP NOT NULL{comments[AVAILABLE_AT]}")
    columns += [
        f"{quoted(column)} {result_type(feature, source)}{comments[column]}" for column, feature, _ in table.outputs()
    ]
    if constraint:
        key = ", ".join([*map(quoted, table.entity), f"{quoted(AVAILABLE_AT)} TIMESERIES"])
        columns.append(f"CONSTRAINT {quoted(table.name.rpartition('.')[2] + '_pk')} PRIMARY KEY ({key})")
    properties = ", ".join(
        f"{literal(key)} = {literal(value)}" for key, value in sorted(_properties(table, source).items())
    )
    # Delta clusters by at most four columns, and only by those of which it keeps the least and greatest value.
    ordered = [name for name in table.entity if source.column(name).data_type.strip().upper() not in _UNORDERED]
    cluster = ", ".join(quoted(name) for name in [*ordered[:3], AVAILABLE_AT])
    return "\n".join(
        [
            f"CREATE TABLE IF NOT EXISTS {identifier} (\n  " + ",\n  ".join(columns) + "\n)",
            "USING DELTA",
            f"CLUSTER BY ({cluster})",
            f"COMMENT {literal(table.description)}",
            f"TBLPROPERTIES ({properties})",
        ]
    )


def feature_comments(table: FeatureTable, source: Contract) -> dict[str, str]:
    """Return the comment of every column of a feature table, "" where there is nothing to say."""
    comments = {name: source.column(name).description for name in table.entity}
    comments[AVAILABLE_AT] = "From when the row may be used (UTC)"
    return comments | {column: _described(feature.description, feature.unit) for column, feature, _ in table.outputs()}


def feature_tags_sql(table: FeatureTable, identifier: str) -> list[str]:
    """Return the statements that give table and columns their tags in Unity Catalog; a tag's value is empty."""
    statements = [f"ALTER TABLE {identifier} SET TAGS ({_tags(table.tags)})"] if table.tags else []
    statements += [
        f"ALTER TABLE {identifier} ALTER COLUMN {quoted(column)} SET TAGS ({_tags(feature.tags)})"
        for column, feature, _ in table.outputs()
        if feature.tags
    ]
    return statements


def definition_properties(marks: Mapping[str, str]) -> dict[str, str]:
    """Return the properties that say from which definitions the columns of a table were computed."""
    return {f"{DEFINED}{column}": mark for column, mark in marks.items()}


def _properties(table: FeatureTable, source: Contract) -> dict[str, str]:
    ttl = {} if table.ttl_days is None else {"features.ttl_days": str(table.ttl_days)}
    return {
        **TABLE_PROPERTIES,
        "features.owner": table.owner,
        "features.source": table.source.table,
        "features.version": str(table.version),
        **ttl,
        **definition_properties(column_fingerprints(table, source)),
    }


def _described(description: str, unit: str) -> str:
    return f"{description} ({unit})" if unit else description


def _comment(text: str) -> str:
    return f" COMMENT {literal(text)}" if text else ""


def _tags(tags: object) -> str:
    names = list(tags) if isinstance(tags, list | tuple) else [str(tags)]
    return ", ".join(f"{literal(name)} = ''" for name in names)
