"""What streams report about themselves: throughput, lag, state, watermark; as values and as a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from databricks_utils.delta import RecordTable
from databricks_utils.pipeline import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery


@dataclass(frozen=True)
class BatchProgress:
    """One batch of one query.

    Args:
        query: The table it writes.
        batch_id: Number of the batch.
        started_at: With time zone.
        duration_seconds: Wall clock of the batch.
        input_rows: Rows read.
        input_rows_per_second: Rows that arrived, a second.
        processed_rows_per_second: Rows worked off, a second.
        lag_events: Events of the broker that were not yet read afterwards; None where the source has no offsets.
        lag_files: Files of a table that were not yet read afterwards; None where the source has no files.
        lag_bytes: Bytes of a table or of files that were not yet read afterwards; None where the source does not say.
        state_rows: Rows in the state store.
        state_bytes: Memory of the state store.
        rows_dropped_late: Rows behind the watermark; those of a silver stream are in the quarantine afterwards.
        rows_dropped_duplicate: Rows whose key was known.
        watermark: Event time before which state is forgotten, or None.
        newest_event: Latest time of an event in the batch; None for a stream without watermark.
        rows_so_far: Rows that this process has read with the query, this batch among them.
    """

    query: str
    batch_id: int
    started_at: datetime
    duration_seconds: float
    input_rows: int
    input_rows_per_second: float = 0.0
    processed_rows_per_second: float = 0.0
    lag_events: int | None = None
    lag_files: int | None = None
    lag_bytes: int | None = None
    state_rows: int = 0
    state_bytes: int = 0
    rows_dropped_late: int = 0
    rows_dropped_duplicate: int = 0
    watermark: datetime | None = None
    newest_event: datetime | None = None
    rows_so_far: int = 0

    @property
    def ended_at(self) -> datetime:
        """When the batch was done, with time zone."""
        return self.started_at + timedelta(seconds=self.duration_seconds)

    @property
    def event_age_seconds(self) -> float | None:
        """How old the newest event was when the batch was done; less than 0 where its clock is ahead."""
        if self.newest_event is None:
            return None
        return round((self.ended_at - self.newest_event).total_seconds(), 3)

    @property
    def watermark_delay_seconds(self) -> float | None:
        """How far the watermark was behind the clock when the batch began."""
        return None if self.watermark is None else round((self.started_at - self.watermark).total_seconds(), 3)


def batch_progress(report: Mapping[str, Any], query: str) -> BatchProgress:
    """Read one progress report of Spark.

    Source: Spark documentation, "Structured Streaming Programming Guide: Reading Metrics Interactively".
    """
    sources, states = report.get("sources") or [], report.get("stateOperators") or []
    times = {name: _moment(text) for name, text in (report.get("eventTime") or {}).items() if text}
    watermark = times.get("watermark")
    return BatchProgress(
        query=query,
        batch_id=int(report["batchId"]),
        started_at=_moment(report["timestamp"]),
        duration_seconds=(report.get("durationMs") or {}).get("triggerExecution", 0) / 1000,
        input_rows=sum(max(0, int(source.get("numInputRows", 0))) for source in sources),
        input_rows_per_second=_sum(sources, "inputRowsPerSecond"),
        processed_rows_per_second=_sum(sources, "processedRowsPerSecond"),
        lag_events=_total(_events_behind(source) for source in sources),
        lag_files=_total(_outstanding(source, "numFilesOutstanding") for source in sources),
        lag_bytes=_total(_outstanding(source, "numBytesOutstanding") for source in sources),
        state_rows=sum(int(state.get("numRowsTotal", 0)) for state in states),
        state_bytes=sum(int(state.get("memoryUsedBytes", 0)) for state in states),
        rows_dropped_late=sum(int(state.get("numRowsDroppedByWatermark", 0)) for state in states),
        rows_dropped_duplicate=sum(
            int((state.get("customMetrics") or {}).get("numDroppedDuplicateRows", 0)) for state in states
        ),
        # Spark reports the epoch until the first event has come.
        watermark=watermark if watermark and watermark.timestamp() > 0 else None,
        newest_event=times.get("max"),
    )


@dataclass
class Totals:
    """What the batches of a query add up to.

    Args:
        input_rows: Rows read.
        rows_dropped_late: Rows behind the watermark.
        rows_dropped_duplicate: Rows whose key was known.
        duration_seconds: Wall clock of the batches.
    """

    input_rows: int = 0
    rows_dropped_late: int = 0
    rows_dropped_duplicate: int = 0
    duration_seconds: float = 0.0

    def add(self, batch: BatchProgress) -> None:
        """Count one more batch."""
        self.input_rows += batch.input_rows
        self.rows_dropped_late += batch.rows_dropped_late
        self.rows_dropped_duplicate += batch.rows_dropped_duplicate
        self.duration_seconds += batch.duration_seconds


class ProgressReader:
    """Collects the reports of running queries, each batch once. It keeps sums alone, since streams run for months."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, str], int] = {}
        self._totals: dict[str, Totals] = {}

    def read(self, query: StreamingQuery) -> list[BatchProgress]:
        """Return the batches of a query that were not read before."""
        newest = query.lastProgress
        if newest is None:
            return []
        place, values = (str(query.name), str(query.runId)), _values(newest)
        done = self._done.get(place)
        if done is not None and int(values["batchId"]) <= done:
            return []
        # Spark remembers a hundred reports of each query. Reading them all every second would take much of a core.
        follows = done is not None and int(values["batchId"]) == done + 1
        reports = [values] if follows else [_values(report) for report in query.recentProgress]
        return [batch for report in reports if (batch := self._read(place, report))]

    def totals(self, query: str) -> Totals:
        """Return the sums of all batches read so far, by the query's name."""
        return self._totals.setdefault(query, Totals())

    def _read(self, place: tuple[str, str], report: Mapping[str, Any]) -> BatchProgress | None:
        if int(report["batchId"]) <= self._done.get(place, -1):
            return None
        batch = batch_progress(report, place[0])
        said = bool(batch.input_rows or batch.rows_dropped_late)
        # A query that waits reports the batch to come, with nothing in it: that one is not done yet.
        if said or "addBatch" in (report.get("durationMs") or {}):
            self._done[place] = batch.batch_id
        if not said:
            return None
        totals = self.totals(batch.query)
        totals.add(batch)
        return replace(batch, rows_so_far=totals.input_rows)


@dataclass(frozen=True)
class BatchRecord:
    """A batch of a query, as a row of `operations.stream_progress`."""

    run_id: str
    batch: BatchProgress
    watermark_delay_seconds: float | None
    event_age_seconds: float | None


STREAM_PROGRESS = RecordTable("operations.stream_progress", BatchRecord, omitted=["newest_event", "rows_so_far"])


@dataclass(frozen=True)
class ProgressStore:
    """Keeps reports as the table `operations.stream_progress`.

    Args:
        lakehouse: The open lakehouse.
        run_id: Name of the run.
    """

    lakehouse: Lakehouse
    run_id: str

    def save(self, batches: Sequence[BatchProgress]) -> None:
        """Append reports; the table is created when absent."""
        records = [
            BatchRecord(self.run_id, batch, batch.watermark_delay_seconds, batch.event_age_seconds) for batch in batches
        ]
        STREAM_PROGRESS.append(self.lakehouse.spark, self.lakehouse.namespace, records)


def _values(report: Any) -> Mapping[str, Any]:
    """Return what is in a report: an object from Spark 4 on, a mapping before."""
    found: Mapping[str, Any] = json.loads(report.json) if hasattr(report, "json") else report
    return found


def _events_behind(source: Mapping[str, Any]) -> int | None:
    """Return how many offsets of all partitions are not yet read; only a broker reports offsets by topic."""
    newest, reached = _offsets(source.get("latestOffset")), _offsets(source.get("endOffset"))
    if newest is None or reached is None:
        return None
    return sum(max(0, offset - reached.get(place, 0)) for place, offset in newest.items())


def _offsets(value: object) -> dict[tuple[str, str], int] | None:
    parsed = json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    if not isinstance(parsed, Mapping) or not parsed or not all(isinstance(item, Mapping) for item in parsed.values()):
        return None
    return {(topic, partition): int(offset) for topic, places in parsed.items() for partition, offset in places.items()}


def _outstanding(source: Mapping[str, Any], measure: str) -> int | None:
    found = (source.get("metrics") or {}).get(measure)
    return None if found is None else int(found)


def _total(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _sum(sources: Sequence[Mapping[str, Any]], key: str) -> float:
    values = [float(source.get(key) or 0) for source in sources]
    return round(sum((value for value in values if math.isfinite(value)), 0.0), 1)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
