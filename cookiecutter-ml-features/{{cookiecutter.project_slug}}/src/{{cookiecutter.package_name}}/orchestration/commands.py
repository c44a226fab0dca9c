"""The commands that begin where `run` ends, from `features` to `serve`, and what `docs` writes beside its own pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from databricks_utils.cli import Opened, Project, opened_with, project_options

NAMES = ("household_churn", "household_spend")
EVERY = "all"
MODEL = click.option("--model", "name", default=EVERY, type=click.Choice([EVERY, *NAMES]), help="Default: all.")
UNLESS_NEW = click.option(
    "--unless-new", is_flag=True, help="End well where no version of a model was ever promoted: a project that begins."
)
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
        _card(project),
        _champions(project),
        _score(project),
        _monitor(project),
        _report(project),
        _compare(project),
        _serve(project),
    )


def feature_pages(opened: Opened) -> Mapping[str, str]:
    """Return the pages that `docs` writes for this project only: what every feature means."""
    from databricks_utils.features import feature_page

    from {{ cookiecutter.package_name }}.features.registry import feature_registry

    return {"features.md": feature_page(feature_registry(opened.contracts))}


def _features(project: Project) -> click.Command:
    @click.command(name="features", help="Bring the feature tables and the online store up to date.")
    @click.option(
        "--backfill",
        type=click.BOOL,
        is_flag=False,
        flag_value=True,
        default=False,
        help="Compute all days again, as columns that are new want it.",
    )
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
    @click.option("--if-drifted", is_flag=True, help="Only models that drifted or degraded, says monitor.")
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


def _card(project: Project) -> click.Command:
    @click.command(name="card", help="Write the model cards of champions and challengers anew.")
    @MODEL
    @project_options
    def card(name: str, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.card(opened_with(project, options), name)

    return card


def _score(project: Project) -> click.Command:
    @click.command(name="score", help="Let the champions score the active households.")
    @MODEL
    @AT
    @UNLESS_NEW
    @project_options
    def score(name: str, at: Any, unless_new: bool, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.score(opened_with(project, options), name, at, unless_new=unless_new)

    return score


def _monitor(project: Project) -> click.Command:
    @click.command(name="monitor", help="Measure drift and what came true; write tables and the page.")
    @MODEL
    @AT
    @UNLESS_NEW
    @project_options
    def monitor(name: str, at: Any, unless_new: bool, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.monitor(opened_with(project, options), name, at, unless_new=unless_new)

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
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.serve(opened_with(project, options), port, share=share, experiment=experiment)

    return serve


def _compare(project: Project) -> click.Command:
    @click.command(name="compare", help="Say what became of either side of a comparison, and whether one has won.")
    @click.option("--experiment", required=True, help="Name of the comparison, as serve had it.")
    @project_options
    def compare(experiment: str, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.compare(opened_with(project, options), experiment)

    return compare


def _champions(project: Project) -> click.Command:
    @click.command(name="champions", help="Print the versions that an endpoint serves as variables of the bundle.")
    @UNLESS_NEW
    @project_options
    def champions(unless_new: bool, **options: Any) -> int:
        from {{ cookiecutter.package_name }}.orchestration import actions

        return actions.champions(opened_with(project, options), unless_new=unless_new)

    return champions
