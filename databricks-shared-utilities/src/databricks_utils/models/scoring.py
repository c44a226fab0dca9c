"""Batch scoring: the champion's answer for every entity of the population, kept for ever."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from databricks_utils.config import Configuration
from databricks_utils.contracts import parse_schema
from databricks_utils.delta import add_missing_columns, create_table, locked, overwrite, table_exists
from databricks_utils.features import FeatureStore, create_training_set
from databricks_utils.models.definition import ModelDefinition, ModelProject
from databricks_utils.models.explanations import find_reasons
from databricks_utils.models.families import Array, identify_family
from databricks_utils.models.registry import ModelRegistry, ModelVersion
from databricks_utils.models.versions import load_version, reason_count, require_champion
from databricks_utils.pipeline import Lakehouse

#: Columns after the entity's key.
_COLUMNS = (
    "observed_at TIMESTAMP, model STRING, version INT, score DOUBLE, scored_at TIMESTAMP, "
    "reasons ARRAY<STRUCT<feature: STRING, value: DOUBLE, contribution: DOUBLE>>, known BOOLEAN"
)


def score_population(
    configuration: Configuration,
    lakehouse: Lakehouse,
    store: FeatureStore,
    project: ModelProject,
    registry: ModelRegistry,
    model: ModelDefinition,
    observed_at: datetime,
) -> tuple[ModelVersion, int, int]:
    """Score the population of a moment, with their features as known then.

    Rows of other moments and versions stay; the same moment scored again by the same version replaces its own rows.

    Args:
        configuration: Of the environment.
        lakehouse: The environment's tables.
        store: The feature tables.
        project: Whose population and features count.
        registry: Of the environment.
        model: Whose champion scores.
        observed_at: The moment, in UTC.

    Returns:
        The champion, the number of entities, and how many of them are not `known`: nothing could be joined, so that
        their score is that of a stranger.

    Raises:
        InvalidInput: There is no champion, or it was trained on other features.
        OtherDefinitions: The champion was trained on, or the feature tables hold, features of another meaning.
        MissingTool: Reasons are wanted, and what gives them is not installed.
        UnusableModel: The champion breaks off.
    """
    champion = require_champion(configuration, project, registry, model)
    columns = project.columns
    active = project.population(lakehouse.read(project.events), [observed_at])
    rows: Any = create_training_set(store, active, columns, timestamp="observed_at").load_df().toPandas()
    features = rows[list(columns)].to_numpy(dtype=np.float64)
    contender = load_version(champion, columns, project.meanings(store.registry))
    scores = contender.answer(features) if len(rows) else np.empty(0)
    reasons = _reasons(project, contender.estimator, features, reason_count(configuration))
    known, now = known_rows(project, features), datetime.now(timezone.utc)
    values = [
        (int(entity), observed_at, model.name, champion.version, float(value), now, why, bool(is_known))
        for entity, value, why, is_known in zip(rows[project.key], scores, reasons, known, strict=True)
    ]
    moment = f"TIMESTAMP '{observed_at.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}Z'"
    own = f"model = '{model.name}' AND version = {champion.version} AND observed_at = {moment}"
    _replace(lakehouse, project, values, own)
    return champion, len(values), int((~known).sum())


def _replace(lakehouse: Lakehouse, project: ModelProject, rows: Sequence[tuple[Any, ...]], where: str) -> None:
    """Put rows of scores in the place of those that meet a condition; the table is made when absent."""
    spark, namespace, table = lakehouse.spark, lakehouse.namespace, project.scores
    schema = parse_schema(f"{project.key} BIGINT, {_COLUMNS}")
    frame = spark.createDataFrame(rows, schema).coalesce(1)
    with locked(namespace, write=[table]):
        if not table_exists(spark, namespace, table):
            create_table(spark, namespace, table, schema=schema)
        else:
            add_missing_columns(spark, namespace.identifier(table), schema)
        overwrite(spark, namespace.identifier(table), frame, where=where, folder=namespace.location(table))


def known_rows(project: ModelProject, features: Array) -> NDArray[np.bool_]:
    """Say of each row whether its entity had features: a row of the first table, of which some are never NULL.

    Args:
        project: Whose features they are.
        features: Rows by features, in the project's order.
    """
    return np.asarray(~np.isnan(features[:, : len(project.tables[0].columns)]).all(axis=1))


def _reasons(
    project: ModelProject, estimator: Any, features: Array, most: int
) -> list[list[tuple[str, float | None, float]] | None]:
    """Return the reasons of each row as the table holds them; NULL where none are wanted."""
    if not most or not len(features):
        return [None] * len(features)
    contributions = identify_family(estimator, project.families).contributions(estimator, features)
    found = find_reasons(contributions, features, project.columns, most=most)
    return [[(reason.feature, reason.value, reason.contribution) for reason in row] for row in found]
