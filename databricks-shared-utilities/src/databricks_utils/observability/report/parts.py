"""The sections of the report; each returns HTML, or an empty text when there is nothing to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from databricks_utils.data_quality.results import RuleResult
from databricks_utils.observability.graph import Graph, draw
from databricks_utils.observability.results import RunResult, TableResult
from databricks_utils.observability.streams import StreamSummary
from databricks_utils.observability.terminal import Samples

WORDS = {"succeeded": "written", "skipped": "nothing new", "failed": "failed", "blocked": "blocked"}
#: Colour and words of what follows from a rule. Red is what makes the run end with exit code 3, and nothing else.
CONSEQUENCES = {
    "none": ("good", "met"),
    "warning": ("warn", "warning"),
    "quarantine": ("warn", "rows in quarantine"),
    "breach": ("bad", "breach"),
}
#: Runs shown in the history chart.
CHARTED = 20


def alerts(run: RunResult) -> str:
    """Return what needs attention, the worst first."""
    found = [_alert("failed", table.table, table.error or "") for table in run.tables if table.status == "failed"]
    blocked = [table.table for table in run.tables if table.status == "blocked"]
    if blocked:
        found.append(_alert("failed", "Blocked", ", ".join(blocked)))
    for table in run.tables:
        if table.breaches:
            found.append(_alert("breached", f"{table.table}: breach", "\n".join(table.breaches)))
        if table.layer == "silver" and not table.balanced:
            found.append(_alert("failed", table.table, "rows read are not all accounted for"))
    for table in run.tables:
        if table.warnings:
            found.append(_alert("warned", f"{table.table}: warning", "\n".join(table.warnings)))
    return "".join(found)


def facts(run: RunResult) -> str:
    """Return the run's totals; rows in are those of bronze, so that no row counts twice."""
    bronze = sum(table.rows_read for table in run.tables if table.layer == "bronze")
    scores = [table.score for table in run.tables if table.score is not None]
    shown = (
        (f"{bronze:,}", "rows received"),
        (f"{sum(table.rows_written for table in run.tables):,}", "rows written"),
        (f"{sum(table.rows_quarantined for table in run.tables):,}", "in quarantine"),
        (f"{sum(table.rows_duplicate for table in run.tables):,}", "duplicates"),
        (f"{min(scores):.3f}" if scores else "\u2013", "lowest score"),
        (f"{run.duration_seconds:.1f} s", "duration"),
    )
    return '<div class="facts">' + "".join(_fact(value, name) for value, name in shown) + "</div>"


def pipeline_section(graph: Graph, statuses: Mapping[str, str]) -> str:
    """Return the picture of the pipeline."""
    return f"<section><h2>Pipeline</h2>{_scroll('Pipeline')}{draw(graph, statuses)}</div></section>"


def tables_section(run: RunResult) -> str:
    """Return the tables with rows and seconds."""
    longest = max((table.duration_seconds for table in run.tables), default=0.0) or 1.0
    head = "".join(
        _head(name, right)
        for name, right in (
            ("table", False),
            ("status", False),
            ("read", True),
            ("valid", True),
            ("written", True),
            ("quarantined", True),
            ("duplicates", True),
            ("score", True),
            ("seconds", True),
            ("", False),
        )
    )
    rows = "".join(_table_row(table, longest) for table in run.tables)
    return (
        f"<section><h2>Tables</h2>{_scroll('Tables')}<table>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def streams_section(streams: Sequence[StreamSummary]) -> str:
    """Return rate, lag and age of each stream."""
    if not streams:
        return ""
    names = ("batches", "rows", "rows a second", "lag", "newest event", "rows in state", "late")
    head = _head("stream", False) + "".join(_head(name, True) for name in names)
    rows = "".join(_stream_row(stream) for stream in streams)
    note = (
        "Rows a second while the stream worked. Lag: events of the broker, or files, that were not read after the "
        "newest batch. Newest event: its age when that batch was done."
    )
    return (
        f"<section><h2>Streams</h2>{_scroll('Streams')}<table><thead><tr>{head}</tr></thead>"
        f'<tbody>{rows}</tbody></table></div><p class="soft">{note}</p></section>'
    )


def quality_section(run: RunResult) -> str:
    """Return the rules: broken ones open, the others folded away."""
    rules = [(table.table, rule) for table in run.tables for rule in table.rules]
    if not rules:
        return ""
    broken = sorted((item for item in rules if not item[1].passed), key=_worst_first)
    held = [item for item in rules if item[1].passed]
    head = "".join(
        _head(name, right)
        for name, right in (
            ("table", False),
            ("rule", False),
            ("severity", False),
            ("consequence", False),
            ("failed", True),
            ("of", True),
            ("share", True),
            ("", False),
            ("", False),
        )
    )
    shown = (
        f"{_scroll('Broken rules')}<table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(_rule_row(*item) for item in broken)}</tbody></table></div>"
        if broken
        else '<p class="good">Every rule held.</p>'
    )
    noun = "rule" if len(held) == 1 else "rules"
    folded = (
        f"<details><summary>{len(held)} {noun} held</summary>"
        f"{_scroll('Rules that held')}<table><thead><tr>{head}</tr></thead><tbody>"
        f"{''.join(_rule_row(*item) for item in held)}</tbody></table></div></details>"
        if held
        else ""
    )
    return f"<section><h2>Quality</h2>{shown}{folded}</section>"


def history_section(history: Sequence[RunResult]) -> str:
    """Return seconds and rows of the last runs as bars, oldest on the left."""
    runs = list(reversed(history[:CHARTED]))
    if len(runs) < 2:
        return ""
    longest = max(run.duration_seconds for run in runs) or 1.0
    step, height = 36, 90
    bars = []
    for position, run in enumerate(runs):
        tall = max(2.0, height * run.duration_seconds / longest)
        x, y = 4 + position * step, 16 + height - tall
        written = sum(table.rows_written for table in run.tables)
        title = escape(
            f"{run.started_at:%Y-%m-%d %H:%M} UTC, {run.status}, {run.duration_seconds:.1f} s, {written:,} rows written"
        )
        bars.append(
            f"<g><title>{title}</title>"
            f'<rect class="{run.status}" x="{x}" y="{y:.1f}" width="26" height="{tall:.1f}" rx="3"/>'
            f'<text x="{x + 13}" y="{y - 4:.1f}" text-anchor="middle">{run.duration_seconds:.0f}</text></g>'
        )
    width = 8 + len(runs) * step
    return (
        '<section><h2>Last runs <span class="soft">(seconds; newest on the right)</span></h2>'
        f'{_scroll("Last runs")}<svg class="history" role="img" aria-label="Seconds of the last {len(runs)} runs" '
        f'viewBox="0 0 {width} {height + 20}" '
        f'style="max-width:{width * 1.4:.0f}px;min-width:{width}px">{"".join(bars)}</svg></div></section>'
    )


def samples_section(samples: Mapping[str, Samples]) -> str:
    """Return a look at some tables."""
    if not samples:
        return ""
    blocks = "".join(_sample(name, columns, rows) for name, (columns, rows) in samples.items())
    return f'<section><h2>A look at gold</h2><div class="samples">{blocks}</div></section>'


def _alert(kind: str, title: str, text: str) -> str:
    return f'<div class="alert {kind}" role="alert"><b>{escape(title)}</b><pre>{escape(text)}</pre></div>'


def _fact(value: str, name: str) -> str:
    return f'<div class="fact"><b>{escape(value)}</b><span class="soft">{escape(name)}</span></div>'


def _head(name: str, right: bool) -> str:
    return f'<th scope="col" class="n">{name}</th>' if right else f'<th scope="col">{name}</th>'


def _stream_row(stream: StreamSummary) -> str:
    lag = stream.lag_events if stream.lag_events is not None else stream.lag_files
    age = stream.event_age_seconds
    shown = ("" if lag is None else f"{lag:,}", "" if age is None else f"{age:,.1f} s")
    return (
        f"<tr><td>{escape(stream.query)}</td>{_count(stream.batches)}{_count(stream.rows)}"
        f'<td class="n">{stream.rate:,.0f}</td>'
        + "".join(f'<td class="n">{text}</td>' for text in shown)
        + f"{_count(stream.state_rows)}{_count(stream.late, 'bad')}</tr>"
    )


def _table_row(table: TableResult, longest: float) -> str:
    status = "breached" if table.breaches else table.status
    word = "breached" if table.breaches else _word(table)
    score = "" if table.score is None else f"{table.score:.3f}"
    share = 100 * table.duration_seconds / longest
    return (
        f'<tr><td>{escape(table.table)}</td><td><span class="badge {status}">{word}</span></td>'
        f"{_count(table.rows_read)}{_count(table.rows_valid)}{_count(table.rows_written)}"
        f'{_count(table.rows_quarantined, "warn")}{_count(table.rows_duplicate)}<td class="n">{score}</td>'
        f'<td class="n">{table.duration_seconds:,.1f}</td>{_bar(share)}</tr>'
    )


def _word(table: TableResult) -> str:
    """Return what became of a table; rows that were read need not have changed any of its own."""
    if table.status == "succeeded" and not table.rows_written:
        return "no rows written"
    return WORDS[table.status]


def _rule_row(table: str, rule: RuleResult) -> str:
    kind, word = CONSEQUENCES[rule.consequence]
    share = 100 * rule.rows_failed / rule.rows_checked if rule.rows_checked else 0.0
    return (
        f"<tr><td>{escape(table)}</td><td>{escape(rule.rule)}</td><td>{escape(rule.severity)}</td>"
        f'<td class="{kind}">{word}</td>'
        f"{_count(rule.rows_failed)}{_count(rule.rows_checked)}"
        f'<td class="n">{_percent(share)}</td>{_bar(share)}<td class="wrap soft">{escape(rule.detail or "")}</td></tr>'
    )


def _worst_first(item: tuple[str, RuleResult]) -> tuple[bool, float]:
    rule = item[1]
    return rule.consequence != "breach", -(rule.rows_failed / rule.rows_checked if rule.rows_checked else 1.0)


def _bar(share: float) -> str:
    filled = f'<i style="width:{min(100.0, share):.1f}%"></i>' if share else ""
    return f'<td class="bar"><span class="track">{filled}</span></td>'


def _count(rows: int, kind: str = "") -> str:
    return f'<td class="n {kind if rows else "zero"}">{rows:,}</td>'


def _percent(share: float) -> str:
    """Return a share so that some is never shown as none, nor most as all."""
    if 0 < share < 0.01:
        return "&lt;0.01 %"
    return "&gt;99.99 %" if 99.99 < share < 100 else f"{share:.2f} %"


def _scroll(label: str) -> str:
    """Return the opening tag of a part that scrolls sideways, also by keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label, quote=True)}">'


def _sample(name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    numeric = [all(_is_number(row[n]) for row in rows) and bool(rows) for n in range(len(columns))]
    head = "".join(_head(escape(column), numeric[n]) for n, column in enumerate(columns))
    body = "".join("<tr>" + "".join(_cell(value, numeric[n]) for n, value in enumerate(row)) + "</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div><h3>{escape(name)}</h3>{_scroll(name)}{table}</div></div>"


def _cell(value: object, right: bool) -> str:
    text = escape("" if value is None else str(value))
    return f'<td class="n">{text}</td>' if right else f"<td>{text}</td>"


def _is_number(value: object) -> bool:
    return value is None or str(value).lstrip("-").replace(".", "", 1).isdigit()
