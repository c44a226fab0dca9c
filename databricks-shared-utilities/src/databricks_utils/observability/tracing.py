"""OpenTelemetry spans around runs and tables, where the package is installed and a destination configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from databricks_utils.errors import MissingTool
from databricks_utils.logging import log_context, redacted

SERVICE = "databricks-shared-utilities"


class TelemetrySettings(Protocol):
    """The part of the configuration that says where spans go."""

    @property
    def traces(self) -> str:
        """`none`, `file` or `otlp`."""

    @property
    def endpoint(self) -> str | None:
        """OTLP endpoint."""

    @property
    def file(self) -> str | None:
        """File for JSON lines."""


@contextmanager
def span(name: str, **attributes: str) -> Iterator[None]:
    """Time a piece of work as a span; log lines inside carry its trace id. Without OpenTelemetry nothing happens.

    Work that raises is marked as failed; the text of the error is redacted, as in logs.
    """
    try:
        from opentelemetry import trace
    except ImportError:
        yield
        return
    # The package's own record of an exception holds its text and traceback as they are, secrets included.
    started = trace.get_tracer(SERVICE).start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    )
    with started as current:
        context = current.get_span_context()
        fields = {"trace_id": f"{context.trace_id:032x}"} if context.is_valid else {}
        try:
            with log_context(**fields):
                yield
        except Exception as error:
            text = redacted(f"{type(error).__name__}: {error}")
            current.set_status(trace.Status(trace.StatusCode.ERROR, text))
            raise


def configure_tracing(telemetry: TelemetrySettings) -> None:
    """Send spans where the configuration says; where this process sends them somewhere already, that stays.

    Args:
        telemetry: `traces` is none, file (JSON lines into `file`) or otlp (OTLP over HTTP to `endpoint`).

    Raises:
        MissingTool: Traces are wanted and the package is not installed.
    """
    if telemetry.traces == "none":
        return
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    except ImportError:
        raise MissingTool(
            "Traces are configured and OpenTelemetry is not installed",
            where="config: telemetry.traces",
            hint="Add the extra: databricks-shared-utilities[otel]",
        ) from None
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(SimpleSpanProcessor(_exporter(telemetry)))
    trace.set_tracer_provider(provider)


def _exporter(telemetry: TelemetrySettings) -> Any:
    if telemetry.traces == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint=telemetry.endpoint)
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    path = Path(telemetry.file or ".lakehouse/traces.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The exporter writes as long as the process lives, so the file is not closed here.
    return ConsoleSpanExporter(
        out=path.open("a", encoding="utf-8"), formatter=lambda item: item.to_json(indent=None) + "\n"
    )
