"""Watching: have features or predictions drifted, and how right were predictions whose truth is known by now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import numpy as np
from databricks_utils.cli import Opened
from databricks_utils.delta import Int, RecordTable
from databricks_utils.features import (
    DRIFT_TABLE,
    Drift,
    DriftThresholds,
    FeatureStore,
    create_training_set,
    current_distributions,
    distributions_from_json,
    log_drift,
    measure_drift,
    require_same_keys,
    save_drift,
)
from databricks_utils.medallion import Lakehouse
from databricks_utils.models import ModelRegistry, ModelVersion, gate_failures
from pyspark.sql import functions as F

from {{ cookiecutter.package_name }}.features.refresh import last_event_day
from {{ cookiecutter.package_name }}.features.registry import COLUMNS, TABLES
from {{ cookiecutter.package_name }}.models import places
from {{ cookiecutter.package_name }}.models.definitions import HORIZON_DAYS, ModelDefinition
from {{ cookiecutter.package_name }}.models.examples import examples, population
from {{ cookiecutter.package_name }}.models.families import Array
from {{ cookiecutter.package_name }}.models.training import metrics_of

# Below the library's logger, which the configuration sets up: an alert on warnings finds both.
_LOG = logging.getLogger(f"databricks_utils.{__name__}")
@dataclass(frozen=True)
class Performance:
    """How right a version was at a moment.

    Args:
        model: Name of the model.
        version: Of the registry.
        observed_at: Moment of the predictions.
        households: How many.
        metrics: By name.
        status: `ok`, `degraded`, or `too few rows`.
        reasons: Which thresholds are not kept, for people.
    """

    model: str
    version: int
    observed_at: datetime
    households: int
    metrics: dict[str, float]
    status: Literal["ok", "degraded", "too few rows"]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class PerformanceRecord:
    """One metric of a version at a moment, as a row of `operations.model_performance`."""

    measured_at: datetime
    model: str
    version: Int
    observed_at: datetime
    households: int
    metric: str
    value: float
    status: Literal["ok", "degraded", "too few rows"]
    reasons: tuple[str, ...]
    in_use: bool


_PERFORMANCE = RecordTable(places.PERFORMANCE, PerformanceRecord)


def thresholds_of(opened: Opened) -> DriftThresholds:
    """Return from where on drift counts, as the configuration's parameters say."""
    limits: dict[str, Any] = {name: opened.configuration.parameter(f"drift_{name}") for name in ("psi", "effect")}
    return DriftThresholds(**limits, minimum_rows=places.whole_number(opened.configuration, "drift_minimum_rows"))


def feature_drift(
    opened: Opened, lakehouse: Lakehouse, store: FeatureStore, version: ModelVersion, observed_at: datetime
) -> list[Drift]:
    """Compare the features of the households active now with those that a model was trained on.

    Both sides are households at a moment, so that a difference is one of the world and not of the choice of rows.
    """
    active = population(lakehouse.read(TABLES[0].source.table), [observed_at])
    rows = create_training_set(store, active, COLUMNS, timestamp="observed_at").load_df()
    reference = distributions_from_json(places.artifact(version, places.FEATURES))
    return measure_drift(reference, current_distributions(rows, reference), thresholds_of(opened))


def prediction_drift(opened: Opened, lakehouse: Lakehouse, version: ModelVersion, observed_at: datetime) -> list[Drift]:
    """Compare a version's scores of a moment with those of its test month."""
    own = (F.col("version") == version.version) & (F.col("observed_at") == F.lit(observed_at))
    name = places.own_name(opened.configuration, version)
    rows = lakehouse.read(places.SCORES).where(own & (F.col("model") == name)).select("score")
    reference = distributions_from_json(places.artifact(version, places.PREDICTIONS))
    return measure_drift(reference, current_distributions(rows, reference), thresholds_of(opened))


def performance(opened: Opened, lakehouse: Lakehouse, store: FeatureStore, model: ModelDefinition) -> list[Performance]:
    """Measure the scorings whose future is known by now and that were not measured yet; the oldest comes first.

    What was measured once stays as it was, until the same moment is scored again. Scores and what came true of them are
    joined in Spark, moment by moment.

    Raises:
        InputProblems: The households of the scores are of another type than those of the transactions.
    """
    events, scores = lakehouse.read(TABLES[0].source.table), lakehouse.read(places.SCORES)
    found = []
    for version, moment in _due(lakehouse, store, model):
        truth = examples(events, [moment])
        require_same_keys(scores, truth, {"household_id": "household_id"}, where=places.SCORES)
        own = (F.col("model") == model.name) & (F.col("version") == version) & (F.col("observed_at") == F.lit(moment))
        joined = scores.where(own).join(truth, ["household_id", "observed_at"]).select(model.label, "score")
        rows: Any = joined.toPandas()
        if len(rows):
            label, score = (rows[name].to_numpy(dtype=np.float64) for name in (model.label, "score"))
            found.append(came_true(opened, model, version, moment, label, score))
    return found


def recorded(lakehouse: Lakehouse, model: ModelDefinition) -> list[Performance]:
    """Return what was measured of each version and moment, the newest word of each; the oldest moment comes first."""
    rows = _PERFORMANCE.read(lakehouse.spark, lakehouse.namespace, F.col("model") == model.name)
    newest: dict[tuple[int, datetime], list[PerformanceRecord]] = {}
    for row in sorted(rows, key=lambda row: row.measured_at):
        held = newest.setdefault((row.version, row.observed_at), [])
        if held and held[0].measured_at != row.measured_at:
            held.clear()
        held.append(row)
    found = [
        Performance(
            model=model.name,
            version=version,
            observed_at=moment,
            households=part[0].households,
            metrics={row.metric: row.value for row in part},
            status=part[0].status,
            reasons=part[0].reasons,
        )
        for (version, moment), part in newest.items()
    ]
    return sorted(found, key=lambda item: (item.observed_at, item.version))


def _due(lakehouse: Lakehouse, store: FeatureStore, model: ModelDefinition) -> list[tuple[int, datetime]]:
    """Return the versions and moments of scores whose future is complete and that are newer than their measurement."""
    shopping = TABLES[0]
    last = last_event_day(lakehouse.read(shopping.source.table), store, shopping.name) + timedelta(1 - HORIZON_DAYS)
    known_until = datetime(last.year, last.month, last.day, tzinfo=timezone.utc)
    own = (F.col("model") == model.name) & (F.col("observed_at") <= F.lit(known_until))
    scores = lakehouse.read(places.SCORES).where(own)
    written = scores.groupBy("version", "observed_at").agg(F.max("scored_at").alias("at"))
    measured = _PERFORMANCE.frame(lakehouse.spark, lakehouse.namespace).where(own)
    seen = measured.select("version", "observed_at", "measured_at")
    later = [written[name] == seen[name] for name in ("version", "observed_at")]
    written = written.join(seen, [*later, seen["measured_at"] >= written["at"]], "left_anti")
    rows = written.orderBy("observed_at", "version").collect()
    return [(int(row.version), row.observed_at.astimezone(timezone.utc)) for row in rows]


def came_true(
    opened: Opened, model: ModelDefinition, version: int, observed_at: datetime, label: Array, score: Array
) -> Performance:
    """Hold the scores of a version at a moment against what has happened since, and judge by the configuration.

    Of few households, and where all have done the same, the numbers are mostly chance: nothing is said of them.
    """
    configuration, metrics = opened.configuration, metrics_of(model, label, score)
    least = places.whole_number(configuration, "performance_minimum_rows")
    failures = gate_failures(model.alarms(configuration.parameter), metrics, None)
    status: Literal["ok", "degraded", "too few rows"] = "degraded" if failures else "ok"
    if len(label) < least:
        status, failures = "too few rows", (f"fewer than {least} rows",)
    elif len(np.unique(label)) < 2:
        status, failures = "too few rows", (f"{model.label} is {label[0]:g} in all rows",)
    return Performance(model.name, version, observed_at, len(label), metrics, status, failures)


def newest_of(results: Sequence[Performance], version: int) -> Performance | None:
    """Return how right a version was lately: of the newest moment whose future is known; older ones were dealt with."""
    return max((item for item in results if item.version == version), key=lambda item: item.observed_at, default=None)


def warn_of(lately: Performance | None) -> None:
    """Warn in the log where a champion is degraded, so that an alert on warnings finds it."""
    if lately is not None and lately.status == "degraded":
        details = {"event": "model_degraded", "model": lately.model, "version": lately.version}
        said = f"{lately.observed_at:%Y-%m-%d}, {lately.households} households: {'; '.join(lately.reasons)}"
        _LOG.warning("%s version %s is degraded: %s", lately.model, lately.version, said, extra=details)


def monitor(
    opened: Opened,
    lakehouse: Lakehouse,
    store: FeatureStore,
    registry: ModelRegistry,
    model: ModelDefinition,
    observed_at: datetime,
) -> tuple[list[Drift], list[Drift], list[Performance]]:
    """Measure drift and performance of a model's champion, and write both down.

    Returns:
        Drift of features, drift of predictions, performance at every moment that was ever measured.

    Raises:
        OtherDefinitions: The champion was trained on features that are defined otherwise by now.
        InvalidInput: There is no champion, or nothing is scored yet.
    """
    champion, measured_at = places.champion_of(opened.configuration, registry, model), datetime.now(timezone.utc)
    # What it was trained on is the reference: between two meanings of a feature there is a difference and no drift.
    places.require_definitions(champion, places.definitions_of(store.registry))
    features = feature_drift(opened, lakehouse, store, champion, observed_at)
    predictions = prediction_drift(opened, lakehouse, champion, observed_at)
    for subject, results in ((f"{model.name}: features", features), (f"{model.name}: predictions", predictions)):
        log_drift(results, subject)
        save_drift(lakehouse.spark, lakehouse.namespace, subject, results, measured_at)
    _save(lakehouse, performance(opened, lakehouse, store, model), champion.version, measured_at)
    known = recorded(lakehouse, model)
    warn_of(newest_of(known, champion.version))
    return features, predictions, known


def drifted_lately(lakehouse: Lakehouse, model: ModelDefinition, version: int | None = None) -> list[str]:
    """Return why a model should be trained anew, as the newest measurement has it; nothing where none was made.

    Args:
        lakehouse: The environment's tables.
        model: Which one.
        version: The champion of today; without it, whichever was in use when it was measured.

    Returns:
        Columns that have drifted; `performance` where the champion's newest scores with a known future are degraded.
    """
    if not lakehouse.exists(DRIFT_TABLE):
        return []
    own = lakehouse.read(DRIFT_TABLE).where(F.col("feature_table").startswith(f"{model.name}: "))
    newest = own.agg(F.max("measured_at")).collect()[0][0]
    rows = own.where((F.col("measured_at") == F.lit(newest)) & (F.col("status") == "drifted")).collect()
    found = sorted(row.column_name for row in rows)
    if newest is not None:
        used = F.col("in_use") if version is None else F.col("version") == version
        known = _PERFORMANCE.frame(lakehouse.spark, lakehouse.namespace).where((F.col("model") == model.name) & used)
        last = known.agg(F.max_by("status", F.struct("observed_at", "measured_at"))).collect()[0][0]
        found += ["performance"] if last == "degraded" else []
    return found


def _save(lakehouse: Lakehouse, results: Sequence[Performance], champion: int, measured_at: datetime) -> None:
    records = [
        PerformanceRecord(
            measured_at=measured_at,
            model=item.model,
            version=item.version,
            observed_at=item.observed_at,
            households=item.households,
            metric=name,
            value=value,
            status=item.status,
            reasons=item.reasons,
            in_use=item.version == champion,
        )
        for item in results
        for name, value in item.metrics.items()
    ]
    _PERFORMANCE.append(lakehouse.spark, lakehouse.namespace, records)
