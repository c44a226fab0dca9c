"""The same definitions through Databricks' own client, which notes the features with the model.

`databricks-feature-engineering` may be used with Databricks' services only and is no dependency, only an extra: it is
imported when it is asked for. Source: docs.databricks.com, "Feature Engineering in Unity Catalog Python API".
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from databricks_utils.errors import InvalidInput, MissingTool
from databricks_utils.features.store import FeatureStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from databricks_utils.features.training import TrainingSet

_MODULE = "databricks.feature_engineering"
#: What to do where the client cannot be, by what asked for it.
_ELSEWHERE = {
    "create_training_set": 'platform="spark"',
    "publish_online_table": "leave models.online_feature_store out, and name a file as models.online_store",
}


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
    client = _client_module("create_training_set")
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


def publish_online_table(store: FeatureStore, name: str, online_store: str) -> str:
    """Bring a feature table's copy in an online feature store of Databricks up to date, and make it the first time.

    The copy is named like the table with `_online` after it, and has the newest row of each entity. The store is
    nobody's by-product: it is an instance that costs money as long as it is there, so it is made by hand.
    Source: docs.databricks.com, "Databricks Online Feature Stores".

    Args:
        store: The feature tables.
        name: One of them, in Unity Catalog.
        online_store: Name of an online feature store that exists.

    Returns:
        catalog.schema.table of the copy.

    Raises:
        InvalidInput: There is no online feature store of that name.
        MissingTool: The client is not installed.
    """
    client = _client_module("publish_online_table").FeatureEngineeringClient()
    found = client.get_online_store(name=online_store)
    if found is None:
        raise InvalidInput(
            f"There is no online feature store {online_store!r}",
            where="models.online_feature_store",
            hint=f'Make it once, in a notebook: FeatureEngineeringClient().create_online_store(name="{online_store}", '
            'capacity="CU_1")',
        )
    source = full_name(store, name)
    # Only what has changed travels; the table's change feed says what that is.
    client.publish_table(
        online_store=found,
        source_table_name=source,
        online_table_name=f"{source}_online",
        publish_mode="TRIGGERED",
    )
    return f"{source}_online"


def full_name(store: FeatureStore, name: str) -> str:
    """Return catalog.schema.table of a feature table, as the client writes it."""
    return store.namespace.identifier(name).replace("`", "")


def _client_module(asked_by: str) -> Any:
    try:
        return importlib.import_module(_MODULE)
    except ImportError as error:
        raise MissingTool(
            f"{_MODULE} cannot be imported",
            where=asked_by,
            hint="In a notebook: %pip install databricks-feature-engineering. In a job: a dependency of that name. "
            f"Elsewhere: {_ELSEWHERE[asked_by]}",
        ) from error
