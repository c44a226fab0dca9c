"""Entities are split between two models, each with one for good."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.errors import InvalidInput
from databricks_utils.models import asks_challenger

keys = st.tuples(st.integers(), st.text())
shares = st.floats(0, 1)


@given(keys, shares, shares)
def test_a_greater_share_gives_no_entity_back(entity: tuple[int, str], one: float, other: float) -> None:
    small, great = sorted((one, other))

    kept = asks_challenger(entity, share=great, experiment="a")

    assert kept or not asks_challenger(entity, share=small, experiment="a")


@given(keys)
def test_nobody_and_everybody_can_be_asked_for(entity: tuple[int, str]) -> None:
    assert not asks_challenger(entity, share=0, experiment="a")
    assert asks_challenger(entity, share=1, experiment="a")


def test_the_split_has_the_share_asked_for_and_is_anew_in_another_experiment() -> None:
    first = [asks_challenger((n,), share=0.3, experiment="first") for n in range(10_000)]
    second = [asks_challenger((n,), share=0.3, experiment="second") for n in range(10_000)]

    both = sum(one and other for one, other in zip(first, second, strict=True))
    assert sum(first) / 10_000 == pytest.approx(0.3, abs=0.015)
    assert both / 10_000 == pytest.approx(0.09, abs=0.01)


def test_the_split_is_the_same_in_every_process_and_version() -> None:
    asked = [asks_challenger((n, 12), share=0.5, experiment="pinned") for n in range(12)]

    assert "".join("x" if item else "." for item in asked) == "...x..x....x"


def test_keys_that_are_the_same_text_together_are_split_apart() -> None:
    pairs = [((n, 12), (int(f"{n}1"), 2)) for n in range(200)]

    differing = sum(
        asks_challenger(one, share=0.5, experiment="a") != asks_challenger(other, share=0.5, experiment="a")
        for one, other in pairs
    )

    assert 60 < differing < 140


@pytest.mark.parametrize(("share", "experiment"), [(-0.1, "a"), (1.1, "a"), (float("nan"), "a"), (0.5, " ")])
def test_what_is_no_split_is_refused(share: float, experiment: str) -> None:
    with pytest.raises(InvalidInput):
        asks_challenger((1,), share=share, experiment=experiment)


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from([("first", 0.5), ("pinned", 0.3)]))
def test_an_entity_has_one_side_whichever_library_has_read_its_key(number: int, asked: tuple[str, float]) -> None:
    experiment, share = asked
    read = [number, np.int64(number), pd.Series([number])[0], pd.Series([number], dtype="Int64")[0]]

    sides = {asks_challenger((key,), share=share, experiment=experiment) for key in read}
    declared = {asks_challenger((key,), share=share, experiment=experiment, data_types=["BIGINT"]) for key in read}

    assert len(sides | declared) == 1


def test_numpy_and_python_agree_on_a_thousand_entities() -> None:
    def sides(entities: Iterable[Any]) -> list[bool]:
        return [asks_challenger((entity,), share=0.5, experiment="a") for entity in entities]

    assert sides(np.arange(1000)) == sides(range(1000)) == sides(pd.DataFrame({"key": range(1000)})["key"])


def test_a_number_its_text_and_a_truth_are_split_apart() -> None:
    kinds: list[Callable[[int], object]] = [int, str, Decimal]
    columns = [[asks_challenger((kind(n),), share=0.5, experiment="a") for n in range(200)] for kind in kinds]

    for one, other in itertools.combinations(columns, 2):
        assert 60 < sum(left != right for left, right in zip(one, other, strict=True)) < 140


@pytest.mark.parametrize(
    ("entity", "data_types"), [((1.0,), None), ((None,), None), ("113", None), (("1",), ["BIGINT"]), ((True,), ["INT"])]
)
def test_what_is_no_entity_has_no_side(entity: Any, data_types: list[str] | None) -> None:
    with pytest.raises(InvalidInput, match="entity"):
        asks_challenger(entity, share=0.5, experiment="a", data_types=data_types)
