"""What a store was published from is told by its mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from feature_shop import CONTRACTS, HOUSEHOLDS

from databricks_utils.features import Feature, FeatureRegistry
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
