"""What the commands do: each opens what it needs, calls the modules that know how, and shows the result."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import click
from databricks_utils.cli import Opened
from databricks_utils.cli.actions import report as run_report
from databricks_utils.errors import InvalidInput
from databricks_utils.features import (
    Drift,
    FeatureStore,
    current_distributions,
    distributions_from_json,
    publish_online_table,
)
from databricks_utils.medallion import Lakehouse
from databricks_utils.models import Comparison, ModelRegistry
from pyspark.sql import functions as F

from {{ cookiecutter.package_name }}.features.refresh import last_event_day, publish_online, refresh
from {{ cookiecutter.package_name }}.features.registry import COLUMNS, TABLES, feature_registry
from {{ cookiecutter.package_name }}.models import monitoring, scoring
from {{ cookiecutter.package_name }}.models.assignments import AssignmentLog
from {{ cookiecutter.package_name }}.models.card import CARD, write_card
from {{ cookiecutter.package_name }}.models.comparing import outcomes
from {{ cookiecutter.package_name }}.models.definitions import HORIZON_DAYS, MODELS, ModelDefinition, model_named
from {{ cookiecutter.package_name }}.models.experiment import months_unseen, run_training, training_data
from {{ cookiecutter.package_name }}.models.places import (
    CURVES,
    EXPLANATIONS,
    IMPORTANCE,
    PREDICTIONS,
    SCORES,
    artifact,
    champion_of,
    definitions_of,
    full_name,
    registry_of,
    usable,
    whole_number,
)
from {{ cookiecutter.package_name }}.models.report import Watched, render

# Below the library's logger, which the configuration sets up: an alert on warnings finds it.
_LOG = logging.getLogger(f"databricks_utils.{__name__}")
EVERY = "all"
#: Metrics shown after a training.
SHOWN = 4


def check(opened: Opened) -> int:
    """Check the definitions of the features; what is wrong is an error with all faults in one block."""
    feature_registry(opened.contracts)
    click.echo(f"{len(COLUMNS)} features in {len(TABLES)} tables are in order.")
    return 0


def features(opened: Opened, *, backfill: bool) -> int:
    """Bring feature tables and online store up to the last day that the transactions complete."""
    store = _store(opened)
    lakehouse = opened.lakehouse()
    last_day = _last_day(lakehouse, store)
    for table in TABLES:
        done = refresh(lakehouse, store, table.name, last_day, backfill=backfill)
        click.echo(
            f"{table.name}: {len(table.columns)} features to {done.last_day}, "
            f"{done.written:,} rows new, {done.mended:,} mended"
        )
        if done.again:
            click.echo(f"  all days computed again: {done.again}")
        if done.without_past:
            # At every run: a training takes the rows of older days as they are, and nothing else would say so.
            click.echo(f"  NULL before they were added: {', '.join(done.without_past)}. Do once: features --backfill")
        path = opened.configuration.models.online_store
        if path is not None:
            count = publish_online(lakehouse, store, table.name, Path(path), last_day)
            click.echo(f"  online: {count:,} households")
        online = opened.configuration.models.online_feature_store
        if online is not None:
            click.echo(f"  online: {publish_online_table(store, table.name, online)}")
    return 0


def train(opened: Opened, name: str, *, trials: int, seed: int, if_drifted: bool) -> int:
    """Train models and register them as challengers."""
    store, lakehouse = _store(opened), opened.lakehouse()
    registry = registry_of(opened.configuration)
    chosen = [model for model in _models(name) if not if_drifted or _drifted(opened, lakehouse, model)]
    if not chosen:
        click.echo("Nothing has drifted and no model is degraded; no model is trained.")
        return 0
    if if_drifted:
        chosen = [model for model in chosen if _can_learn(opened, lakehouse, store, registry, model)]
        if not chosen:
            return 0
    data = training_data(lakehouse, store)
    click.echo(f"{len(data.observed_at)} months, {data.observed_at[0]:%Y-%m} to {data.observed_at[-1]:%Y-%m}")
    for model in chosen:
        version, trained = run_training(opened, registry, model, data, trials=trials, seed=seed)
        said = ", ".join(f"{key} {value:.3g}" for key, value in list(trained.metrics.items())[:SHOWN])
        click.echo(f"{model.name} version {version.version}: {said}")
        first = [weight.feature for weight in trained.weights] or list(trained.importance)
        click.echo(f"  looks at {', '.join(first[:3])}")
    return 0


def _can_learn(
    opened: Opened, lakehouse: Lakehouse, store: FeatureStore, registry: ModelRegistry, model: ModelDefinition
) -> bool:
    """Say whether there is anything that a model's newest version has not seen; where not, tell why nothing is trained.

    Without this, a season that differs from the training would start one the day after, and each day again, and every
    one would learn the same from the same months.
    """
    name = full_name(opened.configuration, model)
    versions = [version for version in (registry.champion(name), registry.challenger(name)) if version is not None]
    if not versions:
        return True
    newest = max(versions, key=lambda version: version.version)
    unseen, least = months_unseen(lakehouse, store, newest), whole_number(opened.configuration, "retrain_least_months")
    if unseen >= least:
        return True
    click.echo(
        f"{model.name} has drifted or is degraded, and is not trained: version {newest.version} has not seen {unseen} "
        f"complete months, and {least} are wanted (parameters.retrain_least_months). See docs/runbooks/drift.md"
    )
    return False


def promote(opened: Opened, name: str, approved_by: str) -> int:
    """Hold challengers against their gates and promote those that pass; 3 where one does not."""
    registry, closed, promoted = registry_of(opened.configuration), 0, []
    try:
        for model in _models(name):
            evaluation = registry.evaluate(
                full_name(opened.configuration, model), model.gates(opened.configuration.parameter)
            )
            if evaluation.failures:
                closed += 1
                click.echo(f"{model.name} version {evaluation.challenger.version} stays challenger:")
                for failure in evaluation.failures:
                    click.echo(f"  {failure}")
                continue
            usable(evaluation.challenger, _definitions(opened))
            champion = registry.promote(evaluation, approved_by)
            click.echo(f"{model.name} version {champion.version} is champion, approved by {approved_by}")
            promoted.append((model, champion))
    finally:
        # After all of them: a card that cannot be written must not stand in the way of the next promotion, nor a model
        # without a challenger in the way of a card.
        for model, champion in promoted:
            write_card(model, champion)
    return 3 if closed else 0


def rollback(opened: Opened, name: str, *, by: str, because: str) -> int:
    """Bring back the champion before this one, if it answers and knows the features of today."""
    registry, model = registry_of(opened.configuration), model_named(name)
    gone, definitions = registry.champion(full_name(opened.configuration, model)), _definitions(opened)
    champion = registry.roll_back(
        full_name(opened.configuration, model),
        by=by,
        because=because,
        check=lambda version: usable(version, definitions),
    )
    click.echo(f"{name} version {champion.version} is champion again")
    if gone is not None:
        write_card(model, registry.version(gone.name, gone.version))
    write_card(model, champion)
    return 0


def card(opened: Opened, name: str) -> int:
    """Write the cards of champions and challengers anew."""
    registry = registry_of(opened.configuration)
    for model in _models(name):
        found = (find(full_name(opened.configuration, model)) for find in (registry.champion, registry.challenger))
        for version in filter(None, found):
            write_card(model, version)
            click.echo(f"{model.name} version {version.version}: {CARD} of run {version.run_id}")
    return 0


def champions(opened: Opened, *, unless_new: bool = False) -> int:
    """Print the variables of a bundle with an endpoint for scripts/deploy.py; nothing where a model is new."""
    registry = registry_of(opened.configuration)
    if unless_new and len(_begun(opened, registry, MODELS)) < len(MODELS):
        return 0
    for model in MODELS:
        champion = champion_of(opened.configuration, registry, model)
        waiting = registry.challenger(full_name(opened.configuration, model)) or champion
        click.echo(f"export BUNDLE_VAR_{model.name}_version={champion.version}")
        click.echo(f"export BUNDLE_VAR_{model.name}_challenger_version={waiting.version}")
    return 0


def score(opened: Opened, name: str, at: datetime | None, *, unless_new: bool = False) -> int:
    """Let champions score the active households."""
    store, registry = _store(opened), registry_of(opened.configuration)
    models = _begun(opened, registry, _models(name)) if unless_new else _models(name)
    for model in models:
        champion_of(opened.configuration, registry, model)
    if not models:
        return 0
    lakehouse = opened.lakehouse()
    moment = _moment(lakehouse, store, at)
    for model in models:
        champion, count, unknown = scoring.score(opened, lakehouse, store, registry, model, moment)
        click.echo(f"{SCORES}: {count:,} households on {moment:%Y-%m-%d} by {model.name} version {champion.version}")
        if unknown:
            click.echo(f"  {unknown:,} of them without features (known = false). Are they up to date? features")
    return 0


def monitor(opened: Opened, name: str, at: datetime | None, *, unless_new: bool = False) -> int:
    """Measure and write down drift and performance, then write the page."""
    store, registry = _store(opened), registry_of(opened.configuration)
    models = _begun(opened, registry, _models(name)) if unless_new else _models(name)
    for model in models:
        champion_of(opened.configuration, registry, model)
    if not models:
        return 0
    lakehouse = opened.lakehouse()
    moment, watched = _moment(lakehouse, store, at), []
    for model in models:
        found, predictions, known = monitoring.monitor(opened, lakehouse, store, registry, model, moment)
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


def compare(opened: Opened, experiment: str) -> int:
    """Show outcomes of either side of a comparison with their intervals, and who has won, if anybody."""
    path = opened.configuration.models.assignments
    if path is None:
        hint = "Set models.assignments to the file that the service writes"
        raise InvalidInput("Nothing is noted of comparisons here", where="config: models.assignments", hint=hint)
    found, least = AssignmentLog(Path(path)).of(experiment), whole_number(opened.configuration, "comparison_households")
    lakehouse = opened.lakehouse()
    last_day = _last_day(lakehouse, _store(opened))
    for model in MODELS:
        own = [item for item in found if item.model == model.name]
        if own:
            result = outcomes(lakehouse, model, own, last_day, least=least)
            click.echo(
                f"{model.name} in {experiment}: {result.waiting:,} households wait for their {HORIZON_DAYS} days, "
                f"{result.crossed:,} met both sides, {result.unknown:,} had no features"
            )
            errors = "squared error" if model.kind == "classifier" else "absolute error"
            for what, comparison in ((model.label, result.happened), (errors, result.errors)):
                click.echo(f"  {what}: {_sides(comparison)}")
                click.echo(f"    {comparison.winner or 'nobody'} wins: {comparison.because}")
    return 0


def _sides(comparison: Comparison) -> str:
    sides = (("champion", comparison.champion), ("challenger", comparison.challenger))
    return "; ".join(
        f"{name} {arm.mean.value:.3g} ({arm.mean.low:.3g} to {arm.mean.high:.3g}) of {arm.entities:,}"
        for name, arm in sides
    )


def report(opened: Opened) -> int:
    """Write the report of the last run; where there are champions, measure and write theirs too."""
    code = run_report(opened)
    registry = registry_of(opened.configuration)
    names = [model.name for model in MODELS if registry.champion(full_name(opened.configuration, model))]
    if len(names) == len(MODELS):
        return code or monitor(opened, EVERY, None)
    click.echo("There is no page about models yet: train, promote and score first.")
    return code


def _watched(
    opened: Opened,
    lakehouse: Lakehouse,
    model: ModelDefinition,
    moment: datetime,
    measured: tuple[list[Drift], list[Drift], list[monitoring.Performance]],
) -> Watched:
    registry = registry_of(opened.configuration)
    champion = champion_of(opened.configuration, registry, model)
    reference = distributions_from_json(artifact(champion, PREDICTIONS))
    own = (
        (F.col("model") == model.name)
        & (F.col("version") == champion.version)
        & (F.col("observed_at") == F.lit(moment))
    )
    now = current_distributions(lakehouse.read(SCORES).where(own).select("score"), reference)
    found, predictions, known = measured
    return Watched(
        model=model,
        champion=champion,
        challenger=registry.challenger(full_name(opened.configuration, model)),
        importance=artifact(champion, IMPORTANCE),
        explanations=artifact(champion, EXPLANATIONS),
        curves=artifact(champion, CURVES),
        features=found,
        predictions=predictions,
        before=reference["score"],
        now=now["score"],
        performance=known,
    )


def _write_page(opened: Opened, watched: list[Watched], moment: datetime) -> Path:
    title = f"Models of {opened.project.command}"
    note = f"{opened.configuration.environment}, households active before {moment:%d %B %Y}"
    page = render(title, note, watched, monitoring.thresholds_of(opened).psi)
    folder = Path(opened.configuration.storage.reports)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"models-{moment:%Y%m%d}.html"
    path.write_text(page, encoding="utf-8")
    return path


def _drifted(opened: Opened, lakehouse: Lakehouse, model: ModelDefinition) -> list[str]:
    champion = registry_of(opened.configuration).champion(full_name(opened.configuration, model))
    return monitoring.drifted_lately(lakehouse, model, None if champion is None else champion.version)


def _definitions(opened: Opened) -> dict[str, str]:
    """Return what features and labels mean today."""
    return definitions_of(feature_registry(opened.contracts))


def _store(opened: Opened) -> FeatureStore:
    from databricks_utils.pipeline.lakehouse import namespace_of

    return FeatureStore(namespace_of(opened.configuration), feature_registry(opened.contracts))


def _begun(opened: Opened, registry: ModelRegistry, models: tuple[ModelDefinition, ...]) -> tuple[ModelDefinition, ...]:
    """Return the models of which a version was ever promoted, and say which are new.

    A model that had a champion and has none is among them: that is a fault, and what follows says so.
    """
    begun = tuple(model for model in models if registry.ever_promoted(full_name(opened.configuration, model)))
    for model in models:
        if model not in begun:
            _LOG.warning("%s is new: no version was ever promoted", model.name, extra={"event": "model_is_new"})
            click.echo(
                f"{model.name} is new: no version was ever promoted, so nothing is done with it. Next: train, then "
                f"promote --model {model.name} --approved-by NAME",
                err=True,
            )
    return begun


def _models(name: str) -> tuple[ModelDefinition, ...]:
    return MODELS if name == EVERY else (model_named(name),)


def _last_day(lakehouse: Lakehouse, store: FeatureStore) -> date:
    """Return the last day that is over: that of the newest transaction, since deliveries are of whole days."""
    name = TABLES[0].name
    return last_event_day(lakehouse.read(store.registry.table(name).source.table), store, name)


def _moment(lakehouse: Lakehouse, store: FeatureStore, at: datetime | None) -> datetime:
    """Return the moment wanted, or the first one after the last complete day."""
    if at is not None:
        return at.replace(tzinfo=timezone.utc)
    day = _last_day(lakehouse, store) + timedelta(1)
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
