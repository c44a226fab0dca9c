"""What the commands do: each opens what it needs, calls one room, and shows the result."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from databricks_utils import delta
from databricks_utils.cli.live import print_balances, print_rules, shown_progress
from databricks_utils.cli.project import Opened, Project, open_project
from databricks_utils.cli.scaffold import add_files
from databricks_utils.cli.stream_state import (
    STATES,
    breaks_its_checkpoint,
    current_states,
    differences,
    recorded_states,
    write_states,
)
from databricks_utils.doctor import examine, examine_workspace, render_checks
from databricks_utils.errors import InvalidInput
from databricks_utils.logging import configure_logging, redacted
from databricks_utils.medallion import Bronze, Lakehouse, quarantine_of, run_pipeline
from databricks_utils.medallion.checks import check_pipeline_tables
from databricks_utils.medallion.failure import cause_of
from databricks_utils.medallion.progress import load_progress, rewound, save_progress
from databricks_utils.observability import (
    Graph,
    GraphNode,
    RunResult,
    RunStore,
    Samples,
    TableResult,
    print_run,
    print_samples,
    print_table,
    render_report,
)
from databricks_utils.observability.verdict import judged
from databricks_utils.streaming import (
    StreamBronze,
    StreamPipeline,
    balances,
    check_tables,
    run_event_alerts,
    run_streams,
)
from databricks_utils.streaming.realtime import Mode
from databricks_utils.streaming.summary import stream_summaries

#: Runs shown in the report's history.
HISTORY = 20
#: Rows of each table the report shows.
REPORTED_ROWS = 8
#: How names of tables begin that are small by nature.
SMALL = ("agg_", "alert", "business_")
#: Small queries at once.
SIDE_BY_SIDE = 2


def opened(project: Project[Any], folder: str | None, environment: str, overrides: Mapping[str, str]) -> Opened:
    """Read and check the project, and set up logging as it says."""
    result = open_project(project, folder=folder, environment=environment, overrides=overrides)
    configure_logging(result.configuration.logging.level, result.configuration.logging.format)
    return result


def run(
    project: Opened,
    tables: Sequence[str],
    full_refresh: bool,
    run_id: str | None,
    show: int = 0,
    for_seconds: float | None = None,
    verdict: bool = True,
) -> int:
    """Run the pipeline and show what happened; the exit code says how it went.

    Without `verdict` a breach is recorded and shown and the exit code is 0: the run has a last task that judges it.
    """
    pipeline = project.project.pipeline
    pipeline.selected(tables)
    _check_options(project, full_refresh, for_seconds)
    lakehouse = project.lakehouse()
    if isinstance(pipeline, StreamPipeline):
        with shown_progress() as listener:
            outcome = run_streams(
                lakehouse, pipeline, tables=tables, for_seconds=for_seconds, run_id=run_id, on_progress=listener
            )
    else:
        outcome = run_pipeline(
            lakehouse, pipeline, tables=tables, full_refresh=full_refresh, run_id=run_id, on_table=_announce
        )
    print_run(outcome)
    samples = _samples(project, lakehouse, REPORTED_ROWS)
    for table, (columns, rows) in samples.items() if show else ():
        print_samples(table, (columns, rows[:show]))
    path = _write_report(project, lakehouse, outcome, samples)
    click.echo(f"Report: {path}")
    if outcome.status == "breached" and not verdict:
        click.echo(f"The breach is on record under run {outcome.run_id}; the command verdict ends with 3 for it.")
        return 0
    return outcome.exit_code


def verdict(project: Opened, run_id: str, tasks: Mapping[str, str]) -> int:
    """Say how a run of several tasks ended; the exit code is the run's."""
    lakehouse, pipeline = project.lakehouse(), project.project.pipeline
    outcome = judged(
        RunStore(lakehouse.namespace),
        lakehouse.spark,
        run_id,
        pipeline.tables,
        tasks,
        pipeline=pipeline.name,
        environment=project.configuration.environment,
    )
    print_run(outcome)
    click.echo(f"Verdict of run {run_id}: {outcome.headline} (exit code {outcome.exit_code})")
    return outcome.exit_code


def _check_options(project: Opened, full_refresh: bool, for_seconds: float | None) -> None:
    streams = isinstance(project.project.pipeline, StreamPipeline)
    if streams and full_refresh:
        hint = "Raise the version of the stream in the pipeline definition, which gives it a new checkpoint"
        raise InvalidInput("A stream cannot be refreshed from here", where="--full-refresh", hint=hint)
    if not streams and for_seconds is not None:
        raise InvalidInput("Only streams run for some time", where="--for-seconds", hint="Leave it out")


def verify(project: Opened) -> int:
    """Compare what the streams have written with what bronze holds; the exit code is 1 where they differ."""
    pipeline = project.project.pipeline
    assert isinstance(pipeline, StreamPipeline)  # the command is there for streams only
    found = balances(project.lakehouse(), pipeline)
    print_balances(found)
    return 1 if any(item.lost or item.doubled for item in found) else 0


def check(project: Opened, tables: Sequence[str], run_id: str | None) -> int:
    """Check tables as they are; the exit code is 3 where a rule of severity error is not met."""
    pipeline = project.project.pipeline
    pipeline.selected(tables)
    look = check_tables if isinstance(pipeline, StreamPipeline) else check_pipeline_tables
    outcome = look(project.lakehouse(), pipeline, tables=tables, run_id=run_id)
    print_rules(outcome)
    return outcome.exit_code


def alert(project: Opened, run_id: str | None, mode: Mode | None, for_seconds: float | None) -> int:
    """Tell about single events until nothing is left, the time is over, or somebody ends it."""
    pipeline = project.project.pipeline
    assert isinstance(pipeline, StreamPipeline)  # the command is there for streams only
    with shown_progress() as listener:
        looked_at = run_event_alerts(
            project.lakehouse(), pipeline, mode=mode, for_seconds=for_seconds, run_id=run_id, on_progress=listener
        )
    for name, events in looked_at.items():
        click.echo(f"{name}: {events:,} events looked at")
    return 0


def status(project: Opened, rows: int) -> int:
    """Show the last run and some rows of each gold table."""
    lakehouse = project.lakehouse()
    last = _last_run(lakehouse)
    print_run(last)
    for table, sample in _samples(project, lakehouse, rows).items():
        print_samples(table, sample)
    return 0


def report(project: Opened) -> int:
    """Write the report of the last run again."""
    lakehouse = project.lakehouse()
    samples = _samples(project, lakehouse, REPORTED_ROWS)
    click.echo(f"Report: {_write_report(project, lakehouse, _last_run(lakehouse), samples)}")
    return 0


def state(project: Opened, check: bool) -> int:
    """Write down what the streams remember, or say how it differs from what is written; 1 where it does."""
    pipeline = project.project.pipeline
    assert isinstance(pipeline, StreamPipeline)  # the command is there for streams only
    found, recorded = current_states(project), recorded_states(project)
    path = f"contracts/{STATES}"
    for table in sorted({*found, *recorded}):
        for line in differences(recorded.get(table), found.get(table)):
            click.echo(line)
    lower = [table for table in found if table in recorded and found[table].version < recorded[table].version]
    if lower:
        raise InvalidInput(
            f"The version of {', '.join(lower)} is lower than before",
            where=path,
            hint="The checkpoint of that version stands where it stood, and would give the table again what has come "
            "since. To go back to an earlier definition, raise the version once more",
        )
    breaks = [table for table in found if breaks_its_checkpoint(recorded.get(table), found[table])]
    if breaks:
        raise InvalidInput(
            f"{', '.join(breaks)} would remember other things than under the same version",
            where=path,
            hint="Raise its version in pipeline_definition.py, which gives it a new checkpoint "
            "(docs/runbooks/checkpoint-reset.md), then run: "
            f"{project.project.command} state. If it has run nowhere yet, delete its entry from the file instead",
        )
    if found == recorded:
        click.echo("What the streams remember is what is written down.")
        return 0
    if check:
        click.echo(f"Out of date: {path}\nRun: {project.project.command} state")
        return 1
    write_states(project, found)
    click.echo(f"Written: {path}")
    return 0


def maintain(project: Opened, tables: Sequence[str]) -> int:
    """Compact tables, apply bronze retention and delete files nobody needs.

    Without names that is every Delta table of the environment's schemas: those of the pipeline first, then quarantines,
    features, scores and records. One that cannot be maintained does not keep the others from it; the exit code is 1.
    """
    nodes = project.project.pipeline.selected(tables)
    lakehouse = project.lakehouse()
    layers = {node.table: node.layer for node in nodes}
    names = [*layers, *(quarantine_of(table) for table, layer in layers.items() if layer == "silver")]
    names += [] if tables else lakehouse.tables()
    done, failed = 0, 0
    for name in dict.fromkeys(names):
        try:
            if not lakehouse.exists(name):
                continue
            with lakehouse.held([name], [], "maintain"):
                click.echo(f"{name}: {_maintained(lakehouse, name, layers.get(name) == 'bronze')}")
            done += 1
        except Exception as error:  # whatever one table brings, the others are maintained
            failed += 1
            click.echo(f"{name}: not maintained: {redacted(cause_of(error))}", err=True)
    if not done and not failed:
        click.echo("There are no tables yet; they come with the first run.")
    if failed:
        click.echo(f"{failed} of {done + failed} tables were not maintained; the others were.", err=True)
    return 1 if failed else 0


def _maintained(lakehouse: Lakehouse, table: str, expires: bool) -> str:
    retention = lakehouse.configuration.retention
    identifier = lakehouse.identifier(table)
    done = []
    if expires:
        rows = delta.delete_older(lakehouse.spark, identifier, "_ingestion_date", days=retention.bronze_days)
        done.append(f"{rows:,} expired rows deleted")
    files = delta.optimize(lakehouse.spark, identifier)
    delta.vacuum(lakehouse.spark, identifier, retention_hours=retention.vacuum_hours)
    return ", ".join([*done, f"{files:,} small files compacted", "vacuumed"])


def restore(project: Opened, table: str, version_number: int) -> int:
    """Bring a table back, and the positions of it and of what it read with it."""
    if isinstance(project.project.pipeline, StreamPipeline):
        hint = "Restore the table with SQL, then give the streams that write and read it a new version"
        raise InvalidInput("A stream's checkpoint does not go back with its table", where=table, hint=hint)
    node = project.project.pipeline.node(table)
    lakehouse = project.lakehouse()
    lakehouse.read(table)
    newest = lakehouse.version(table)
    if newest < 0:
        raise InvalidInput(f"{table} does not exist yet", hint=f"Run it first: run --tables {table}")
    if version_number > newest:
        raise InvalidInput(f"{table} has no version {version_number}", hint=f"It has the versions 0 to {newest}")
    with lakehouse.held([table], [], "restore"):
        return _restored(lakehouse, table, version_number, node.layer)


def _restored(lakehouse: Lakehouse, table: str, version_number: int, layer: str) -> int:
    delta.restore(lakehouse.spark, lakehouse.identifier(table), version_number)
    if layer == "bronze":
        click.echo(f"{table} is back at version {version_number}. Files that had been read are not read again;")
        click.echo("what is to come back must be delivered under a new name.")
        return 0
    progress = load_progress(lakehouse)
    position = rewound(lakehouse, progress, table, version_number)
    save_progress(lakehouse, progress, [position], "restore")
    click.echo(f"{table} is back at version {version_number}; the next run reads on from there.")
    return 0


def doctor(project: Project[Any], target: str | None = None, folder: str | None = None) -> int:
    """Examine the machine, or the workspace of a target; the exit code is 1 when something needed is missing."""
    root = project.root(folder)
    checks = (
        examine(root) if target is None else examine_workspace(root, target, _landing_folders(project), project.command)
    )
    click.echo(render_checks(checks))
    return 0 if all(check.ok for check in checks) else 1


def _landing_folders(project: Project[Any]) -> list[str]:
    """Return the folders of the landing zone that the pipeline reads files from."""
    nodes = project.pipeline
    return [node.source.folder for node in nodes if isinstance(node, Bronze)] + [
        node.topic for node in nodes if isinstance(node, StreamBronze)
    ]


def add_table(project: Project[Any], folder: str | None, table: str) -> int:
    """Write the skeletons of a table into the folder that is named, or that the command is called in."""
    for line in add_files(project, project.root(folder or str(Path.cwd())), table):
        click.echo(line)
    return 0


def _announce(result: TableResult) -> None:
    if sys.stderr.isatty():
        print_table(result)


def _last_run(lakehouse: Lakehouse) -> RunResult:
    runs = RunStore(lakehouse.namespace).latest(lakehouse.spark, 1)
    if not runs:
        raise InvalidInput("Nothing has been run in this environment yet", hint="Run the pipeline first: run")
    return runs[0]


def _write_report(project: Opened, lakehouse: Lakehouse, outcome: RunResult, samples: Mapping[str, Samples]) -> Path:
    history = RunStore(lakehouse.namespace).latest(lakehouse.spark, HISTORY)
    streams = (
        stream_summaries(lakehouse, outcome.run_id) if isinstance(project.project.pipeline, StreamPipeline) else ()
    )
    page = render_report(outcome, history, _graph(project), samples, streams)
    folder = Path(project.configuration.storage.reports)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{outcome.started_at:%Y%m%dT%H%M%SZ}-{outcome.run_id[:8]}.html"
    path.write_text(page, encoding="utf-8", errors="replace")
    return path


def _graph(project: Opened) -> Graph:
    pipeline = project.project.pipeline
    nodes = tuple(
        GraphNode(node.table, node.layer, project.contracts[node.table].description or "") for node in pipeline
    )
    return Graph(nodes, pipeline.edges)


def _samples(project: Opened, lakehouse: Lakehouse, rows: int) -> Mapping[str, Samples]:
    """Look at the gold tables that are small by nature, newest rows first where there is a date."""
    wanted = [
        node.table
        for node in project.project.pipeline
        if node.layer == "gold" and node.name.startswith(SMALL) and lakehouse.exists(node.table)
    ]

    def sample(table: str) -> Samples:
        contract = lakehouse.contract(table)
        names = [column.name for column in contract.columns]
        frame = lakehouse.read(table).select(*names).orderBy(*contract.key)
        return tuple(names), tuple(tuple(row) for row in frame.limit(rows).collect())

    # Nothing else runs by now, and a small query leaves one of two cores idle.
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(wanted, pool.map(sample, wanted), strict=True))
