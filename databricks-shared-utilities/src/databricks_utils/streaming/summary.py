"""What the streams of a run reported, added up from `operations.stream_progress`."""

from __future__ import annotations

from pyspark.sql import functions as F

from databricks_utils.observability import StreamSummary
from databricks_utils.pipeline import Lakehouse
from databricks_utils.streaming.progress import STREAM_PROGRESS

#: Measures of which the newest batch tells how things stand.
NEWEST = ("lag_events", "lag_files", "event_age_seconds", "state_rows")


def stream_summaries(lakehouse: Lakehouse, run_id: str) -> tuple[StreamSummary, ...]:
    """Return what each stream of a run reported, in the order of their first batches."""
    batches = STREAM_PROGRESS.frame(lakehouse.spark, lakehouse.namespace).where(F.col("run_id") == run_id)
    found = batches.groupBy("query").agg(
        F.count(F.lit(1)).alias("batches"),
        F.sum("input_rows").alias("rows"),
        F.sum("duration_seconds").alias("seconds"),
        F.sum("rows_dropped_late").alias("late"),
        F.min("started_at").alias("first"),
        *[F.max_by(name, "started_at").alias(name) for name in NEWEST],
    )
    rows = sorted(found.collect(), key=lambda row: (row["first"], row["query"]))
    return tuple(
        StreamSummary(
            row["query"],
            row["batches"],
            row["rows"],
            row["seconds"],
            late=row["late"],
            **{name: row[name] for name in NEWEST},
        )
        for row in rows
    )
