"""Spark's progress reports become numbers somebody can watch."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field
from typing import Any

from databricks_utils.streaming import batch_progress
from databricks_utils.streaming.progress import ProgressReader

REPORT: dict[str, Any] = {
    "batchId": 7,
    "timestamp": "2026-01-05T10:00:20.000Z",
    "durationMs": {"triggerExecution": 1250},
    "eventTime": {"watermark": "2026-01-05T10:00:00.000Z", "max": "2026-01-05T10:00:15.000Z"},
    "stateOperators": [
        {
            "numRowsTotal": 120,
            "memoryUsedBytes": 4096,
            "numRowsDroppedByWatermark": 2,
            "customMetrics": {"numDroppedDuplicateRows": 3},
        }
    ],
    "sources": [
        {
            "numInputRows": 500,
            "inputRowsPerSecond": 400.04,
            "processedRowsPerSecond": float("nan"),
            "endOffset": '{"sales": {"0": 90, "1": 100}}',
            "latestOffset": {"sales": {"0": 100, "1": 100, "2": 5}},
        }
    ],
}


def test_a_report_is_read() -> None:
    batch = batch_progress(REPORT, "silver.sales")

    assert (batch.query, batch.batch_id, batch.input_rows, batch.duration_seconds) == ("silver.sales", 7, 500, 1.25)
    assert (batch.state_rows, batch.state_bytes) == (120, 4096)
    assert (batch.rows_dropped_late, batch.rows_dropped_duplicate) == (2, 3)
    assert (batch.input_rows_per_second, batch.processed_rows_per_second) == (400.0, 0.0)


def test_the_lag_counts_what_every_partition_still_holds() -> None:
    assert batch_progress(REPORT, "bronze.sales").lag_events == 15


def test_the_delay_of_the_watermark_is_measured_from_the_start_of_the_batch() -> None:
    assert batch_progress(REPORT, "silver.sales").watermark_delay_seconds == 20.0


def test_the_age_of_the_newest_event_is_that_at_the_end_of_the_batch() -> None:
    assert batch_progress(REPORT, "silver.sales").event_age_seconds == 6.25
    assert batch_progress({**REPORT, "eventTime": {}}, "silver.sales").event_age_seconds is None


def test_a_watermark_that_has_not_begun_is_none() -> None:
    report = {**REPORT, "eventTime": {"watermark": "1970-01-01T00:00:00.000Z"}}

    assert batch_progress(report, "silver.sales").watermark is None


def test_a_table_as_a_source_has_files_and_no_offsets() -> None:
    source = {
        "numInputRows": 10,
        "endOffset": '{"sourceVersion": 1, "reservoirVersion": 4}',
        "latestOffset": None,
        "metrics": {"numFilesOutstanding": "3", "numBytesOutstanding": "4096"},
    }

    batch = batch_progress({**REPORT, "sources": [source]}, "silver.sales")

    assert (batch.lag_events, batch.lag_files, batch.lag_bytes) == (None, 3, 4096)


@dataclass
class Query:
    """Reports as a running query does, and counts how often it was asked for all of them."""

    name: str = "silver.sales"
    runId: str = "one"
    reports: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    @property
    def lastProgress(self) -> dict[str, Any] | None:
        return self.reports[-1] if self.reports else None

    @property
    def recentProgress(self) -> list[dict[str, Any]]:
        self.asked += 1
        return self.reports[-100:]

    def does(self, number: int, rows: int = 10) -> None:
        """Work off a batch; one without rows only forgets old state."""
        self._report(number, rows, {"addBatch": 5, "triggerExecution": 500})

    def waits(self, number: int) -> None:
        """Say that a batch is still to come."""
        self._report(number, 0, {"triggerExecution": 1})

    def _report(self, number: int, rows: int, durations: dict[str, int]) -> None:
        report = {"batchId": number, "timestamp": "2026-01-05T10:00:20.000Z", "durationMs": durations}
        self.reports.append({**report, "sources": [{"numInputRows": rows}]})


def read_now(reader: ProgressReader, query: Any) -> list[int]:
    return [batch.batch_id for batch in reader.read(query)]


def test_each_batch_with_rows_is_read_once_whatever_is_reported_in_between() -> None:
    query, reader = Query(), ProgressReader()
    read: list[int] = []
    so_far: list[int] = []
    for does in (
        lambda: query.does(57),
        lambda: query.does(58, rows=0),
        lambda: query.waits(59),
        lambda: query.waits(59),
        lambda: query.does(59),
        lambda: [query.does(number) for number in (60, 61, 62)],
        lambda: query.waits(63),
    ):
        does()
        batches = reader.read(query)  # type: ignore[arg-type]  # it reports as one does
        read += [batch.batch_id for batch in batches]
        so_far += [batch.rows_so_far for batch in batches]
        read += read_now(reader, query)

    totals = reader.totals(query.name)
    assert read == [57, 59, 60, 61, 62]
    assert so_far == [10, 20, 30, 40, 50]
    assert (totals.input_rows, totals.duration_seconds) == (50, 2.5)


def test_a_query_that_starts_again_is_read_from_its_first_report_on() -> None:
    reader = ProgressReader()
    for run in ("one", "two"):
        query = Query(runId=run)
        query.does(7)
        assert read_now(reader, query) == [7]


def test_a_query_that_goes_on_for_months_is_asked_for_one_report_at_a_time_and_none_is_kept() -> None:
    query: Any = Query()
    reader, kept = ProgressReader(), []
    for number in range(500):
        query.does(number)
        kept += [weakref.ref(batch) for batch in reader.read(query)]
    gc.collect()

    assert query.asked == 1
    assert (len(kept), [batch for batch in kept if batch()]) == (500, [])
