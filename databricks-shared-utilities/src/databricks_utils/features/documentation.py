"""The page that says what every feature means."""

from __future__ import annotations

from databricks_utils.features.definitions import Feature, FeatureTable
from databricks_utils.features.plan import empty_of, meaning, result_type
from databricks_utils.features.registry import FeatureRegistry

_HEADER = "| feature | type | what it is | empty | description | owner | tags |\n|---|---|---|---|---|---|---|"


def feature_page(registry: FeatureRegistry) -> str:
    """Return a Markdown page with every feature table and column."""
    parts = [
        "# Features\n",
        "A row of day d is made from events up to the end of that day (UTC) and may be used from `available_at`,\n"
        "the beginning of the next day.\n",
    ]
    for table in registry.tables:
        parts.append(f"## {table.name}\n\n{table.description}\n\n{_facts(table)}\n")
        parts.append(_HEADER)
        rows = [_row(registry, table, feature, window) for _, feature, window in table.outputs()]
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def _facts(table: FeatureTable) -> str:
    age = "used for ever" if table.ttl_days is None else f"used for {table.ttl_days} days"
    facts = [
        f"version {table.version}",
        f"owner {table.owner}",
        f"entity ({', '.join(table.entity)})",
        f"from `{table.source.table}` by `{table.source.timestamp}`",
        age,
    ]
    return " · ".join([*facts, *([f"tags {', '.join(table.tags)}"] if table.tags else [])])


def _row(registry: FeatureRegistry, table: FeatureTable, feature: Feature, window: int) -> str:
    empty = empty_of(feature)
    cells = [
        f"`{feature.column(window)}`",
        result_type(feature, registry.source(table)) + (f" ({feature.unit})" if feature.unit else ""),
        meaning(feature, window) + (", NULL counting as 0" if feature.nulls == "zero" else ""),
        "NULL" if empty is None else str(empty),
        feature.description,
        feature.owner or table.owner,
        ", ".join(feature.tags),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
