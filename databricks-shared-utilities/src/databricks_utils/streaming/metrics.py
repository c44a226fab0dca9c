"""What streams report about themselves, as OpenTelemetry instruments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from databricks_utils.observability.metrics import meter
from databricks_utils.streaming.progress import BatchProgress

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

#: Begin of every instrument's name.
PREFIX = "lakehouse.stream"
#: Upper bounds of the durations in seconds: a batch costs a third of a second at least, and minutes when it catches up.
DURATIONS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

#: Values of the newest batch: field of the report, rest of the instrument's name, unit (UCUM), description.
GAUGES = (
    ("input_rows_per_second", "rate.input", "{row}/s", "Rows that arrived, a second"),
    ("processed_rows_per_second", "rate.processed", "{row}/s", "Rows worked off, a second"),
    ("lag_events", "lag.events", "{event}", "Events of the broker that are not yet read"),
    ("lag_files", "lag.files", "{file}", "Files of the source that are not yet read"),
    ("lag_bytes", "lag.size", "By", "Bytes of the source that are not yet read"),
    ("state_rows", "state.rows", "{row}", "Rows in the state store"),
    ("state_bytes", "state.memory", "By", "Memory of the state store"),
    ("watermark_delay_seconds", "watermark.delay", "s", "How far the watermark is behind the clock"),
)


class StreamMetrics:
    """Records batches as instruments with the attributes `pipeline`, `query` and `table`.

    Gauges hold the values of a query's newest batch and stay there while it waits for events. A value that a report
    lacks, such as a watermark before the first event, is not recorded.

    Args:
        pipeline: Name of the pipeline.
        source: Makes the instruments; by default the process's own, and nothing is recorded without OpenTelemetry.
    """

    def __init__(self, pipeline: str, source: Meter | None = None) -> None:
        self._pipeline = pipeline
        found = source or meter()
        self._instruments = _instruments(found) if found else None

    def record(self, batch: BatchProgress, table: str) -> None:
        """Record one batch.

        Args:
            batch: What the query reported.
            table: `layer.table` that the query belongs to; a quarantine belongs to its silver table.
        """
        if self._instruments is None:
            return
        made, about = self._instruments, {"pipeline": self._pipeline, "query": batch.query, "table": table}
        made["batch.duration"].record(batch.duration_seconds, about)
        made["rows.read"].add(batch.input_rows, about)
        made["rows.dropped"].add(batch.rows_dropped_late, {**about, "reason": "late"})
        made["rows.dropped"].add(batch.rows_dropped_duplicate, {**about, "reason": "duplicate"})
        for name, place, _, _ in GAUGES:
            value = getattr(batch, name)
            if value is not None:
                made[place].set(value, about)


def _instruments(source: Meter) -> dict[str, Any]:
    duration = source.create_histogram(
        f"{PREFIX}.batch.duration",
        unit="s",
        description="Wall clock of a batch",
        explicit_bucket_boundaries_advisory=DURATIONS,
    )
    read = source.create_counter(f"{PREFIX}.rows.read", unit="{row}", description="Rows read")
    dropped = source.create_counter(f"{PREFIX}.rows.dropped", unit="{row}", description="Rows that no table has")
    gauges = {
        place: source.create_gauge(f"{PREFIX}.{place}", unit=unit, description=text) for _, place, unit, text in GAUGES
    }
    return {"batch.duration": duration, "rows.read": read, "rows.dropped": dropped, **gauges}
