"""Batches of streams as OpenTelemetry instruments, read back by the package's own reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from databricks_utils.streaming import BatchProgress, StreamMetrics

NOW = datetime(2026, 1, 5, 10, 0, 20, tzinfo=timezone.utc)
BATCH = BatchProgress(
    query="silver.sales",
    batch_id=7,
    started_at=NOW,
    duration_seconds=1.25,
    input_rows=500,
    input_rows_per_second=400.0,
    processed_rows_per_second=450.5,
    lag_files=3,
    lag_bytes=4_000,
    state_rows=120,
    state_bytes=4096,
    rows_dropped_late=2,
    rows_dropped_duplicate=3,
    watermark=NOW - timedelta(seconds=20),
)
ABOUT = {"pipeline": "tills", "query": "silver.sales", "table": "silver.sales"}

Collected = Callable[[], dict[str, Any]]


@pytest.fixture
def measured() -> tuple[StreamMetrics, Collected]:
    """Return metrics that record into memory, and a function that gives each instrument by name."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])

    def collected() -> dict[str, Any]:
        data = reader.get_metrics_data()
        assert data is not None
        items = [
            item for resource in data.resource_metrics for scope in resource.scope_metrics for item in scope.metrics
        ]
        return {item.name.removeprefix("lakehouse.stream."): item for item in items}

    return StreamMetrics("tills", provider.get_meter("test")), collected


def values(metric: Any) -> list[tuple[float, dict[str, str]]]:
    return [(point.value, dict(point.attributes)) for point in metric.data.data_points]


def test_a_batch_sets_every_gauge_with_its_unit_and_says_whose_it_is(measured: tuple[StreamMetrics, Collected]) -> None:
    metrics, collected = measured

    metrics.record(replace(BATCH, lag_events=15), "silver.sales")

    found = {name: (item.unit, values(item)) for name, item in collected().items() if "batch" not in name}
    assert {name: one for name, one in found.items() if not name.startswith("rows.")} == {
        "rate.input": ("{row}/s", [(400.0, ABOUT)]),
        "rate.processed": ("{row}/s", [(450.5, ABOUT)]),
        "lag.events": ("{event}", [(15, ABOUT)]),
        "lag.files": ("{file}", [(3, ABOUT)]),
        "lag.size": ("By", [(4_000, ABOUT)]),
        "state.rows": ("{row}", [(120, ABOUT)]),
        "state.memory": ("By", [(4096, ABOUT)]),
        "watermark.delay": ("s", [(20.0, ABOUT)]),
    }


def test_counters_add_up_over_batches_and_gauges_hold_the_newest(measured: tuple[StreamMetrics, Collected]) -> None:
    metrics, collected = measured

    metrics.record(BATCH, "silver.sales")
    metrics.record(replace(BATCH, batch_id=8, input_rows=7, rows_dropped_late=0, state_rows=90), "silver.sales")

    found = collected()
    dropped = {attributes["reason"]: value for value, attributes in values(found["rows.dropped"])}
    assert (found["rows.read"].data.is_monotonic, values(found["rows.read"])) == (True, [(507, ABOUT)])
    assert dropped == {"late": 2, "duplicate": 6}
    assert values(found["state.rows"]) == [(90, ABOUT)]


def test_durations_fall_into_bounds_of_seconds(measured: tuple[StreamMetrics, Collected]) -> None:
    metrics, collected = measured

    for seconds in (0.4, 1.25, 2.0):
        metrics.record(replace(BATCH, duration_seconds=seconds), "silver.sales")

    (point,) = collected()["batch.duration"].data.data_points
    counted = {bound: count for bound, count in zip(point.explicit_bounds, point.bucket_counts, strict=False) if count}
    assert (point.count, point.sum, counted) == (3, 3.65, {0.5: 1, 2.5: 2})


def test_what_a_report_lacks_is_not_taken_for_nothing(measured: tuple[StreamMetrics, Collected]) -> None:
    metrics, collected = measured

    metrics.record(replace(BATCH, lag_files=None, lag_bytes=None, watermark=None), "silver.sales")

    assert collected().keys() & {"lag.events", "lag.files", "lag.size", "watermark.delay"} == set()


def test_queries_of_one_table_are_told_apart(measured: tuple[StreamMetrics, Collected]) -> None:
    metrics, collected = measured

    metrics.record(BATCH, "silver.sales")
    metrics.record(replace(BATCH, query="silver.sales_quarantine", input_rows=4), "silver.sales")

    read = {(about["query"], about["table"]): value for value, about in values(collected()["rows.read"])}
    assert read == {("silver.sales", "silver.sales"): 500, ("silver.sales_quarantine", "silver.sales"): 4}


def test_without_a_meter_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("databricks_utils.streaming.metrics.meter", lambda: None)

    StreamMetrics("tills").record(BATCH, "silver.sales")
