"""The commands that begin where `run` ends: features, train, promote, rollback, score, monitor, report, serve."""

from __future__ import annotations

from typing import Any

import click
from databricks_utils.cli import Project, opened_with, project_options

NAMES = ("household_churn", "household_spend")
EVERY = "all"
MODEL = click.option("--model", "name", default=EVERY, type=click.Choice([EVERY, *NAMES]), help="Default: all.")
AT = click.option("--at", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Moment, UTC (default: the newest).")


def model_commands(project: Project) -> tuple[click.Command, ...]:
    """Return the commands for a project.

    What they do is imported when one is called, so that `run` does not wait for scikit-learn.
    """
    return (
        _features(project),
        _train(project),
        _promote(project),
        _rollback(project),
        _champions(project),
        _score(project),
        _monitor(project),
        _report(project),
        _serve(project),
    )


def _features(project: Project) -> click.Command:
    @click.command(name="features", help="Bring the feature tables and the online store up to date.")
    @click.option("--backfill", is_flag=True, help="Compute all days again.")
    @click.option("--check", is_flag=True, help="Only check the definitions, without Spark.")
    @project_options
    def features(backfill: bool, check: bool, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        opened = opened_with(project, options)
        return actions.check(opened) if check else actions.features(opened, backfill=backfill)

    return features


def _train(project: Project) -> click.Command:
    @click.command(name="train", help="Train models; each becomes the challenger.")
    @MODEL
    @click.option("--trials", default=20, type=click.IntRange(min=1), show_default=True, help="Settings to try.")
    @click.option("--seed", default=1, show_default=True, help="Of the search and the models.")
    @click.option("--if-drifted", is_flag=True, help="Only models for which the last monitoring found drift.")
    @project_options
    def train(name: str, trials: int, seed: int, if_drifted: bool, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.train(opened_with(project, options), name, trials=trials, seed=seed, if_drifted=if_drifted)

    return train


def _promote(project: Project) -> click.Command:
    @click.command(name="promote", help="Make challengers that pass their gates the champions.")
    @MODEL
    @click.option("--approved-by", required=True, help="Who answers for it.")
    @project_options
    def promote(name: str, approved_by: str, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.promote(opened_with(project, options), name, approved_by)

    return promote


def _rollback(project: Project) -> click.Command:
    @click.command(name="rollback", help="Bring back the champion before this one.")
    @click.option("--model", "name", required=True, type=click.Choice(NAMES))
    @click.option("--by", required=True, help="Who decides.")
    @click.option("--because", required=True, help="Why; it is kept with the version.")
    @project_options
    def rollback(name: str, by: str, because: str, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.rollback(opened_with(project, options), name, by=by, because=because)

    return rollback


def _score(project: Project) -> click.Command:
    @click.command(name="score", help="Let the champions score the active households.")
    @MODEL
    @AT
    @project_options
    def score(name: str, at: Any, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.score(opened_with(project, options), name, at)

    return score


def _monitor(project: Project) -> click.Command:
    @click.command(name="monitor", help="Measure drift and what came true; write tables and the page.")
    @MODEL
    @AT
    @project_options
    def monitor(name: str, at: Any, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.monitor(opened_with(project, options), name, at)

    return monitor


def _report(project: Project) -> click.Command:
    @click.command(name="report", help="Write the HTML reports of the last run and of the models.")
    @project_options
    def report(**options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.report(opened_with(project, options))

    return report


def _serve(project: Project) -> click.Command:
    @click.command(name="serve", help="Answer POST /score on this machine, from the online store.")
    @click.option("--port", default=8080, type=click.IntRange(0, 65535), show_default=True, help="0: any free one.")
    @click.option("--share", default=0.0, type=click.FloatRange(0, 1), help="Part that the challenger answers for.")
    @click.option("--experiment", default="first", show_default=True, help="Name of the comparison.")
    @project_options
    def serve(port: int, share: float, experiment: str, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.models.serving import serve_forever

        return serve_forever(opened_with(project, options), port, share=share, experiment=experiment)

    return serve


def _champions(project: Project) -> click.Command:
    @click.command(name="champions", help="Print the champions' versions as variables of the bundle.")
    @project_options
    def champions(**options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.champions(opened_with(project, options))

    return champions
