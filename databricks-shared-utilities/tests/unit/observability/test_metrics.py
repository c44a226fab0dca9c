"""Metrics go where the configuration says, where OpenTelemetry is installed; nowhere at all where it is not."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from databricks_utils.errors import MissingTool
from databricks_utils.observability import configure_metrics, flush_metrics
from databricks_utils.observability.metrics import meter

#: The provider of a process is set once, so each destination is tried in a process of its own. The pause between two
#: exports is longer than the test: what arrives was sent by the flush.
MEASURED = """
import json, os, sys
from datetime import datetime, timezone
from databricks_utils.config import Telemetry
from databricks_utils.observability import configure_metrics, flush_metrics
from databricks_utils.streaming import BatchProgress, StreamMetrics

for settings in sys.argv[1:]:
    configure_metrics(Telemetry(metrics_interval_seconds=3600, **json.loads(settings)))
now = datetime(2026, 1, 5, 10, tzinfo=timezone.utc)
StreamMetrics("tills").record(BatchProgress("silver.sales", 7, now, 1.25, 500, lag_events=15), "silver.sales")
flush_metrics()
os._exit(0)  # a process that is ended says nothing more
"""


@dataclass
class Settings:
    metrics: str = "none"
    metrics_endpoint: str | None = None
    metrics_file: str | None = None
    metrics_interval_seconds: float = 30.0


@pytest.fixture
def without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the package, as it is in a project without the extra."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)


@pytest.mark.usefixtures("without_opentelemetry")
def test_without_the_package_there_is_nothing_to_measure_with_and_nothing_to_send() -> None:
    configure_metrics(Settings())
    flush_metrics()

    assert meter() is None


@pytest.mark.usefixtures("without_opentelemetry")
@pytest.mark.parametrize("metrics", ["file", "otlp"])
def test_metrics_that_are_wanted_without_the_package_are_refused_with_the_extra_to_add(metrics: str) -> None:
    with pytest.raises(MissingTool) as caught:
        configure_metrics(Settings(metrics))

    assert str(caught.value).splitlines() == [
        "Metrics are configured and OpenTelemetry is not installed",
        "  where: config: telemetry.metrics",
        "  hint:  Add the extra: databricks-shared-utilities[otel]",
    ]


def measured(*settings: dict[str, str]) -> str:
    """Record a batch in a process that is given these settings one after another; return what it complains of."""
    pytest.importorskip("opentelemetry.sdk")
    command = [sys.executable, "-c", MEASURED, *map(json.dumps, settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stderr


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_a_file_gets_one_line_for_each_export(tmp_path: Path, times: int) -> None:
    path = tmp_path / "metrics" / "streams.jsonl"

    complaints = measured(*[{"metrics": "file", "metrics_file": str(path)}] * times)

    (line,) = path.read_text().splitlines()
    (resource,) = json.loads(line)["resource_metrics"]
    assert complaints == ""
    assert resource["resource"]["attributes"]["service.name"] == "databricks-shared-utilities"
    names = {item["name"] for scope in resource["scope_metrics"] for item in scope["metrics"]}
    assert {"lakehouse.stream.lag.events", "lakehouse.stream.batch.duration"} <= names


def test_a_collector_gets_the_metrics_over_http() -> None:
    proto = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}/v1/metrics"
        complaints = measured({"metrics": "otlp", "metrics_endpoint": endpoint})
        server.shutdown()

    ((path, body),) = received
    sent = proto.ExportMetricsServiceRequest.FromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    assert (path, complaints) == ("/v1/metrics", "")
    assert points(sent, "lag.events") == [(15, {"pipeline": "tills", "query": "silver.sales", "table": "silver.sales"})]
    assert [value for value, _ in points(sent, "rows.read")] == [500]


def points(sent: Any, name: str) -> list[tuple[int, dict[str, str]]]:
    """Return values and attributes of an instrument in a request of OTLP."""
    metrics = [item for resource in sent.resource_metrics for scope in resource.scope_metrics for item in scope.metrics]
    (metric,) = (item for item in metrics if item.name == f"lakehouse.stream.{name}")
    found = getattr(metric, metric.WhichOneof("data")).data_points
    return [(point.as_int, {item.key: item.value.string_value for item in point.attributes}) for point in found]


def test_a_destination_that_is_gone_does_not_stop_the_work() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        gone = f"http://127.0.0.1:{server.server_port}/v1/metrics"

    measured({"metrics": "otlp", "metrics_endpoint": gone})  # it fails where the process does
