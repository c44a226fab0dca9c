"""Definitions are checked before Spark starts, all at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from feature_shop import CONTRACTS, HOUSEHOLDS, REGISTRY

from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.features import Events, Feature, FeatureRegistry, FeatureTable

SOUND = Feature("spend", "sum", of="amount", windows=(7,), description="Money spent.")


def problems(*tables: FeatureTable) -> str:
    with pytest.raises(InputProblems) as caught:
        FeatureRegistry(tables, CONTRACTS)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message", "hint"),
    [
        ({"description": " "}, "The feature is not documented", "Say in description"),
        ({"of": "amuont"}, "silver.sales has no column 'amuont'", "Did you mean amount?"),
        ({"of": None}, "sum of what?", "Name a column in of"),
        ({"of": "category"}, "sum needs a number, and 'category' is STRING", "Name a numeric column"),
        ({"of": "weight"}, "Sums of floating point 'weight' depend on the order of rows", "Say with scale"),
        ({"of": "weight", "scale": 10}, "Sums of floating point 'weight' depend on the order of rows", "0 to 9"),
        ({"scale": 2}, "scale has no effect on 'amount'", "Leave it out"),
        ({"aggregation": "summ"}, "Unknown aggregation 'summ'", "Did you mean sum?"),
        ({"aggregation": "share"}, "A share of everything is always 1", "Say in where"),
        ({"aggregation": "count_distinct", "of": "weight"}, "floating point 'weight' cannot be told", "a text"),
        ({"windows": ()}, "The feature has no window", "windows=(7, 30)"),
        ({"windows": (0,)}, "A window cannot be 0 days long", "from 1 to 730"),
        ({"windows": (731,)}, "A window cannot be 731 days long", "from 1 to 730"),
        ({"windows": (True,)}, "A window cannot be True days long", "Write whole days"),
        ({"windows": (7, 7)}, "The column 'spend_7d' would be there twice", "join their windows"),
        ({"name": "Spend"}, "'Spend' cannot name a column", "lower-case"),
        ({"nulls": "drop"}, "nulls is 'drop'", "skip or zero"),
        ({"empty": "0"}, "empty is '0', and the columns are DOUBLE", "a number of that type"),
        ({"of": "quantity", "empty": 0.5}, "empty is 0.5, and the columns are BIGINT", "a number of that type"),
        ({"where": {"categry": "wine"}}, "silver.sales has no column 'categry'", "Did you mean category?"),
        ({"where": {"quantity": "many"}}, "'many' is not a value of type INT", "the column's own type"),
        ({"where": {"category": []}}, "No value of 'category' is wanted", "List one or more"),
    ],
)
def test_a_feature_that_cannot_be_computed_is_refused(changed: dict[str, Any], message: str, hint: str) -> None:
    feature = replace(SOUND, **changed)

    text = problems(replace(HOUSEHOLDS, features=[feature]))

    assert message in text
    assert hint in text
    assert "feature table gold.household_features" in text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "household_features"}, "is not a table name"),
        ({"description": ""}, "The table is not documented"),
        ({"owner": ""}, "The table has no owner"),
        ({"ttl_days": 0}, "Rows cannot be used for 0 days (ttl_days)"),
        ({"ttl_days": float("nan")}, "Rows cannot be used for nan days"),
        ({"ttl_days": 1.5}, "Rows cannot be used for 1.5 days"),
        ({"ttl_days": "7"}, "Rows cannot be used for '7' days"),
        ({"ttl_days": True}, "Rows cannot be used for True days"),
        ({"entity": ()}, "The table has no entity"),
        ({"features": ()}, "The table has no features"),
        ({"entity": ("store_id", "store_id")}, "The entity names 'store_id' twice"),
        ({"entity": ("shop_id",)}, "silver.sales has no column 'shop_id'"),
        ({"entity": ("weight",)}, "Floating point 'weight' cannot be a key"),
        ({"source": Events("silver.sale", "sold_at")}, "The source 'silver.sale' has no contract"),
        ({"source": Events("silver.sales", "sold")}, "silver.sales has no column 'sold'"),
        ({"source": Events("silver.sales", "category")}, "'category' is STRING, which is no moment in UTC"),
        ({"source": Events("silver.sales", "sold_at", "load")}, "silver.sales has no column 'load'"),
    ],
)
def test_a_table_that_cannot_be_computed_is_refused(changed: dict[str, Any], message: str) -> None:
    assert message in problems(replace(HOUSEHOLDS, **changed))


def test_everything_wrong_is_reported_together() -> None:
    broken = replace(HOUSEHOLDS, owner="", features=[SOUND, replace(SOUND, description="", of="amuont")])

    text = problems(broken, HOUSEHOLDS)

    assert text.startswith("5 problems in the input")
    assert "Two feature tables have the same name" in text


def test_every_problem_says_what_where_and_what_next() -> None:
    with pytest.raises(InputProblems) as caught:
        FeatureRegistry([replace(HOUSEHOLDS, owner="", features=[replace(SOUND, of="amuont")])], CONTRACTS)

    assert all(problem.message and problem.where and problem.hint for problem in caught.value.problems)


def test_a_feature_is_found_by_its_name_or_with_its_table() -> None:
    assert REGISTRY.locate(["spend_7d", "household_features.lines_1d"]) == {
        "gold.household_features": ("spend_7d", "lines_1d")
    }


def test_a_feature_that_is_not_registered_is_named_with_what_is_meant() -> None:
    with pytest.raises(InputProblems) as caught:
        REGISTRY.locate(["spend_7d", "spent_7d", "lines_2d", "spend_7d"])

    text = str(caught.value)
    assert "The feature 'spent_7d' is not registered" in text
    assert "Did you mean spend_7d" in text
    assert "The feature 'lines_2d' is not registered" in text
    assert "'spend_7d' is asked for twice" in text


def test_a_name_that_two_tables_share_is_asked_for_with_its_table() -> None:
    other = replace(HOUSEHOLDS, name="gold.store_features", entity=("store_id",))
    registry = FeatureRegistry([HOUSEHOLDS, other], CONTRACTS)

    with pytest.raises(InputProblems, match=r"Write household_features.spend_7d, store_features.spend_7d"):
        registry.locate(["spend_7d"])
    assert registry.locate(["store_features.spend_7d"]) == {"gold.store_features": ("spend_7d",)}


def test_a_table_that_is_not_registered_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"Did you mean gold.household_features"):
        REGISTRY.table("gold.household_feature")
