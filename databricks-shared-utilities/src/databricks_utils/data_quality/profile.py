"""What is in a frame, column by column, in one pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.contracts import Contract
from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.data_quality.text_cast import is_blank
from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row
    from pyspark.sql.types import StructField

#: What texts can look like. A text has the first shape it fits; one that fits none is `other`.
SHAPES: Mapping[str, str] = {
    "integer": r"[+-]?[0-9]+",
    "decimal": r"[+-]?[0-9]*[.][0-9]+",
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "timestamp": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*",
    "truth value": r"(?i:true|false|yes|no)",
    "e-mail": r"[^@\s]+@[^@\s]+[.][^@\s]+",
    "word": r"\p{L}+",
}
_FLAT = ("struct", "array", "map", "variant", "binary")


@dataclass(frozen=True)
class ColumnProfile:
    """A column in numbers.

    Args:
        column: Its name.
        data_type: Its Spark type.
        rows: All rows.
        nulls: Rows with NULL.
        distinct: Different values, approximately (5 % standard deviation); None for nested types.
        minimum: Least value as text; None for nested and for classified columns.
        maximum: Greatest value as text; None likewise.
        shortest: Characters of the shortest text; None for other types.
        longest: Characters of the longest text; None for other types.
        shapes: How many texts look like what; only shapes that occur.
    """

    column: str
    data_type: str
    rows: int
    nulls: int
    distinct: int | None = None
    minimum: str | None = None
    maximum: str | None = None
    shortest: int | None = None
    longest: int | None = None
    shapes: Mapping[str, int] = field(default_factory=dict)

    @property
    def null_fraction(self) -> float:
        """Share of NULL, 0 to 1; 0 without rows."""
        return self.nulls / self.rows if self.rows else 0.0


def profile(df: DataFrame, *, classified: Collection[str] = ()) -> list[ColumnProfile]:
    """Describe the columns of a frame in one job.

    Args:
        df: Any rows. Technical columns, whose names begin with _, are left out, since they can hold whole
            records.
        classified: Columns of which no value may be shown; counts and lengths are.

    Returns:
        One profile for each column, in their order.
    """
    hidden = {name.lower() for name in classified}
    fields = [item for item in df.schema.fields if not item.name.startswith("_")]
    wanted = [F.count(F.lit(1)).alias("rows")]
    for number, item in enumerate(fields):
        parts = _aggregates(item, item.name.lower() in hidden)
        wanted += [F.expr(text).alias(f"c{number}_{name}") for name, text in parts.items()]
    row = df.agg(*wanted).collect()[0]
    return [_profile(number, item, row) for number, item in enumerate(fields)]


def classified_columns(contract: Contract) -> frozenset[str]:
    """Return the columns that a contract classifies as anything but public."""
    return frozenset(column.name for column in contract.columns if column.classification not in (None, "public"))


def _aggregates(item: StructField, hidden: bool) -> dict[str, str]:
    name, kind = quoted_name(item.name), item.dataType.simpleString()
    parts = {"nulls": f"count_if({name} IS NULL)"}
    if kind.startswith(_FLAT):
        return parts
    parts["distinct"] = f"approx_count_distinct({name})"
    if not hidden:
        parts |= {"minimum": f"CAST(min({name}) AS STRING)", "maximum": f"CAST(max({name}) AS STRING)"}
    if kind == "string":
        parts |= {"shortest": f"min(char_length({name}))", "longest": f"max(char_length({name}))"}
        parts |= {f"shape_{shape}": f"count_if({_shape(name)} = '{shape}')" for shape in (*SHAPES, "blank", "other")}
    return parts


def _shape(name: str) -> str:
    tests = {shape: string_literal("^(?:" + pattern + ")$") for shape, pattern in SHAPES.items()}
    cases = [f"WHEN {name} RLIKE {pattern} THEN '{shape}'" for shape, pattern in tests.items()]
    blank = f"WHEN {is_blank(name)} THEN 'blank'"
    return f"CASE WHEN {name} IS NULL THEN NULL {blank} {' '.join(cases)} ELSE 'other' END"


def _profile(number: int, item: StructField, row: Row) -> ColumnProfile:
    values = row.asDict()
    found = {
        name: values.get(f"c{number}_{name}") for name in ("distinct", "minimum", "maximum", "shortest", "longest")
    }
    shapes = {shape: values.get(f"c{number}_shape_{shape}") or 0 for shape in (*SHAPES, "blank", "other")}
    return ColumnProfile(
        column=item.name,
        data_type=item.dataType.simpleString(),
        rows=row["rows"],
        nulls=row[f"c{number}_nulls"],
        shapes={shape: count for shape, count in shapes.items() if count},
        **found,
    )
