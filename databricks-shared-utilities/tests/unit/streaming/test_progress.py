"""Spark's progress reports become numbers somebody can watch."""

from __future__ import annotations

from typing import Any

from databricks_utils.streaming import batch_progress

REPORT: dict[str, Any] = {
    "batchId": 7,
    "timestamp": "2026-01-05T10:00:20.000Z",
    "durationMs": {"triggerExecution": 1250},
    "eventTime": {"watermark": "2026-01-05T10:00:00.000Z"},
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
