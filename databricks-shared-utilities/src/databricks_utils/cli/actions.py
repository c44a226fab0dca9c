"""What the commands do: each opens what it needs, calls one room, and shows the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from databricks_utils import delta
from databricks_utils.cli.kind import RunOptions
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
from databricks_utils.medallion.progress import load_progress, rewound, save_progress
from databricks_utils.observability import (
    Graph,
    GraphNode,
    RunResult,
    RunStore,
    Samples,
    print_run,
    print_samples,
    render_report,
)
from databricks_utils.observability.verdict import judged
from databricks_utils.pipeline import Lakehouse, quarantine_of
from databricks_utils.pipeline.failure import cause_of
from databricks_utils.spark_client import spark_pool
from databricks_utils.streaming import (
    balances,
    run_event_alerts,
)
from databricks_utils.streaming.realtime import Mode

#: Runs shown in the report's history.
HISTORY = 20
#: Rows of each table the report shows.
REPORTED_ROWS = 8
#: Small queries at once.
SIDE_BY_SIDE = 2


def opened(project: Project[Any], folder: str | None, environment: str, overrides: Mapping[str, str]) -> Opened:
    """Read and check the project, and set up logging as it says."""
    result = open_project(project, folder=folder, environment=environment, overrides=overrides)
    configure_logging(result.configuration.logging.level, result.configuration.logging.format)
    return result


def run(project: Opened, options: RunOptions, show: int = 0, verdict: bool = True) -> int:
    """Run the pipeline and show what happened; the exit code says how it went.

    Without `verdict` a breach is recorded and shown and the exit code is 0: the run has a last task that judges it.
    """
    kind = project.project.kind
    project.project.pipeline.selected(options.tables)
    kind.require_options(options)
    lakehouse = project.lakehouse()
    outcome = kind.run(lakehouse, options)
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


def verify(project: Opened) -> int:
    """Compare what the streams have written with what bronze holds; the exit code is 1 where they differ."""
    found = balances(project.lakehouse(), project.project.pipeline)
    print_balances(found)
    return 1 if any(item.lost or item.doubled for item in found) else 0


def check(project: Opened, tables: Sequence[str], run_id: str | None) -> int:
    """Check tables as they are; the exit code is 3 where a rule of severity error is not met."""
    project.project.pipeline.selected(tables)
    outcome = project.project.kind.check(project.lakehouse(), tables, run_id)
    print_rules(outcome)
    return outcome.exit_code


def alert(project: Opened, run_id: str | None, mode: Mode | None, for_seconds: float | None) -> int:
    """Tell about single events until nothing is left, the time is over, or somebody ends it."""
    pipeline = project.project.pipeline
    with shown_progress() as listener:
        looked_at = run_event_alerts(
            project.lakehouse(), pipeline, mode=mode, for_seconds=for_seconds, run_id=run_id, on_progress=listener
        )
    for name, events in looked_at.items():
        click.echo(f"{name}: {events:,} events looked at")
    return 0


def status(project: Opened, rows: int) -> int:
    """Show the last run, and some rows of the tables whose definition says so."""
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
    project.project.kind.require_restorable(table)
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
    if target is None:
        checks = examine(root)
    else:
        checks = examine_workspace(root, target, project.kind.landing_folders(), project.command)
    click.echo(render_checks(checks))
    return 0 if all(check.ok for check in checks) else 1


def add_table(project: Project[Any], folder: str | None, table: str) -> int:
    """Write the skeletons of a table into the folder that is named, or that the command is called in."""
    for line in add_files(project, project.root(folder or str(Path.cwd())), table):
        click.echo(line)
    return 0


def _last_run(lakehouse: Lakehouse) -> RunResult:
    runs = RunStore(lakehouse.namespace).latest(lakehouse.spark, 1)
    if not runs:
        raise InvalidInput("Nothing has been run in this environment yet", hint="Run the pipeline first: run")
    return runs[0]


def _write_report(project: Opened, lakehouse: Lakehouse, outcome: RunResult, samples: Mapping[str, Samples]) -> Path:
    history = RunStore(lakehouse.namespace).latest(lakehouse.spark, HISTORY)
    streams = project.project.kind.summaries(lakehouse, outcome.run_id)
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
    """Look at some rows of the tables whose definition says so, in the order of their keys."""
    wanted = [node.table for node in project.project.pipeline if node.is_shown and lakehouse.exists(node.table)]

    def sample(table: str) -> Samples:
        contract = lakehouse.contract(table)
        names = [column.name for column in contract.columns]
        frame = lakehouse.read(table).select(*names).orderBy(*contract.key)
        return tuple(names), tuple(tuple(row) for row in frame.limit(rows).collect())

    # Nothing else runs by now, and a small query leaves one of two cores idle.
    with spark_pool(lakehouse.spark, SIDE_BY_SIDE) as pool:
        return dict(zip(wanted, pool.map(sample, wanted), strict=True))
