"""Training sets: labels with the features that could be known when they arose."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError
from databricks_utils.features.definitions import FeatureTable
from databricks_utils.features.key_types import contract_problems, moment_problems, with_moment
from databricks_utils.features.point_in_time import as_of
from databricks_utils.features.store import FeatureStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Platform = Literal["auto", "spark", "databricks"]
"""Who joins: Spark, as everywhere, or Databricks' own client; `auto` takes the client outside of a laptop."""


class TrainingSet(Protocol):
    """What `create_training_set` returns here, and what the client of Databricks returns there."""

    def load_df(self) -> DataFrame:
        """Return the labels with their features."""


@dataclass(frozen=True)
class LocalTrainingSet:
    """A training set that Spark joins when it is loaded.

    Args:
        store: Where the features are.
        labels: As given.
        wanted: Feature columns by table.
        timestamp: Column of the labels with their moment.
        on: Key column of a feature table to column of the labels, where they differ.
    """

    store: FeatureStore
    labels: DataFrame
    wanted: Mapping[str, Sequence[str]]
    timestamp: str
    on: Mapping[str, str]

    @property
    def definitions(self) -> dict[str, str]:
        """Fingerprint by `layer.table.column` of what is joined; a model made from it keeps them."""
        columns = [f"{name.rpartition('.')[2]}.{column}" for name, columns in self.wanted.items() for column in columns]
        return self.store.registry.fingerprints(columns)

    def load_df(self) -> DataFrame:
        """Return the labels' columns, then the features; as many rows as there are labels."""
        joined = self.labels
        for name, columns in self.wanted.items():
            table = self.store.registry.table(name)
            joined = as_of(
                joined,
                self.store.read(self.labels.sparkSession, name),
                timestamp=self.timestamp,
                entity={key: self.on.get(key, key) for key in table.entity},
                columns=columns,
                ttl_days=table.ttl_days,
            )
        return joined


def create_training_set(
    store: FeatureStore,
    labels: DataFrame,
    features: Sequence[str],
    *,
    timestamp: str,
    label: str | None = None,
    on: Mapping[str, str] | None = None,
    platform: Platform = "auto",
) -> TrainingSet:
    """Join labels with features as of the labels' moments; the same call on a laptop and on Databricks.

    A row of features counts from its `available_at` on and until the table's `ttl_days` are over.

    Args:
        store: The feature tables.
        labels: One row for each example: keys, the moment, and whatever else the model needs.
        features: Columns as `spend_7d`, or `customer_features.spend_7d` where several tables have one.
        timestamp: Column of the labels with the moment of the prediction, TIMESTAMP, or DATE for its midnight in UTC.
        label: The column to predict; the client of Databricks notes it with the model.
        on: Key column of a feature table to column of the labels, where they are called differently.
        platform: Who joins.

    Raises:
        InputProblems: Features that are not registered, columns that the labels lack or have already, keys of another
            kind than the feature table's, a moment that is no TIMESTAMP and no DATE.
        OtherDefinitions: The rows of a feature table were computed from other definitions than those of today; a
            training set of Spark says so when it is loaded.
        MissingTool: Databricks' client is wanted and not installed.
    """
    renamed = dict(on or {})
    wanted = store.registry.locate(features)
    tables = [store.registry.table(name) for name in wanted]
    problems = _problems(labels, tables, wanted, [timestamp, *([label] if label else [])], renamed)
    for table in tables:
        keys = {key: renamed.get(key, key) for key in table.entity}
        where = f"labels, joined with {table.name}"
        problems += contract_problems(labels, store.registry.source(table), keys, where=where)
    if timestamp in labels.columns:
        problems += moment_problems(labels, timestamp, where="labels")
    if problems:
        raise InputProblems(problems)
    if platform == "databricks" or (platform == "auto" and not store.namespace.in_folder):
        from databricks_utils.features.databricks import client_training_set

        for name in wanted:
            store.require_current(labels.sparkSession, name)
        # The client compares moments with moments only.
        moments = with_moment(labels, timestamp)
        return client_training_set(store, moments, wanted, timestamp=timestamp, label=label, on=renamed)
    return LocalTrainingSet(store, labels, wanted, timestamp, renamed)


def _problems(
    labels: DataFrame,
    tables: Sequence[FeatureTable],
    wanted: Mapping[str, Sequence[str]],
    needed: Sequence[str],
    on: Mapping[str, str],
) -> list[LakehouseError]:
    known = [key for table in tables for key in table.entity]
    problems: list[LakehouseError] = [
        InvalidInput(f"No feature table has the key {key!r}", where="on", hint=f"Keys: {', '.join(known)}")
        for key in on
        if key not in known
    ]
    keys = [on.get(key, key) for key in known]
    for name in dict.fromkeys([*keys, *needed]):
        if name not in labels.columns:
            close = difflib.get_close_matches(name, labels.columns, 1)
            hint = f"Did you mean {close[0]}?" if close else f"Columns: {', '.join(labels.columns)}"
            if name in known:
                hint += f" Say so with on={{{name!r}: …}}"
            problems.append(InvalidInput(f"The labels have no column {name!r}", where="labels", hint=hint))
    taken = {name.lower() for name in labels.columns}
    for table, columns in wanted.items():
        problems += [
            InvalidInput(
                f"The labels already have a column {column!r}", where=f"feature table {table}", hint="Rename or drop it"
            )
            for column in columns
            if column.lower() in taken
        ]
    return problems
