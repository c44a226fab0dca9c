"""The commands that begin where `run` ends, from `features` to `serve`, and what `docs` writes beside its own pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from databricks_utils.cli.opened_models import EVERY, OpenedModels
from databricks_utils.cli.options import opened_with, project_options
from databricks_utils.cli.project import Opened, Project
from databricks_utils.models import ModelProject

_UNLESS_NEW = click.option(
    "--unless-new", is_flag=True, help="End well where no version of a model was ever promoted: a project that begins."
)
_AT = click.option("--at", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Moment, UTC (default: the newest).")


def model_commands(project: Project[Any], models: ModelProject) -> tuple[click.Command, ...]:
    """Return the commands for a project and its models.

    What they do is imported when one is called, so that `run` does not wait for scikit-learn.
    """
    return (
        _features(project, models),
        _train(project, models),
        _promote(project, models),
        _rollback(project, models),
        _card(project, models),
        _champions(project, models),
        _score(project, models),
        _monitor(project, models),
        _report(project, models),
        _compare(project, models),
        _serve(project, models),
    )


def feature_pages(models: ModelProject) -> Callable[[Opened], Mapping[str, str]]:
    """Return what gives the pages that `docs` writes of a project with features: what every feature means."""

    def pages(opened: Opened) -> Mapping[str, str]:
        from databricks_utils.features import feature_page

        return {"features.md": feature_page(OpenedModels(opened, models).features())}

    return pages


def _open(project: Project[Any], models: ModelProject, options: dict[str, Any]) -> OpenedModels:
    return OpenedModels(opened_with(project, options), models)


def _names(models: ModelProject) -> list[str]:
    return [model.name for model in models.models]


def _model_option(models: ModelProject) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    choices = click.Choice([EVERY, *_names(models)])
    return click.option("--model", "name", default=EVERY, type=choices, help="Default: all.")


def _features(project: Project[Any], models: ModelProject) -> click.Command:
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
        from databricks_utils.cli import model_actions

        opened = _open(project, models, options)
        return model_actions.check(opened) if check else model_actions.features(opened, backfill=backfill)

    return features


def _train(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="train", help="Train models; each becomes the challenger.")
    @_model_option(models)
    @click.option("--trials", default=20, type=click.IntRange(min=1), show_default=True, help="Settings to try.")
    @click.option("--seed", default=1, show_default=True, help="Of the search and the models.")
    @click.option("--if-drifted", is_flag=True, help="Only models that drifted or degraded, says monitor.")
    @project_options
    def train(name: str, trials: int, seed: int, if_drifted: bool, **options: Any) -> int:
        from databricks_utils.cli import model_actions

        return model_actions.train(
            _open(project, models, options), name, trials=trials, seed=seed, if_drifted=if_drifted
        )

    return train


def _promote(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="promote", help="Make challengers that pass their gates the champions.")
    @_model_option(models)
    @click.option("--approved-by", required=True, help="Who answers for it.")
    @project_options
    def promote(name: str, approved_by: str, **options: Any) -> int:
        from databricks_utils.cli import model_actions

        return model_actions.promote(_open(project, models, options), name, approved_by)

    return promote


def _rollback(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="rollback", help="Bring back the champion before this one.")
    @click.option("--model", "name", required=True, type=click.Choice(_names(models)))
    @click.option("--by", required=True, help="Who decides.")
    @click.option("--because", required=True, help="Why; it is kept with the version.")
    @project_options
    def rollback(name: str, by: str, because: str, **options: Any) -> int:
        from databricks_utils.cli import model_actions

        return model_actions.rollback(_open(project, models, options), name, by=by, because=because)

    return rollback


def _card(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="card", help="Write the model cards of champions and challengers anew.")
    @_model_option(models)
    @project_options
    def card(name: str, **options: Any) -> int:
        from databricks_utils.cli import model_actions

        return model_actions.card(_open(project, models, options), name)

    return card


def _score(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="score", help="Let the champions score those that are active.")
    @_model_option(models)
    @_AT
    @_UNLESS_NEW
    @project_options
    def score(name: str, at: Any, unless_new: bool, **options: Any) -> int:
        from databricks_utils.cli import model_answers

        return model_answers.score(_open(project, models, options), name, at, unless_new=unless_new)

    return score


def _monitor(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="monitor", help="Measure drift and what came true; write tables and the page.")
    @_model_option(models)
    @_AT
    @_UNLESS_NEW
    @project_options
    def monitor(name: str, at: Any, unless_new: bool, **options: Any) -> int:
        from databricks_utils.cli import model_answers

        return model_answers.monitor(_open(project, models, options), name, at, unless_new=unless_new)

    return monitor


def _report(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="report", help="Write the HTML reports of the last run and of the models.")
    @project_options
    def report(**options: Any) -> int:
        from databricks_utils.cli import model_answers

        return model_answers.report(_open(project, models, options))

    return report


def _serve(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="serve", help="Answer POST /score on this machine, from the online store.")
    @click.option("--port", default=8080, type=click.IntRange(0, 65535), show_default=True, help="0: any free one.")
    @click.option("--share", default=0.0, type=click.FloatRange(0, 1), help="Part that the challenger answers for.")
    @click.option("--experiment", default="first", show_default=True, help="Name of the comparison.")
    @project_options
    def serve(port: int, share: float, experiment: str, **options: Any) -> int:
        from databricks_utils.cli import model_answers

        return model_answers.serve(_open(project, models, options), port, share=share, experiment=experiment)

    return serve


def _compare(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="compare", help="Say what became of either side of a comparison, and whether one has won.")
    @click.option("--experiment", required=True, help="Name of the comparison, as serve had it.")
    @project_options
    def compare(experiment: str, **options: Any) -> int:
        from databricks_utils.cli import model_answers

        return model_answers.compare(_open(project, models, options), experiment)

    return compare


def _champions(project: Project[Any], models: ModelProject) -> click.Command:
    @click.command(name="champions", help="Print the versions that an endpoint serves as variables of the bundle.")
    @_UNLESS_NEW
    @project_options
    def champions(unless_new: bool, **options: Any) -> int:
        from databricks_utils.cli import model_actions

        return model_actions.champions(_open(project, models, options), unless_new=unless_new)

    return champions
