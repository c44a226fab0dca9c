"""What the commands do that score, watch, compare and serve models."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from pyspark.sql import functions as F

from databricks_utils.cli.actions import report as run_report
from databricks_utils.cli.opened_models import EVERY, OpenedModels
from databricks_utils.errors import InvalidInput
from databricks_utils.features import Drift, current_distributions, distributions_from_json
from databricks_utils.models import Comparison, ModelDefinition
from databricks_utils.models.monitoring import Performance, drift_thresholds, monitor_model
from databricks_utils.models.page import Watched, render_models
from databricks_utils.models.scoring import score_population
from databricks_utils.models.versions import CURVES, EXPLANATIONS, IMPORTANCE, PREDICTIONS, read_artifact, whole_number
from databricks_utils.pipeline import Lakehouse
from databricks_utils.serving import AssignmentLog
from databricks_utils.serving.outcomes import compare_versions
from databricks_utils.serving.scorer import open_scorer, open_server
from databricks_utils.serving.service import LOOPBACK


def score(opened: OpenedModels, name: str, at: datetime | None, *, unless_new: bool = False) -> int:
    """Let champions score the population."""
    store, registry = opened.store(), opened.registry()
    models = opened.in_use(registry, name, unless_new=unless_new)
    if not models:
        return 0
    lakehouse = opened.lakehouse()
    moment = opened.moment(lakehouse, at)
    for model in models:
        champion, count, unknown = score_population(
            opened.configuration, lakehouse, store, opened.models, registry, model, moment
        )
        scored = f"{count:,} {opened.models.entities} on {moment:%Y-%m-%d} by {model.name} version {champion.version}"
        click.echo(f"{opened.models.scores}: {scored}")
        if unknown:
            click.echo(f"  {unknown:,} of them without features (known = false). Are they up to date? features")
    return 0


def monitor(opened: OpenedModels, name: str, at: datetime | None, *, unless_new: bool = False) -> int:
    """Measure and write down drift and performance, then write the page."""
    store, registry = opened.store(), opened.registry()
    models = opened.in_use(registry, name, unless_new=unless_new)
    if not models:
        return 0
    lakehouse = opened.lakehouse()
    moment, watched = opened.moment(lakehouse, at), []
    for model in models:
        found, predictions, known = monitor_model(
            opened.configuration, lakehouse, store, opened.models, registry, model, moment
        )
        drifted = [result.column for result in found if result.status == "drifted"]
        states = {result.status for result in found}
        said = "too few rows to say" if states == {"too few rows"} else f"{len(drifted)} of {len(found)} drifted"
        click.echo(f"{model.name}: features {said}, predictions {predictions[0].status}")
        for item in known:
            shown = {key: value for key, value in item.metrics.items() if not key.endswith(("_low", "_high"))}
            values = ", ".join(f"{key} {value:.3g}" for key, value in shown.items())
            click.echo(f"  came true on {item.observed_at:%Y-%m-%d}: {values}; {item.status}")
        watched.append(_watched(opened, lakehouse, model, moment, (found, predictions, known)))
    click.echo(f"Report: {_write_page(opened, watched, moment)}")
    return 0


def compare(opened: OpenedModels, experiment: str) -> int:
    """Show outcomes of either side of a comparison with their intervals, and who has won, if anybody."""
    path = opened.configuration.models.assignments
    if path is None:
        hint = "Set models.assignments to the file that the service writes"
        raise InvalidInput("Nothing is noted of comparisons here", where="config: models.assignments", hint=hint)
    found = AssignmentLog(Path(path)).read(experiment)
    least = whole_number(opened.configuration, f"comparison_{opened.models.entities}")
    lakehouse = opened.lakehouse()
    last_day = opened.last_day(lakehouse)
    for model in opened.models.models:
        own = [item for item in found if item.model == model.name]
        if own:
            result = compare_versions(lakehouse, opened.models, model, own, last_day, least=least)
            click.echo(
                f"{model.name} in {experiment}: {result.waiting:,} {opened.models.entities} wait for their "
                f"{opened.models.horizon_days} days, "
                f"{result.crossed:,} met both sides, {result.unknown:,} had no features"
            )
            errors = "squared error" if model.kind == "classifier" else "absolute error"
            for what, comparison in ((model.label, result.happened), (errors, result.errors)):
                click.echo(f"  {what}: {_sides(comparison)}")
                click.echo(f"    {comparison.winner or 'nobody'} wins: {comparison.because}")
    return 0


def serve(opened: OpenedModels, port: int, *, share: float, experiment: str) -> int:
    """Answer requests until somebody interrupts."""
    features = opened.features()
    scorer = open_scorer(opened.configuration, opened.models, features, share=share, experiment=experiment)
    server = open_server(scorer, port)
    for name, (_, _, challenger) in scorer.contenders.items():
        if share and challenger is None:
            click.echo(f"{name} has no challenger: its champion answers for everybody")
    click.echo(f"POST http://{LOOPBACK}:{server.server_address[1]}/score  (Ctrl-C ends it)")
    try:
        server.serve_forever()
    finally:
        server.server_close()
    return 0


def report(opened: OpenedModels) -> int:
    """Write the report of the last run; where there are champions, measure and write theirs too."""
    code = run_report(opened.opened)
    registry = opened.registry()
    names = [model.name for model in opened.models.models if registry.champion(opened.name(model))]
    if len(names) == len(opened.models.models):
        return code or monitor(opened, EVERY, None)
    click.echo("There is no page about models yet: train, promote and score first.")
    return code


def _sides(comparison: Comparison) -> str:
    sides = (("champion", comparison.champion), ("challenger", comparison.challenger))
    return "; ".join(
        f"{name} {arm.mean.value:.3g} ({arm.mean.low:.3g} to {arm.mean.high:.3g}) of {arm.entities:,}"
        for name, arm in sides
    )


def _watched(
    opened: OpenedModels,
    lakehouse: Lakehouse,
    model: ModelDefinition,
    moment: datetime,
    measured: tuple[list[Drift], list[Drift], list[Performance]],
) -> Watched:
    registry = opened.registry()
    champion = opened.champion(registry, model)
    reference = distributions_from_json(read_artifact(champion, PREDICTIONS))
    own = (
        (F.col("model") == model.name)
        & (F.col("version") == champion.version)
        & (F.col("observed_at") == F.lit(moment))
    )
    now = current_distributions(lakehouse.read(opened.models.scores).where(own).select("score"), reference)
    found, predictions, known = measured
    return Watched(
        model=model,
        champion=champion,
        challenger=registry.challenger(opened.name(model)),
        importance=read_artifact(champion, IMPORTANCE),
        explanations=read_artifact(champion, EXPLANATIONS),
        curves=read_artifact(champion, CURVES),
        features=found,
        predictions=predictions,
        before=reference["score"],
        now=now["score"],
        performance=known,
    )


def _write_page(opened: OpenedModels, watched: list[Watched], moment: datetime) -> Path:
    title = f"Models of {opened.command}"
    note = f"{opened.configuration.environment}, {opened.models.entities} active before {moment:%d %B %Y}"
    page = render_models(opened.models, title, note, watched, drift_thresholds(opened.configuration).psi)
    folder = Path(opened.configuration.storage.reports)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"models-{moment:%Y%m%d}.html"
    path.write_text(page, encoding="utf-8")
    return path
