"""A run on the terminal: one table that fits 80 columns, plain lines where nobody is looking."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from databricks_utils.logging.redaction import concealed
from databricks_utils.observability.results import RunResult, TableResult

#: Column names and rows of a look at a table.
Samples = tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]

COLOURS = {
    "succeeded": "green",
    "skipped": "dim",
    "failed": "bold red",
    "blocked": "yellow",
    "breached": "bold yellow",
}
MARKS = {
    "succeeded": "ok",
    "skipped": "nothing new",
    "failed": "failed",
    "blocked": "blocked",
    "breached": "breached",
}


def print_run(run: RunResult, console: Console | None = None) -> None:
    """Print what a run did to each table, then what needs attention."""
    console = console or _console()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    # The name is the one column that may take several lines: a number cut off is a wrong number.
    table.add_column("table", overflow="fold", min_width=12)
    for name in ("read", "written", "quarant.", "dupl.", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for item in run.tables:
        counts = (item.rows_read, item.rows_written, item.rows_quarantined, item.rows_duplicate)
        seconds = f"{item.duration_seconds:,.1f}"
        table.add_row(escape(item.table), *[f"{count:,}" for count in counts], seconds, _status(item))
    console.print(f"\n{escape(run.pipeline)} in {escape(run.environment)}, run {escape(run.run_id[:8])}")
    console.print(table)
    _print_alerts(run, console)
    colour = COLOURS[run.status]
    console.print(f"[{colour}]{run.status}[/] in {run.duration_seconds:,.1f} s: {run.headline}", soft_wrap=True)


def print_table(item: TableResult, console: Console | None = None) -> None:
    """Print one line as soon as a table is done."""
    console = console or _console(stderr=True)
    console.print(
        f"  {_status(item, 11)} {escape(item.table)} [dim]{item.rows_written:,} rows, {item.duration_seconds:,.1f} s[/]"
    )


def print_samples(name: str, samples: Samples, console: Console | None = None) -> None:
    """Print some rows of a table: as many columns as fit, so that none is cut in the middle."""
    console = console or _console()
    columns, rows = samples
    shown = _fitting(columns, rows, console.width)
    left_out = len(columns) - len(shown)
    more = f" [dim](and {left_out} more {'column' if left_out == 1 else 'columns'})[/]" if left_out else ""
    table = Table(
        title=f"{escape(name)}{more}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for position in shown:
        justify = "right" if _numeric(rows, position) else "left"
        table.add_column(escape(columns[position]), justify=justify, no_wrap=True)  # type: ignore[arg-type]  # a literal
    for row in rows:
        table.add_row(*[escape(_shown(row[position])) for position in shown])
    console.print(table)


def _console(*, stderr: bool = False) -> Console:
    # On Databricks rich would hand the text to a notebook's display, which a job's log does not show.
    return Console(stderr=stderr, highlight=False, force_jupyter=False)


def _status(item: TableResult, width: int = 0) -> str:
    status = "breached" if item.breaches and item.status == "succeeded" else item.status
    return f"[{COLOURS[status]}]{MARKS[status]:<{width}}[/]"


def _fitting(columns: Sequence[str], rows: Sequence[tuple[object, ...]], width: int) -> list[int]:
    """Return the positions of the first columns that fit beside each other."""
    used = 1
    shown: list[int] = []
    for position, column in enumerate(columns):
        used += 2 + max(cell_len(column), *(cell_len(_shown(row[position])) for row in rows), 0)
        if shown and used > width:
            break
        shown.append(position)
    return shown


def _shown(value: object) -> str:
    """Return a value as one line."""
    return "" if value is None else " ".join(concealed(str(value)).splitlines())


def _print_alerts(run: RunResult, console: Console) -> None:
    for item in run.tables:
        if item.error:
            headline, *told = item.error.splitlines()
            console.print(f"[{COLOURS[item.status]}]{escape(item.table)}[/]: {escape(headline)}")
            if told:
                console.print(_told(told))
        for breach in item.breaches:
            console.print(f"[{COLOURS['breached']}]{escape(item.table)}[/] breach: {escape(concealed(breach))}")
        for warning in item.warnings:
            console.print(f"[yellow]{escape(item.table)}[/] warning: {escape(concealed(warning))}")


def _told(lines: Sequence[str]) -> Table:
    """Return the lines below an error's headline as labels and texts, each text below itself."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        label, colon, text = line.strip().partition(": ")
        labelled = colon and line.startswith("  ") and label.isalpha()
        grid.add_row(f"  {label}:" if labelled else "", escape(text.strip() if labelled else line.strip()))
    return grid


def _numeric(rows: Sequence[tuple[object, ...]], position: int) -> bool:
    values = [row[position] for row in rows if row[position] is not None]
    return bool(values) and all(_is_number(value) for value in values)


def _is_number(value: object) -> bool:
    return str(value).lstrip("-").replace(".", "", 1).replace(",", "").isdigit()
