"""Watching: have features or predictions drifted, and how right were predictions whose truth is known by now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import numpy as np
from pyspark.sql import functions as F

from databricks_utils.config import Configuration
from databricks_utils.delta import Int, RecordTable
from databricks_utils.features import (
    DRIFT_TABLE,
    Drift,
    DriftThresholds,
    FeatureStore,
    create_training_set,
    current_distributions,
    distributions_from_json,
    last_event_day,
    log_drift,
    measure_drift,
    require_same_keys,
    save_drift,
)
from databricks_utils.models.definition import ModelDefinition, ModelProject
from databricks_utils.models.families import Array
from databricks_utils.models.gates import gate_failures
from databricks_utils.models.registry import ModelRegistry, ModelVersion
from databricks_utils.models.training import measure_predictions
from databricks_utils.models.versions import (
    FEATURES,
    PREDICTIONS,
    project_name,
    read_artifact,
    require_champion,
    require_definitions,
    whole_number,
)
from databricks_utils.pipeline import Lakehouse

_LOG = logging.getLogger(__name__)
#: Table of what was measured of scores whose future is known.
PERFORMANCE = "operations.model_performance"


@dataclass(frozen=True)
class Performance:
    """How right a version was at a moment.

    Args:
        model: Name of the model.
        version: Of the registry.
        observed_at: Moment of the predictions.
        entities: How many.
        metrics: By name.
        status: `ok`, `degraded`, or `too few rows`.
        reasons: Which thresholds are not kept, for people.
    """

    model: str
    version: int
    observed_at: datetime
    entities: int
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
    entities: int
    metric: str
    value: float
    status: Literal["ok", "degraded", "too few rows"]
    reasons: tuple[str, ...]
    in_use: bool


def performance_table(project: ModelProject) -> RecordTable[PerformanceRecord]:
    """Return the table of what was measured, whose column of counts is called like the project's entities."""
    return RecordTable(PERFORMANCE, PerformanceRecord, renamed={"entities": project.entities})


def drift_thresholds(configuration: Configuration) -> DriftThresholds:
    """Return from where on drift counts, as the configuration's parameters say."""
    limits: dict[str, Any] = {name: configuration.parameter(f"drift_{name}") for name in ("psi", "effect")}
    return DriftThresholds(**limits, minimum_rows=whole_number(configuration, "drift_minimum_rows"))


def measure_feature_drift(
    configuration: Configuration,
    lakehouse: Lakehouse,
    store: FeatureStore,
    project: ModelProject,
    version: ModelVersion,
    observed_at: datetime,
) -> list[Drift]:
    """Compare the features of the population of a moment with those that a model was trained on.

    Both sides are entities at a moment, so that a difference is one of the world and not of the choice of rows.
    """
    active = project.population(lakehouse.read(project.events), [observed_at])
    rows = create_training_set(store, active, project.columns, timestamp="observed_at").load_df()
    reference = distributions_from_json(read_artifact(version, FEATURES))
    return measure_drift(reference, current_distributions(rows, reference), drift_thresholds(configuration))


def measure_prediction_drift(
    configuration: Configuration,
    lakehouse: Lakehouse,
    project: ModelProject,
    version: ModelVersion,
    observed_at: datetime,
) -> list[Drift]:
    """Compare a version's scores of a moment with those of its test month."""
    own = (F.col("version") == version.version) & (F.col("observed_at") == F.lit(observed_at))
    name = project_name(configuration, project, version)
    rows = lakehouse.read(project.scores).where(own & (F.col("model") == name)).select("score")
    reference = distributions_from_json(read_artifact(version, PREDICTIONS))
    return measure_drift(reference, current_distributions(rows, reference), drift_thresholds(configuration))


def measure_performance(
    configuration: Configuration,
    lakehouse: Lakehouse,
    store: FeatureStore,
    project: ModelProject,
    model: ModelDefinition,
) -> list[Performance]:
    """Measure the scorings whose future is known by now and that were not measured yet; the oldest comes first.

    What was measured once stays as it was, until the same moment is scored again. Scores and what came true of them are
    joined in Spark, moment by moment.

    Raises:
        InputProblems: The keys of the scores are of another type than those of the events.
    """
    events, scores = lakehouse.read(project.events), lakehouse.read(project.scores)
    found = []
    for version, moment in _due(lakehouse, store, project, model):
        truth = project.examples(events, [moment])
        require_same_keys(scores, truth, {project.key: project.key}, where=project.scores)
        own = (F.col("model") == model.name) & (F.col("version") == version) & (F.col("observed_at") == F.lit(moment))
        joined = scores.where(own).join(truth, [project.key, "observed_at"]).select(model.label, "score")
        rows: Any = joined.toPandas()
        if len(rows):
            label, score = (rows[name].to_numpy(dtype=np.float64) for name in (model.label, "score"))
            found.append(judge_scores(configuration, model, version, moment, label, score))
    return found


def read_performance(lakehouse: Lakehouse, project: ModelProject, model: ModelDefinition) -> list[Performance]:
    """Return the newest measurement of each version and moment; the oldest moment comes first."""
    table = performance_table(project)
    rows = table.read(lakehouse.spark, lakehouse.namespace, F.col("model") == model.name)
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
            entities=part[0].entities,
            metrics={row.metric: row.value for row in part},
            status=part[0].status,
            reasons=part[0].reasons,
        )
        for (version, moment), part in newest.items()
    ]
    return sorted(found, key=lambda item: (item.observed_at, item.version))


def _due(
    lakehouse: Lakehouse, store: FeatureStore, project: ModelProject, model: ModelDefinition
) -> list[tuple[int, datetime]]:
    """Return the versions and moments of scores whose future is complete and that are newer than their measurement."""
    last = last_event_day(lakehouse.read(project.events), store, project.tables[0].name)
    last += timedelta(1 - project.horizon_days)
    known_until = datetime(last.year, last.month, last.day, tzinfo=timezone.utc)
    own = (F.col("model") == model.name) & (F.col("observed_at") <= F.lit(known_until))
    scores = lakehouse.read(project.scores).where(own)
    written = scores.groupBy("version", "observed_at").agg(F.max("scored_at").alias("at"))
    measured = performance_table(project).frame(lakehouse.spark, lakehouse.namespace).where(own)
    seen = measured.select("version", "observed_at", "measured_at")
    later = [written[name] == seen[name] for name in ("version", "observed_at")]
    written = written.join(seen, [*later, seen["measured_at"] >= written["at"]], "left_anti")
    rows = written.orderBy("observed_at", "version").collect()
    return [(int(row.version), row.observed_at.astimezone(timezone.utc)) for row in rows]


def judge_scores(
    configuration: Configuration,
    model: ModelDefinition,
    version: int,
    observed_at: datetime,
    label: Array,
    score: Array,
) -> Performance:
    """Hold the scores of a version at a moment against what has happened since, and judge by the configuration.

    Of few entities, and where all labels are alike, the numbers are mostly chance: nothing is said of them.
    """
    metrics, least = measure_predictions(model, label, score), whole_number(configuration, "performance_minimum_rows")
    failures = gate_failures(model.alarms(configuration.parameter), metrics, None)
    status: Literal["ok", "degraded", "too few rows"] = "degraded" if failures else "ok"
    if len(label) < least:
        status, failures = "too few rows", (f"fewer than {least} rows",)
    elif len(np.unique(label)) < 2:
        status, failures = "too few rows", (f"{model.label} is {label[0]:g} in all rows",)
    return Performance(model.name, version, observed_at, len(label), metrics, status, failures)


def find_newest(results: Sequence[Performance], version: int) -> Performance | None:
    """Return how right a version was lately: of the newest moment whose future is known; older ones were dealt with."""
    return max((item for item in results if item.version == version), key=lambda item: item.observed_at, default=None)


def warn_if_degraded(lately: Performance | None) -> None:
    """Warn in the log where a champion is degraded, so that an alert on warnings finds it."""
    if lately is not None and lately.status == "degraded":
        details = {"event": "model_degraded", "model": lately.model, "version": lately.version}
        said = f"{lately.observed_at:%Y-%m-%d}, {lately.entities} scores: {'; '.join(lately.reasons)}"
        _LOG.warning("%s version %s is degraded: %s", lately.model, lately.version, said, extra=details)


def monitor_model(
    configuration: Configuration,
    lakehouse: Lakehouse,
    store: FeatureStore,
    project: ModelProject,
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
    champion = require_champion(configuration, project, registry, model)
    measured_at = datetime.now(timezone.utc)
    # What it was trained on is the reference: between two meanings of a feature there is a difference and no drift.
    require_definitions(champion, project.columns, project.meanings(store.registry))
    features = measure_feature_drift(configuration, lakehouse, store, project, champion, observed_at)
    predictions = measure_prediction_drift(configuration, lakehouse, project, champion, observed_at)
    for subject, results in ((f"{model.name}: features", features), (f"{model.name}: predictions", predictions)):
        log_drift(results, subject)
        save_drift(lakehouse.spark, lakehouse.namespace, subject, results, measured_at)
    found = measure_performance(configuration, lakehouse, store, project, model)
    _save(lakehouse, project, found, champion.version, measured_at)
    known = read_performance(lakehouse, project, model)
    warn_if_degraded(find_newest(known, champion.version))
    return features, predictions, known


def find_drift(
    lakehouse: Lakehouse, project: ModelProject, model: ModelDefinition, version: int | None = None
) -> list[str]:
    """Return why a model should be trained anew, as the newest measurement has it; nothing where none was made.

    Args:
        lakehouse: The environment's tables.
        project: Whose model it is.
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
        records = performance_table(project).frame(lakehouse.spark, lakehouse.namespace)
        known = records.where((F.col("model") == model.name) & used)
        last = known.agg(F.max_by("status", F.struct("observed_at", "measured_at"))).collect()[0][0]
        found += ["performance"] if last == "degraded" else []
    return found


def _save(
    lakehouse: Lakehouse, project: ModelProject, results: Sequence[Performance], champion: int, measured_at: datetime
) -> None:
    records = [
        PerformanceRecord(
            measured_at=measured_at,
            model=item.model,
            version=item.version,
            observed_at=item.observed_at,
            entities=item.entities,
            metric=name,
            value=value,
            status=item.status,
            reasons=item.reasons,
            in_use=item.version == champion,
        )
        for item in results
        for name, value in item.metrics.items()
    ]
    performance_table(project).append(lakehouse.spark, lakehouse.namespace, records)
