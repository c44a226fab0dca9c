"""The columns every table of a layer has besides those of its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

BRONZE = (
    "_ingestion_timestamp TIMESTAMP, _ingestion_date DATE, _source_file STRING, _source_system STRING, "
    "_batch_id STRING, _rescued_data STRING, _corrupt_record STRING"
)
# Columns are added at the end of a line: a table of an earlier release gains them behind those that it has.
SILVER = (
    "_source_file STRING, _ingestion_timestamp TIMESTAMP, _batch_id STRING, _is_valid BOOLEAN, "
    "_validation_warnings ARRAY<STRING>, _processing_timestamp TIMESTAMP, _source_system STRING"
)
QUARANTINE = (
    "record STRING, _validation_errors ARRAY<STRING>, _is_valid BOOLEAN, _rescued_data STRING, _corrupt_record STRING, "
    "_source_file STRING, _ingestion_timestamp TIMESTAMP, _batch_id STRING, _source_version BIGINT, "
    "_processing_timestamp TIMESTAMP, _source_system STRING"
)
GOLD = "_processing_timestamp TIMESTAMP"


_LAYERS = {"bronze": BRONZE, "silver": SILVER, "gold": GOLD, "quarantine": QUARANTINE}


def columns(layer: str) -> StructType:
    """Return the technical columns of `bronze`, `silver`, `gold` or `quarantine` as a schema."""
    from databricks_utils.contracts import parse_schema

    return parse_schema(_LAYERS[layer])


def types(layer: str) -> dict[str, str]:
    """Return the technical columns of a layer and their DDL types."""
    return dict(part.split(" ", 1) for part in _LAYERS[layer].split(", "))


def names(layer: str) -> tuple[str, ...]:
    """Return the names of the technical columns of a layer."""
    return tuple(types(layer))
