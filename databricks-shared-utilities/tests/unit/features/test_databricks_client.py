"""What Databricks' client is asked for, and what happens where it is not installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
from feature_shop import REGISTRY
from pyspark.sql.types import StructType

from databricks_utils.contracts import parse_schema
from databricks_utils.delta import Namespace
from databricks_utils.errors import InputProblems, InvalidInput, MissingTool
from databricks_utils.features import FeatureStore, create_training_set, publish_online_table

STORE = FeatureStore(Namespace("main", {"gold": "shop_gold"}), REGISTRY)


@dataclass
class Labels:
    """As much of a frame as is looked at before the client joins."""

    kinds: str = "customer INT, store_id INT, bought_at TIMESTAMP, churned BOOLEAN"
    #: Knows no tables, so that no rows of other definitions are in the way.
    sparkSession: Any = field(
        default_factory=lambda: SimpleNamespace(catalog=SimpleNamespace(tableExists=lambda _: False)), compare=False
    )

    @property
    def schema(self) -> StructType:
        return parse_schema(self.kinds)

    @property
    def columns(self) -> Sequence[str]:
        return self.schema.names


@dataclass(frozen=True, kw_only=True)
class FeatureLookup:
    """The documented arguments of the client's class, and no others."""

    table_name: str
    lookup_key: list[str]
    feature_names: list[str]
    timestamp_lookup_key: str
    lookback_window: timedelta | None


@dataclass(frozen=True)
class OnlineStore:
    """What the client knows of an online feature store."""

    name: str


class FeatureEngineeringClient:
    """Returns what it is asked for, and remembers what it was told to publish."""

    published: ClassVar[list[dict[str, Any]]] = []

    def get_online_store(self, *, name: str) -> OnlineStore | None:
        return OnlineStore(name) if name == "shop-online" else None

    def publish_table(
        self, *, online_store: OnlineStore, source_table_name: str, online_table_name: str, publish_mode: str
    ) -> None:
        found = {"store": online_store, "from": source_table_name, "to": online_table_name, "how": publish_mode}
        self.published.append(found)

    def create_training_set(self, *, df: Any, feature_lookups: Sequence[FeatureLookup], label: str | None) -> Any:
        return df, list(feature_lookups), label


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a client with the documented signatures; the real one may run on Databricks only."""
    FeatureEngineeringClient.published.clear()
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


@pytest.mark.usefixtures("client")
def test_the_client_is_not_asked_to_join_keys_of_other_types() -> None:
    labels: Any = Labels("customer STRING, store_id INT, bought_at TIMESTAMP, churned BOOLEAN")
    arguments: Any = {"timestamp": "bought_at", "on": {"household_id": "customer"}}

    with pytest.raises(InputProblems, match=r"(?s)'customer' is STRING, and 'household_id'.*is INT.*cast\(\"int\"\)"):
        create_training_set(STORE, labels, ["spend_7d"], **arguments)


def test_where_the_client_is_missing_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "databricks.feature_engineering", None)

    with pytest.raises(MissingTool, match=r"(?s)cannot be imported.*pip install databricks-feature-engineering.*spark"):
        training_set()


def test_the_client_is_not_loaded_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "databricks.feature_engineering", None)

    assert training_set(platform="spark").wanted == {"gold.household_features": ("spend_7d", "lines_1d")}


@pytest.mark.usefixtures("client")
def test_a_feature_table_gets_a_copy_in_the_online_store_of_the_configuration() -> None:
    online = publish_online_table(STORE, "gold.household_features", "shop-online")

    assert online == "main.shop_gold.household_features_online"
    assert FeatureEngineeringClient.published == [
        {
            "store": OnlineStore("shop-online"),
            "from": "main.shop_gold.household_features",
            "to": "main.shop_gold.household_features_online",
            "how": "TRIGGERED",
        }
    ]


@pytest.mark.usefixtures("client")
def test_an_online_store_that_nobody_has_made_is_not_made_in_passing() -> None:
    with pytest.raises(InvalidInput, match=r"(?s)no online feature store 'other'.*create_online_store.*capacity"):
        publish_online_table(STORE, "gold.household_features", "other")

    assert FeatureEngineeringClient.published == []


def test_without_the_client_an_online_store_of_databricks_is_refused_with_the_local_one_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "databricks.feature_engineering", None)

    with pytest.raises(MissingTool, match=r"(?s)cannot be imported.*name a file as models\.online_store"):
        publish_online_table(STORE, "gold.household_features", "shop-online")
