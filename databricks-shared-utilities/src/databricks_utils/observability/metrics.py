"""OpenTelemetry metrics, where the package is installed and a destination configured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from databricks_utils.errors import MissingTool
from databricks_utils.observability.tracing import SERVICE

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

#: How long a run waits at its end for a destination that does not answer.
FLUSH_MILLISECONDS = 5000


class MetricSettings(Protocol):
    """The part of the configuration that says where metrics go."""

    @property
    def metrics(self) -> str:
        """`none`, `file` or `otlp`."""

    @property
    def metrics_endpoint(self) -> str | None:
        """OTLP endpoint."""

    @property
    def metrics_file(self) -> str | None:
        """File for JSON lines."""

    @property
    def metrics_interval_seconds(self) -> float:
        """Pause between two exports."""


def configure_metrics(telemetry: MetricSettings) -> None:
    """Send metrics where the configuration says; where this process sends them somewhere already, that stays.

    Args:
        telemetry: `metrics` is none, file (JSON lines into `metrics_file`) or otlp (OTLP over HTTP to
            `metrics_endpoint`, or where the variable OTEL_EXPORTER_OTLP_METRICS_ENDPOINT says).

    Raises:
        MissingTool: Metrics are wanted and the package is not installed.
    """
    if telemetry.metrics == "none":
        return
    try:
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
    except ImportError:
        raise MissingTool(
            "Metrics are configured and OpenTelemetry is not installed",
            where="config: telemetry.metrics",
            hint="Add the extra: databricks-shared-utilities[otel]",
        ) from None
    if isinstance(metrics.get_meter_provider(), MeterProvider):
        return
    pause = telemetry.metrics_interval_seconds * 1000
    reader = PeriodicExportingMetricReader(_exporter(telemetry), export_interval_millis=pause)
    resource = Resource.create({"service.name": SERVICE})
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader], resource=resource))


def meter() -> Meter | None:
    """Return what instruments are made with, or None where OpenTelemetry is not installed."""
    try:
        from opentelemetry import metrics
    except ImportError:
        return None
    return metrics.get_meter(SERVICE)


def flush_metrics() -> None:
    """Send what has been recorded and not been sent; the process may be ended without its last words."""
    try:
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
    except ImportError:
        return
    provider = metrics.get_meter_provider()
    if isinstance(provider, MeterProvider):
        provider.force_flush(FLUSH_MILLISECONDS)


def _exporter(telemetry: MetricSettings) -> Any:
    if telemetry.metrics == "otlp":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter(endpoint=telemetry.metrics_endpoint)
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

    path = Path(telemetry.metrics_file or ".lakehouse/metrics.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The exporter writes as long as the process lives, so the file is not closed here.
    return ConsoleMetricExporter(
        out=path.open("a", encoding="utf-8"), formatter=lambda item: item.to_json(indent=None) + "\n"
    )
