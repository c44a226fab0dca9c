"""What rows, stores and models were made from is told by fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from feature_shop import CONTRACTS, HOUSEHOLDS, SALES

from databricks_utils.contracts import Contract
from databricks_utils.features import (
    Feature,
    FeatureRegistry,
    FeatureTable,
    OtherDefinitions,
    require_same_definitions,
)
from databricks_utils.features.online import fingerprint

WEIGHT = Feature("weight", "sum", of="weight", scale=2, where={"category": {"a", "b", "c"}}, description="Weight.")


def mark(**changed: Any) -> str:
    table = replace(HOUSEHOLDS, features=[replace(WEIGHT, **changed)])
    return fingerprint(FeatureRegistry([table], CONTRACTS), table)


@pytest.mark.parametrize(
    "changed",
    [{"scale": 3}, {"empty": 1.5}, {"nulls": "zero"}, {"aggregation": "max"}, {"where": {}}, {"windows": (7,)}],
)
def test_another_meaning_has_another_mark(changed: Mapping[str, Any]) -> None:
    assert mark(**changed) != mark()


@pytest.mark.parametrize("changed", [{"description": "Kilograms."}, {"where": {"category": ["a", "b", "c"]}}])
def test_other_words_for_the_same_have_the_same_mark(changed: Mapping[str, Any]) -> None:
    assert mark(**changed) == mark()


def columns(table: FeatureTable = HOUSEHOLDS, contract: Contract = SALES) -> dict[str, str]:
    return FeatureRegistry([table], {"silver.sales": contract}).definitions(table.name)


def one(**changed: Any) -> dict[str, str]:
    return columns(replace(HOUSEHOLDS, features=[replace(WEIGHT, **changed)]))


@pytest.mark.parametrize(
    "changed",
    [
        {"where": {"category": ["a, b, c"]}},
        {"where": {"category": ["a", "b"]}},
        {"where": {"category": {"a", "b", "c"}, "member": True}},
        {"of": "quantity", "scale": None},
        {"aggregation": "mean"},
        {"empty": None},
        {"nulls": "zero"},
        {"scale": 3},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_a_column_of_another_meaning_has_another_fingerprint_under_the_same_name(changed: Mapping[str, Any]) -> None:
    before, after = one(), one(**changed)

    assert before.keys() == after.keys() == {"weight_1d"}
    assert before != after


@pytest.mark.parametrize(
    "table",
    [
        replace(HOUSEHOLDS, version=2),
        replace(HOUSEHOLDS, source=replace(HOUSEHOLDS.source, timestamp="loaded_at")),
        replace(HOUSEHOLDS, entity=("household_id",)),
    ],
    ids=["version", "moment", "entity"],
)
def test_what_all_columns_share_is_in_the_fingerprint_of_each(table: FeatureTable) -> None:
    before, after = columns(), columns(table)

    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_of_many_features_only_the_one_that_changed_has_another_fingerprint() -> None:
    features = [
        replace(item, where={"category": "beer"}) if item.name == "wine" else item for item in HOUSEHOLDS.features
    ]
    before, after = columns(), columns(replace(HOUSEHOLDS, features=features))

    assert {name for name in before if before[name] != after[name]} == {"wine_1d", "wine_3d", "wine_7d"}
    assert len(set(before.values())) == len(before)


def test_a_wider_key_other_words_and_another_order_are_the_same_meaning() -> None:
    wider = [replace(item, data_type="BIGINT") if item.name == "household_id" else item for item in SALES.columns]
    text = [replace(item, data_type="STRING") if item.name == "household_id" else item for item in SALES.columns]
    said = [replace(item, description="Else.", unit="g", owner="me", tags=("x",)) for item in HOUSEHOLDS.features]

    assert columns(contract=replace(SALES, columns=tuple(wider))) == columns()
    assert columns(contract=replace(SALES, columns=tuple(text))) != columns()
    assert columns(replace(HOUSEHOLDS, description="Else.", owner="me", features=said)) == columns()
    assert one(where={"category": ("c", "b", "a", "b")}) == one()


def test_how_long_a_row_is_used_belongs_to_what_a_model_has_learned_and_not_to_the_rows() -> None:
    longer = replace(HOUSEHOLDS, ttl_days=30)
    before, after = (FeatureRegistry([table], CONTRACTS) for table in (HOUSEHOLDS, longer))

    assert before.definitions(HOUSEHOLDS.name) == after.definitions(HOUSEHOLDS.name)
    learned, now = before.fingerprints(["spend_7d"]), after.fingerprints(["spend_7d"])
    assert learned.keys() == now.keys() == {"gold.household_features.spend_7d"}
    with pytest.raises(OtherDefinitions, match=r"(?s)gold\.household_features\.spend_7d is defined otherwise.*model 3"):
        require_same_definitions(learned, now, where="model 3", hint="Train again")
    require_same_definitions(learned, before.fingerprints(["spend_7d", "lines_1d"]), where="model 3", hint="")
    require_same_definitions({}, now, where="model 3", hint="")
