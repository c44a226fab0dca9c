"""What Databricks' client is asked for, and what happens where it is not installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from feature_shop import REGISTRY

from databricks_utils.delta import Namespace
from databricks_utils.errors import MissingTool
from databricks_utils.features import FeatureStore, create_training_set

STORE = FeatureStore(Namespace("main", {"gold": "shop_gold"}), REGISTRY)


@dataclass
class Labels:
    """As much of a frame as is looked at before the client joins."""

    columns: Sequence[str] = ("customer", "store_id", "bought_at", "churned")


@dataclass(frozen=True, kw_only=True)
class FeatureLookup:
    """The documented arguments of the client's class, and no others."""

    table_name: str
    lookup_key: list[str]
    feature_names: list[str]
    timestamp_lookup_key: str
    lookback_window: timedelta | None


class FeatureEngineeringClient:
    """Returns what it is asked for."""

    def create_training_set(self, *, df: Any, feature_lookups: Sequence[FeatureLookup], label: str | None) -> Any:
        return df, list(feature_lookups), label


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a client with the documented signatures; the real one may run on Databricks only."""
    module = ModuleType("databricks.feature_engineering")
    vars(module).update(FeatureLookup=FeatureLookup, FeatureEngineeringClient=FeatureEngineeringClient)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def training_set(**changed: Any) -> Any:
    arguments = {"timestamp": "bought_at", "label": "churned", "on": {"household_id": "customer"}, **changed}
    labels: Any = Labels()
    return create_training_set(STORE, labels, ["spend_7d", "lines_1d"], **arguments)


@pytest.mark.usefixtures("client")
def test_the_client_is_asked_for_the_same_features_keys_and_age() -> None:
    labels, lookups, label = training_set()

    assert (labels, label) == (Labels(), "churned")
    assert lookups == [
        FeatureLookup(
            table_name="main.shop_gold.household_features",
            lookup_key=["customer", "store_id"],
            feature_names=["spend_7d", "lines_1d"],
            timestamp_lookup_key="bought_at",
            lookback_window=timedelta(days=3),
        )
    ]


def test_where_the_client_is_missing_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "databricks.feature_engineering", None)

    with pytest.raises(MissingTool, match=r"(?s)cannot be imported.*pip install databricks-feature-engineering.*spark"):
        training_set()


def test_the_client_is_not_loaded_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "databricks.feature_engineering", None)

    assert training_set(platform="spark").wanted == {"gold.household_features": ("spend_7d", "lines_1d")}
