"""Looking at a frame in one pass: how full, how varied, how long; no values of classified columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class ColumnProfile:
    """What one pass tells about a column.

    Args:
        column: Its name.
        data_type: Its type.
        rows: Rows looked at.
        nulls: Rows without a value.
        distinct: Distinct values, approximate (HyperLogLog++, standard deviation 5 %).
        minimum: Least value as text; None for classified columns and for text, of which `longest` says enough.
        maximum: Greatest value as text, likewise.
        longest: Length of the longest value as text.
    """

    column: str
    data_type: str
    rows: int
    nulls: int
    distinct: int
    minimum: str | None
    maximum: str | None
    longest: int


def profile(frame: DataFrame, *, classified: Collection[str] = ()) -> list[ColumnProfile]:
    """Profile every scalar column of a frame in one pass.

    Args:
        frame: Any columns; arrays, maps and structs are left out.
        classified: Columns whose values must not be shown.
    """
    fields = [item for item in frame.schema if item.dataType.typeName() not in ("array", "map", "struct", "binary")]
    aggregates = [F.count(F.lit(1))]
    for item in fields:
        column = F.col(f"`{item.name}`")
        text = column.cast("string")
        hidden = item.name in classified or item.dataType.typeName() == "string"
        least, greatest = (F.lit(None), F.lit(None)) if hidden else (F.min(column), F.max(column))
        aggregates += [
            F.count(column),
            F.approx_count_distinct(column),
            least.cast("string"),
            greatest.cast("string"),
            F.coalesce(F.max(F.length(text)), F.lit(0)),
        ]
    row = frame.agg(*[column.alias(f"a{position}") for position, column in enumerate(aggregates)]).collect()[0]
    total = int(row[0])
    found = []
    for position, item in enumerate(fields):
        filled, distinct, least, greatest, longest = row[1 + 5 * position : 6 + 5 * position]
        kind = item.dataType.simpleString()
        found.append(ColumnProfile(item.name, kind, total, total - filled, distinct, least, greatest, longest))
    return found
