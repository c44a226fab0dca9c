"""A handful of rows that this process knows, as a frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


def small_frame(spark: SparkSession, rows: Sequence[Sequence[object]], schema: StructType) -> DataFrame:
    """Return a few rows as a frame of one partition.

    They travel as one JSON literal that Spark itself reads: `createDataFrame` would start a Python process beside a
    classic Spark, and a job in it, for the ten rows of a run's record.

    Args:
        spark: The session.
        rows: Values in the schema's order: texts, numbers, booleans, moments with a time zone, lists, dictionaries.
        schema: Names and types; every column may hold NULL.
    """
    records = [dict(zip(schema.names, row, strict=True)) for row in rows]
    text = F.lit(json.dumps(records, default=_moment))
    read = F.from_json(text, f"ARRAY<{schema.simpleString()}>", {"mode": "FAILFAST"})
    return spark.range(0, 1, 1, 1).select(F.explode(read).alias("row")).select("row.*")


def _moment(value: object) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a small frame")
