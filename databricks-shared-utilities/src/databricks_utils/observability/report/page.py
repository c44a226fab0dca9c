"""The report page: what is wrong first, then the picture, then the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timezone
from html import escape
from importlib.resources import files

from databricks_utils.logging.redaction import concealed
from databricks_utils.observability.graph import Graph
from databricks_utils.observability.report.parts import (
    alerts,
    facts,
    history_section,
    pipeline_section,
    quality_section,
    samples_section,
    streams_section,
    tables_section,
)
from databricks_utils.observability.results import RunResult
from databricks_utils.observability.streams import StreamSummary
from databricks_utils.observability.terminal import Samples


def render_report(
    run: RunResult,
    history: Sequence[RunResult],
    graph: Graph,
    samples: Mapping[str, Samples],
    streams: Sequence[StreamSummary] = (),
) -> str:
    """Return a page that needs nothing but a browser: no network, no script.

    Args:
        run: The run reported.
        history: The last runs, newest first.
        graph: The whole pipeline.
        samples: Some rows by table name.
        streams: What the streams of the run reported; none for a pipeline without streams.
    """
    statuses = {table.table: "breached" if table.breaches else table.status for table in run.tables}
    parts = [
        _header(run),
        alerts(run),
        facts(run),
        pipeline_section(graph, statuses),
        tables_section(run),
        streams_section(streams),
        quality_section(run),
        history_section(history),
        samples_section(samples),
        _parameters(run),
    ]
    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    title = escape(f"{run.pipeline}: {run.status}")
    return concealed(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _header(run: RunResult) -> str:
    when = f"{run.started_at.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    return (
        f'<header><h1>{escape(run.pipeline)} <span class="soft">in {escape(run.environment)}</span></h1>'
        f'<span class="badge {run.status}">{escape(run.headline)}</span>'
        f'<p class="soft">{when} · {run.duration_seconds:.1f} s · run {escape(run.run_id[:12])}</p></header>'
    )


def _parameters(run: RunResult) -> str:
    given = {name: value for name, value in run.parameters.items() if value}
    if not given:
        return ""
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="wrap">{escape(value)}</td></tr>' for name, value in given.items()
    )
    return f"<section><h2>Parameters</h2><table>{rows}</table></section>"
