"""What the commands about models do: each opens what it needs, calls the rooms that know how, and shows the result."""

from __future__ import annotations

from pathlib import Path

import click

from databricks_utils.cli.opened_models import OpenedModels
from databricks_utils.features import FeatureStore, publish_online_table, publish_valid, refresh
from databricks_utils.models import ModelDefinition, ModelRegistry
from databricks_utils.models.experiment import count_unseen_months, read_training_data, run_training
from databricks_utils.models.monitoring import find_drift
from databricks_utils.models.version_card import CARD, write_card
from databricks_utils.models.versions import verify_version, whole_number
from databricks_utils.pipeline import Lakehouse

#: Metrics shown after a training.
_SHOWN = 4


def check(opened: OpenedModels) -> int:
    """Check the definitions of the features; what is wrong is an error with all faults in one block."""
    opened.features()
    click.echo(f"{len(opened.models.columns)} features in {len(opened.models.tables)} tables are in order.")
    return 0


def features(opened: OpenedModels, *, backfill: bool) -> int:
    """Bring feature tables and online store up to the last day that the events complete."""
    store = opened.store()
    lakehouse = opened.lakehouse()
    last_day = opened.last_day(lakehouse)
    for table in opened.models.tables:
        done = refresh(lakehouse, store, table.name, last_day, backfill=backfill)
        click.echo(
            f"{table.name}: {len(table.columns)} features to {done.last_day}, "
            f"{done.written:,} rows new, {done.mended:,} recomputed"
        )
        if done.again:
            click.echo(f"  all days computed again: {done.again}")
        if done.without_past:
            # At every run: a training takes the rows of older days as they are, and nothing else would say so.
            click.echo(f"  NULL before they were added: {', '.join(done.without_past)}. Do once: features --backfill")
        path = opened.configuration.models.online_store
        if path is not None:
            count = publish_valid(lakehouse.spark, store, table.name, Path(path), last_day)
            click.echo(f"  online: {count:,} {opened.models.entities}")
        online = opened.configuration.models.online_feature_store
        if online is not None:
            click.echo(f"  online: {publish_online_table(store, table.name, online)}")
    return 0


def train(opened: OpenedModels, name: str, *, trials: int, seed: int, if_drifted: bool) -> int:
    """Train models and register them as challengers."""
    store, lakehouse = opened.store(), opened.lakehouse()
    registry = opened.registry()
    chosen = [model for model in opened.chosen(name) if not if_drifted or _drifted(opened, lakehouse, model)]
    if not chosen:
        click.echo("Nothing has drifted and no model is degraded; no model is trained.")
        return 0
    if if_drifted:
        chosen = [model for model in chosen if _can_learn(opened, lakehouse, store, registry, model)]
        if not chosen:
            return 0
    data = read_training_data(lakehouse, store, opened.models)
    click.echo(f"{len(data.observed_at)} months, {data.observed_at[0]:%Y-%m} to {data.observed_at[-1]:%Y-%m}")
    for model in chosen:
        version, trained = run_training(
            opened.configuration,
            opened.models,
            registry,
            model,
            data,
            experiment=opened.command,
            trials=trials,
            seed=seed,
        )
        said = ", ".join(f"{key} {value:.3g}" for key, value in list(trained.metrics.items())[:_SHOWN])
        click.echo(f"{model.name} version {version.version}: {said}")
        first = [weight.feature for weight in trained.weights] or list(trained.importance)
        click.echo(f"  looks at {', '.join(first[:3])}")
    return 0


def _can_learn(
    opened: OpenedModels, lakehouse: Lakehouse, store: FeatureStore, registry: ModelRegistry, model: ModelDefinition
) -> bool:
    """Say whether there is anything that a model's newest version has not seen; where not, tell why nothing is trained.

    Without this, a season that differs from the training would start one the day after, and each day again, and every
    one would learn the same from the same months.
    """
    name = opened.name(model)
    versions = [version for version in (registry.champion(name), registry.challenger(name)) if version is not None]
    if not versions:
        return True
    newest = max(versions, key=lambda version: version.version)
    unseen = count_unseen_months(lakehouse, store, opened.models, newest)
    least = whole_number(opened.configuration, "retrain_least_months")
    if unseen >= least:
        return True
    click.echo(
        f"{model.name} has drifted or is degraded, and is not trained: version {newest.version} has not seen {unseen} "
        f"complete months, and {least} are wanted (parameters.retrain_least_months). See docs/runbooks/drift.md"
    )
    return False


def promote(opened: OpenedModels, name: str, approved_by: str) -> int:
    """Hold challengers against their gates and promote those that pass; 3 where one does not."""
    registry, closed, promoted = opened.registry(), 0, []
    try:
        for model in opened.chosen(name):
            evaluation = registry.evaluate(opened.name(model), model.gates(opened.configuration.parameter))
            if evaluation.failures:
                closed += 1
                click.echo(f"{model.name} version {evaluation.challenger.version} stays challenger:")
                for failure in evaluation.failures:
                    click.echo(f"  {failure}")
                continue
            verify_version(evaluation.challenger, opened.models.columns, opened.definitions())
            champion = registry.promote(evaluation, approved_by)
            click.echo(f"{model.name} version {champion.version} is champion, approved by {approved_by}")
            promoted.append((model, champion))
    finally:
        # After all of them: a card that cannot be written must not stand in the way of the next promotion, nor a model
        # without a challenger in the way of a card.
        for model, champion in promoted:
            write_card(opened.models, model, champion)
    return 3 if closed else 0


def rollback(opened: OpenedModels, name: str, *, by: str, because: str) -> int:
    """Bring back the champion before this one, if it answers and knows the features of today."""
    registry, model = opened.registry(), opened.models.model(name)
    gone, definitions = registry.champion(opened.name(model)), opened.definitions()
    champion = registry.roll_back(
        opened.name(model),
        by=by,
        because=because,
        check=lambda version: verify_version(version, opened.models.columns, definitions),
    )
    click.echo(f"{name} version {champion.version} is champion again")
    if gone is not None:
        write_card(opened.models, model, registry.version(gone.name, gone.version))
    write_card(opened.models, model, champion)
    return 0


def card(opened: OpenedModels, name: str) -> int:
    """Write the cards of champions and challengers anew."""
    registry = opened.registry()
    for model in opened.chosen(name):
        found = (find(opened.name(model)) for find in (registry.champion, registry.challenger))
        for version in filter(None, found):
            write_card(opened.models, model, version)
            click.echo(f"{model.name} version {version.version}: {CARD} of run {version.run_id}")
    return 0


def champions(opened: OpenedModels, *, unless_new: bool = False) -> int:
    """Print the variables of a bundle with an endpoint for scripts/deploy.py; nothing where a model is new."""
    registry = opened.registry()
    if unless_new and len(opened.begun(registry, opened.models.models)) < len(opened.models.models):
        return 0
    for model in opened.models.models:
        champion = opened.champion(registry, model)
        waiting = registry.challenger(opened.name(model)) or champion
        click.echo(f"export BUNDLE_VAR_{model.name}_version={champion.version}")
        click.echo(f"export BUNDLE_VAR_{model.name}_challenger_version={waiting.version}")
    return 0


def _drifted(opened: OpenedModels, lakehouse: Lakehouse, model: ModelDefinition) -> list[str]:
    champion = opened.registry().champion(opened.name(model))
    return find_drift(lakehouse, opened.models, model, None if champion is None else champion.version)
