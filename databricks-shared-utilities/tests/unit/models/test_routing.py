"""Entities are split between two models, each with one for good."""

from __future__ import annotations

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
