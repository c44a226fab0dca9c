"""The same definitions through Databricks' own client, which notes the features with the model.

`databricks-feature-engineering` may be used with Databricks' services only and is no dependency, only an extra: it is
imported when it is asked for. Source: docs.databricks.com, "Feature Engineering in Unity Catalog Python API".
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from databricks_utils.errors import MissingTool
from databricks_utils.features.store import FeatureStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from databricks_utils.features.training import TrainingSet

_MODULE = "databricks.feature_engineering"


def client_training_set(
    store: FeatureStore,
    labels: DataFrame,
    wanted: Mapping[str, Sequence[str]],
    *,
    timestamp: str,
    label: str | None,
    on: Mapping[str, str],
) -> TrainingSet:
    """Return the client's training set, which its `log_model` takes too.

    Its documentation leaves open whether a row exactly as old as `lookback_window` counts; here it does not.

    Args:
        store: The feature tables.
        labels: One row for each example.
        wanted: Feature columns by table.
        timestamp: Column of the labels with their moment.
        label: The column to predict.
        on: Key column of a feature table to column of the labels, where they differ.

    Raises:
        MissingTool: The client is not installed.
    """
    client = _client_module()
    lookups = []
    for name, columns in wanted.items():
        table = store.registry.table(name)
        lookups.append(
            client.FeatureLookup(
                table_name=full_name(store, name),
                lookup_key=[on.get(key, key) for key in table.entity],
                feature_names=list(columns),
                timestamp_lookup_key=timestamp,
                lookback_window=None if table.ttl_days is None else timedelta(days=table.ttl_days),
            )
        )
    made: TrainingSet = client.FeatureEngineeringClient().create_training_set(
        df=labels, feature_lookups=lookups, label=label
    )
    return made


def full_name(store: FeatureStore, name: str) -> str:
    """Return catalog.schema.table of a feature table, as the client writes it."""
    return store.namespace.identifier(name).replace("`", "")


def _client_module() -> Any:
    try:
        return importlib.import_module(_MODULE)
    except ImportError as error:
        raise MissingTool(
            f"{_MODULE} cannot be imported",
            where="create_training_set",
            hint="In a notebook: %pip install databricks-feature-engineering. In a job: a dependency of that name. "
            'Elsewhere: platform="spark"',
        ) from error
