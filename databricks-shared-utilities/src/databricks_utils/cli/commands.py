"""The commands and their options; what they do is in the rooms."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click

from databricks_utils.cli import actions, documents
from databricks_utils.cli.job_tasks import tables_of_task
from databricks_utils.cli.kind import RunOptions
from databricks_utils.cli.local_broker import broker_down, broker_up
from databricks_utils.cli.options import opened_with, pairs, project_options
from databricks_utils.cli.project import Project
from databricks_utils.cli.refusal import tell
from databricks_utils.cli.spark_server import spark_down, spark_up
from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.identity import DISTRIBUTION, library_identity
from databricks_utils.logging import redacted
from databricks_utils.pipeline.failure import RUNBOOK, cause_of, kind_of
from databricks_utils.testing.kept_broker import PORT


def command_line(project: Project[Any], arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 bad input, 3 quality threshold breached."""
    try:
        outcome = _group(project).main(args=list(arguments), prog_name=project.command, standalone_mode=False)
    except click.exceptions.Exit as error:
        return int(error.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except LakehouseError as error:
        return tell(error)
    except Exception as error:  # the outermost frame: a user gets a sentence, and a traceback on request
        return _unexpected(error, arguments)
    return outcome if isinstance(outcome, int) else 0


def _unexpected(error: Exception, arguments: Sequence[str]) -> int:
    if "--debug" in arguments:
        click.echo(redacted(traceback.format_exc()), err=True)
    kind = kind_of(error)
    click.echo(f"Error: {redacted(cause_of(error))}", err=True)
    if kind.meaning:
        click.echo(f"  means: {kind.meaning}. {kind.hint} ({RUNBOOK}#{kind.name})", err=True)
    click.echo("  hint:  Run the same command with --debug to see where it happened", err=True)
    return 1


def _names(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _for_seconds(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    positive = click.FloatRange(min=0, min_open=True)
    return click.option("--for-seconds", default=None, type=positive, metavar="SECONDS", help=text)


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Show the version of the library; its content is looked at only when somebody asks."""
    if wanted:
        click.echo(f"{context.info_name} ({DISTRIBUTION}), version {library_identity()}")
        context.exit()


def _group(project: Project[Any]) -> click.Group:
    @click.group(help=f"Run and look after the pipeline {project.pipeline.name}.")
    @click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version)
    def group() -> None:
        """Hold the commands."""

    of_every_project = (_run, _verdict, _check, _status, _report, _docs, _maintain, _restore, _doctor, _add, _spark)
    of_kinds = {"verify": _verify, "state": _state, "broker": _broker, "alert": _alert}
    for register in (*of_every_project, *(of_kinds[name] for name in project.kind.commands)):
        register(group, project)
    for command in project.commands:
        group.add_command(command)
    return group


def _run(group: click.Group, project: Project[Any]) -> None:
    @group.command(help="Bring the tables up to date.")
    @click.option("--tables", callback=_names, help="Comma-separated layer.table names (default: all).")
    @click.option(
        "--task", default=None, metavar="KEY", help="The tables of this task of the job, in place of --tables."
    )
    @click.option(
        "--full-refresh",
        type=click.BOOL,
        is_flag=False,
        flag_value=True,
        default=False,
        help="Compute silver and gold again from all of bronze.",
    )
    @click.option("--run-id", default=None, help="Name of the run, shared by the tasks of one job run.")
    @click.option(
        "--show", default=0, type=click.IntRange(min=0), metavar="ROWS", help="Show rows of the gold tables afterwards."
    )
    @_for_seconds("Stop streams after this time, with everything worked off.")
    @click.option(
        "--verdict/--no-verdict",
        default=True,
        show_default=True,
        help="Whether a breach is exit code 3; without it that is left to the last task of a job, the command verdict.",
    )
    @project_options
    def run(
        tables: tuple[str, ...],
        task: str | None,
        full_refresh: bool,
        run_id: str | None,
        show: int,
        for_seconds: float | None,
        verdict: bool,
        **options: Any,
    ) -> int:
        if not verdict and run_id is None:
            raise InvalidInput(
                "Nobody could judge the run afterwards", where="--no-verdict", hint="Give the run a name with --run-id"
            )
        if task is not None:
            if tables:
                raise InvalidInput(
                    "A task says which tables it has", where="--task", hint="Leave out --tables or --task"
                )
            tables = tables_of_task(project.pipeline, task)
        opened = opened_with(project, options)
        return actions.run(opened, RunOptions(tables, full_refresh, for_seconds, run_id), show, verdict)


def _verdict(group: click.Group, project: Project[Any]) -> None:
    @group.command(
        help="Say how the tasks of a job run ended: 1 if a table failed or is missing, else 3 if one is breached."
    )
    @click.option("--run-id", required=True, help="Name of the run, shared by the tasks of one job run.")
    @click.option(
        "--task",
        "tasks",
        multiple=True,
        metavar="KEY=STATE",
        help="How a task ended that writes no table; any state but success is a failure.",
    )
    @project_options
    def verdict(run_id: str, tasks: tuple[str, ...], **options: Any) -> int:
        return actions.verdict(opened_with(project, options), run_id, dict(pairs(tasks, "--task", "report=success")))


def _verify(group: click.Group, project: Project[Any]) -> None:
    @group.command(help="Prove that no event is lost and none doubled (while no stream runs).")
    @project_options
    def verify(**options: Any) -> int:
        return actions.verify(opened_with(project, options))


def _check(group: click.Group, project: Project[Any]) -> None:
    @group.command(
        help="Check all tables against their contracts: keys, references, row counts, age (also during runs)."
    )
    @click.option("--tables", callback=_names, help="Comma-separated layer.table names (default: all).")
    @click.option("--run-id", default=None, help="Name of the run, shared by the tasks of one job run.")
    @project_options
    def check(tables: tuple[str, ...], run_id: str | None, **options: Any) -> int:
        return actions.check(opened_with(project, options), tables, run_id)


def _state(group: click.Group, project: Project[Any]) -> None:
    @group.command(help="Write down what the streams remember, so that a change which needs a new checkpoint is seen.")
    @click.option("--check", is_flag=True, help="Change nothing; fail when it is not what is written down.")
    @project_options
    def state(check: bool, **options: Any) -> int:
        return actions.state(opened_with(project, options, writes=True), check)


def _alert(group: click.Group, project: Project[Any]) -> None:
    @group.command(help="Tell the alerts' topic about single events, as fast as the runtime can.")
    @click.option("--run-id", default=None, help="Name of the run, shared by the tasks of one job run.")
    @click.option(
        "--mode",
        default=None,
        type=click.Choice(["real-time", "micro-batch"]),
        help="Default: the fastest one there is. Real-time mode holds one core for each partition of the topic.",
    )
    @_for_seconds("Stop after this time (default: never).")
    @project_options
    def alert(run_id: str | None, mode: str | None, for_seconds: float | None, **options: Any) -> int:
        chosen: Any = mode and mode.replace("-", "_")
        return actions.alert(opened_with(project, options), run_id, chosen, for_seconds)


def _status(group: click.Group, project: Project[Any]) -> None:
    @group.command(help="Show the last run and a look at the gold tables.")
    @click.option(
        "--rows", default=5, type=click.IntRange(min=0), show_default=True, help="Rows of each gold table to show."
    )
    @project_options
    def status(rows: int, **options: Any) -> int:
        return actions.status(opened_with(project, options), rows)


def _report(group: click.Group, project: Project[Any]) -> None:
    @group.command(help="Write the HTML report of the last run.")
    @project_options
    def report(**options: Any) -> int:
        return actions.report(opened_with(project, options))


def _docs(group: click.Group, project: Project[Any]) -> None:
    @group.command(help="Write data dictionary, entity diagram, lineage, the job's tasks and the project's own pages.")
    @click.option("--check", is_flag=True, help="Change nothing; fail when the documents are out of date.")
    @project_options
    def docs(check: bool, **options: Any) -> int:
        return documents.docs(opened_with(project, options, writes=True), check)


def _maintain(group: click.Group, project: Project[Any]) -> None:
    @group.command(help="Compact tables, delete files that are no longer needed, apply retention.")
    @click.option("--tables", callback=_names, help="Comma-separated layer.table names (default: all).")
    @project_options
    def maintain(tables: tuple[str, ...], **options: Any) -> int:
        return actions.maintain(opened_with(project, options), tables)


def _restore(group: click.Group, project: Project[Any]) -> None:
    @group.command(help="Bring a table back to a version; the next run continues from there.")
    @click.argument("table")
    @click.option("--version", required=True, type=click.IntRange(min=0), help="Version to restore (see status).")
    @project_options
    def restore(table: str, version: int, **options: Any) -> int:
        return actions.restore(opened_with(project, options), table, version)


def _doctor(group: click.Group, project: Project[Any]) -> None:
    @group.command(
        help="Check Java, Python, uv, git, disk and jars, and say what to do; with --target the workspace instead."
    )
    @click.option("--target", default=None, help="Look at the workspace that this target of bundle.yml is deployed to.")
    @click.option("--project", "folder", default=None, help="Folder of the project (default: found from here).")
    def doctor(target: str | None, folder: str | None) -> int:
        return actions.doctor(project, target, folder)


def _add(group: click.Group, project: Project[Any]) -> None:
    @group.group(help="Write skeletons.")
    def add() -> None:
        """Hold the kinds of skeleton."""

    @add.command(
        name="table",
        help="Write a contract and a transformation for LAYER.TABLE, and say what is left to do.",
    )
    @click.argument("table")
    @click.option("--project", "folder", default=None, help="Folder of the project (default: found from here).")
    def add_table(table: str, folder: str | None) -> int:
        return actions.add_table(project, folder, table)


def _spark(group: click.Group, project: Project) -> None:
    @group.group(help="Keep a Spark on this machine, so that commands and tests need not start one.")
    def spark() -> None:
        """Hold what can be done with it."""

    @spark.command(help="Start it, unless it is up.")
    @project_options
    def up(**options: Any) -> int:
        return spark_up(opened_with(project, options))

    @spark.command(help="End it.")
    def down() -> int:
        return spark_down(project)


def _broker(group: click.Group, project: Project[Any]) -> None:
    @group.group(help="Keep a Kafka broker on this machine, without Docker, for run, produce, verify and alert.")
    def broker() -> None:
        """Hold what can be done with it."""

    @broker.command(help="Start it with the topics of the pipeline, unless it is up.")
    @click.option("--port", default=PORT, type=click.IntRange(1, 65535), show_default=True, help="Where it listens.")
    @click.option("--topic", "topics", multiple=True, help="One more topic, as of the alerts.")
    @project_options
    def up(port: int, topics: tuple[str, ...], **options: Any) -> int:
        return broker_up(opened_with(project, options, writes=True), port, topics)

    @broker.command(help="End it; its events stay.")
    def down() -> int:
        return broker_down(project)
