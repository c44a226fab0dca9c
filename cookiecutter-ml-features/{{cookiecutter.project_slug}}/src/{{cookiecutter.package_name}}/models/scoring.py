"""Batch scoring: the champion's word on every active household, kept for ever."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import numpy as np
from databricks_utils.cli import Opened
from databricks_utils.contracts import parse_schema
from databricks_utils.delta import add_missing_columns, create_table, locked, overwrite, table_exists
from databricks_utils.features import FeatureStore, create_training_set
from databricks_utils.medallion import Lakehouse
from databricks_utils.models import ModelRegistry, ModelVersion
from numpy.typing import NDArray

from {{ cookiecutter.package_name }}.features.registry import COLUMNS, TABLES
from {{ cookiecutter.package_name }}.models.definitions import ModelDefinition
from {{ cookiecutter.package_name }}.models.examples import population
from {{ cookiecutter.package_name }}.models.explanations import reasons_of
from {{ cookiecutter.package_name }}.models.families import Array, family_of
from {{ cookiecutter.package_name }}.models.places import SCORES, champion_of, definitions_of, loaded, reasons_wanted

SCHEMA = (
    "household_id BIGINT, observed_at TIMESTAMP, model STRING, version INT, score DOUBLE, scored_at TIMESTAMP, "
    "reasons ARRAY<STRUCT<feature: STRING, value: DOUBLE, contribution: DOUBLE>>, known BOOLEAN"
)


def score(
    opened: Opened,
    lakehouse: Lakehouse,
    store: FeatureStore,
    registry: ModelRegistry,
    model: ModelDefinition,
    observed_at: datetime,
) -> tuple[ModelVersion, int, int]:
    """Score the households active before a moment, with their features as known then.

    Rows of other moments and versions stay; the same moment scored again by the same version replaces its own rows.

    Args:
        opened: The project.
        lakehouse: The environment's tables.
        store: The feature tables.
        registry: Of the environment.
        model: Whose champion scores.
        observed_at: The moment, in UTC.

    Returns:
        The champion, the number of households, and how many of them are not `known`: nothing could be joined, so that
        their score is that of a stranger.

    Raises:
        InvalidInput: There is no champion, or it was trained on other features.
        OtherDefinitions: The champion was trained on, or the feature tables hold, features of another meaning.
        MissingTool: Reasons are wanted, and what gives them is not installed.
        UnusableModel: The champion breaks off, or what it says is no number; nothing is written then.
    """
    champion = champion_of(opened.configuration, registry, model)
    active = population(lakehouse.read(TABLES[0].source.table), [observed_at])
    rows: Any = create_training_set(store, active, COLUMNS, timestamp="observed_at").load_df().toPandas()
    features = rows[list(COLUMNS)].to_numpy(dtype=np.float64)
    contender = loaded(champion, definitions_of(store.registry))
    scores = contender.answer(features) if len(rows) else np.empty(0)
    reasons = _reasons(contender.estimator, features, reasons_wanted(opened.configuration))
    known, now = known_of(features), datetime.now(timezone.utc)
    values = [
        (int(household), observed_at, model.name, champion.version, float(value), now, why, bool(is_known))
        for household, value, why, is_known in zip(rows["household_id"], scores, reasons, known, strict=True)
    ]
    spark, namespace = lakehouse.spark, lakehouse.namespace
    schema = parse_schema(SCHEMA)
    frame = spark.createDataFrame(values, schema).coalesce(1)
    moment = f"TIMESTAMP '{observed_at.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}Z'"
    own = f"model = '{model.name}' AND version = {champion.version} AND observed_at = {moment}"
    with locked(namespace, write=[SCORES]):
        if not table_exists(spark, namespace, SCORES):
            create_table(spark, namespace, SCORES, schema=schema)
        else:
            add_missing_columns(spark, namespace.identifier(SCORES), schema)
        overwrite(spark, namespace.identifier(SCORES), frame, where=own, folder=namespace.location(SCORES))
    return champion, len(values), int((~known).sum())


def known_of(features: Array) -> NDArray[np.bool_]:
    """Say of each row whether its household had features: a row of the first table, of which some are never NULL.

    Args:
        features: Rows by features, in the order of `COLUMNS`.
    """
    return np.asarray(~np.isnan(features[:, : len(TABLES[0].columns)]).all(axis=1))


def _reasons(estimator: Any, features: Array, most: int) -> list[list[tuple[str, float | None, float]] | None]:
    """Return the reasons of each row as the table holds them; NULL where none are wanted."""
    if not most or not len(features):
        return [None] * len(features)
    contributions = family_of(estimator).contributions(estimator, features)
    found = reasons_of(contributions, features, COLUMNS, most=most)
    return [[(reason.feature, reason.value, reason.contribution) for reason in row] for row in found]
