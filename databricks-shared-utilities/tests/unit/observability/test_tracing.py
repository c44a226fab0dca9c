"""Spans around the work, where OpenTelemetry is installed; nothing at all where it is not."""

from __future__ import annotations

import gzip
import io
import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from databricks_utils.errors import MissingTool
from databricks_utils.logging import configure_logging
from databricks_utils.observability import configure_tracing, span

LOGGER = logging.getLogger("databricks_utils.test")
#: The provider of a process is set once, so each destination is tried in a process of its own.
TRACED = """
import json, sys
from databricks_utils.config import Telemetry
from databricks_utils.observability import configure_tracing, span

for settings in sys.argv[1:]:
    configure_tracing(Telemetry(**json.loads(settings)))
with span("run shop", run_id="r1"):
    with span("table silver.orders", table="silver.orders"):
        pass
"""


@dataclass
class Settings:
    traces: str = "none"
    endpoint: str | None = None
    file: str | None = None


@pytest.fixture
def without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the package, as it is in a project without the extra."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what collects the spans of this test."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    collected = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(collected))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    return collected


@pytest.mark.usefixtures("without_opentelemetry")
def test_without_the_package_the_work_is_done_all_the_same() -> None:
    with span("run shop"):
        done = True

    assert done
    configure_tracing(Settings("none"))


@pytest.mark.usefixtures("without_opentelemetry")
def test_without_the_package_an_error_comes_through() -> None:
    with pytest.raises(ValueError, match="of the work"), span("run shop"):
        raise ValueError("of the work")


@pytest.mark.usefixtures("without_opentelemetry")
@pytest.mark.parametrize("traces", ["file", "otlp"])
def test_traces_that_are_wanted_without_the_package_are_refused_with_the_extra_to_add(traces: str) -> None:
    with pytest.raises(MissingTool) as caught:
        configure_tracing(Settings(traces))

    assert str(caught.value).splitlines() == [
        "Traces are configured and OpenTelemetry is not installed",
        "  where: config: telemetry.traces",
        "  hint:  Add the extra: databricks-shared-utilities[otel]",
    ]


def test_spans_nest_and_carry_what_they_are_about(exporter: Any) -> None:
    with span("run shop", run_id="r1"), span("table silver.orders", table="silver.orders"):
        pass

    inner, outer = exporter.get_finished_spans()
    assert (outer.name, dict(outer.attributes)) == ("run shop", {"run_id": "r1"})
    assert (inner.name, dict(inner.attributes)) == ("table silver.orders", {"table": "silver.orders"})
    assert inner.parent.span_id == outer.context.span_id
    assert outer.parent is None
    assert outer.status.is_unset


def test_a_log_line_within_a_span_bears_its_trace(exporter: Any) -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream)

    with span("run shop"):
        LOGGER.info("inside")
    LOGGER.info("outside")

    inside, outside = (json.loads(line) for line in stream.getvalue().splitlines())
    (finished,) = exporter.get_finished_spans()
    assert inside["trace_id"] == f"{finished.context.trace_id:032x}"
    assert "trace_id" not in outside


def test_work_that_fails_is_marked_and_its_secrets_stay_out(exporter: Any) -> None:
    with pytest.raises(ValueError, match="hunter2"), span("run shop"):
        raise ValueError("login with password=hunter2 failed")

    (finished,) = exporter.get_finished_spans()
    assert not finished.status.is_ok
    assert not finished.status.is_unset
    assert finished.status.description == "ValueError: login with password=*** failed"
    assert "hunter2" not in finished.to_json()


def traced(*settings: dict[str, str]) -> None:
    """Run two spans in a process that is given these settings one after another."""
    pytest.importorskip("opentelemetry.sdk")
    command = [sys.executable, "-c", TRACED, *map(json.dumps, settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_a_file_gets_one_line_for_each_span(tmp_path: Path, times: int) -> None:
    path = tmp_path / "traces" / "spans.jsonl"

    traced(*[{"traces": "file", "file": str(path)}] * times)

    spans = [json.loads(line) for line in path.read_text().splitlines()]
    assert [item["name"] for item in spans] == ["table silver.orders", "run shop"]
    assert {item["resource"]["attributes"]["service.name"] for item in spans} == {"databricks-shared-utilities"}


def test_a_collector_gets_the_spans_over_http() -> None:
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
        traced({"traces": "otlp", "endpoint": f"http://127.0.0.1:{server.server_port}/v1/traces"})
        server.shutdown()

    assert [path for path, _ in received] == ["/v1/traces", "/v1/traces"]
    sent = b"".join(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for _, body in received)
    assert b"table silver.orders" in sent
    assert b"run shop" in sent
