"""What a transformation asks for by name is there, once, before anything starts."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame

from databricks_utils.config import Configuration
from databricks_utils.data_quality.analysis import first_line
from databricks_utils.logging import redacted, redaction
from databricks_utils.logging.redaction import LEAST_SECRET, MASK, conceal, concealed
from databricks_utils.medallion import Bronze, Files, Gold, Pipeline, Silver
from databricks_utils.pipeline.arguments import Secret, argument_problems
from databricks_utils.pipeline.failure import MOST_LETTERS, cause_of
from databricks_utils.streaming import EventAlerts
from databricks_utils.streaming.failure import described


@pytest.fixture(autouse=True, scope="module")
def _forgotten_afterwards() -> Iterator[None]:
    """What these tests conceal, made-up texts that stand anywhere, is shown again to the tests after them."""
    before = redaction._concealed
    yield
    redaction._concealed = before


def asking(rows: DataFrame, *, pepper: str, strict: bool, least: int = 1, unused: str = "") -> DataFrame:
    return rows


def configuration(**sections: Any) -> Configuration:
    places = {name: name for name in ("landing", "checkpoints", "reports")}
    return Configuration.model_validate({"environment": "test", "catalog": "c", "storage": places, **sections})


PIPELINE = Pipeline(
    "shop",
    Bronze("orders", source=Files("orders")),
    Silver("orders", reads="bronze.orders", transform=asking),
    Gold("sums", reads="silver.orders"),
)
HELD: dict[str, dict[str, Any]] = {"secrets": {"pepper": "secret://shop/pepper"}, "feature_flags": {"strict": True}}


def test_parameters_flags_and_secrets_are_found_in_their_sections() -> None:
    assert argument_problems(PIPELINE, configuration(**HELD)) == []


def test_what_is_lacking_is_told_with_the_line_of_the_definition_and_what_is_close() -> None:
    close = configuration(secrets={"peper": "secret://shop/pepper"})

    pepper, strict = argument_problems(PIPELINE, close)

    assert "asking asks for 'pepper', which the configuration lacks" in str(pepper)
    assert "test_arguments.py:" in str(pepper)
    assert "Did you mean peper?" in str(pepper)
    assert "asking asks for 'strict'" in str(strict)


@pytest.mark.parametrize("name", ["strict", "pepper", "least"])
def test_a_name_in_two_sections_is_refused(name: str) -> None:
    sections: dict[str, dict[str, Any]] = {**HELD, "parameters": {name: 1}}
    sections["feature_flags"] = {"strict": True, name: True}

    (problem,) = argument_problems(PIPELINE, configuration(**sections))

    assert f"asks for {name!r}, which the configuration has twice" in str(problem)
    assert "parameters and feature_flags" in str(problem)


def test_alerts_of_single_events_are_looked_at_too() -> None:
    def telling(sales: DataFrame, *, limit: int) -> DataFrame:
        return sales

    alerts = EventAlerts("large", reads="silver.sales", transform=telling)

    (problem,) = argument_problems([alerts], configuration())

    assert "telling asks for 'limit'" in str(problem)
    assert f"{Path(__file__).name}:" in str(problem)


def test_a_secret_is_a_text_that_does_not_show_itself() -> None:
    secret = Secret("canary-1")

    assert secret == "canary-1"
    assert "canary" not in repr({"pepper": secret})


@given(st.text(min_size=LEAST_SECRET, max_size=30))
def test_no_way_of_writing_a_secret_is_shown(drawn: str) -> None:
    # What this process conceals it conceals in other tests too, so it must be like nothing else.
    secret = f"\u29c9{drawn}"
    conceal(secret)

    for written in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], html.escape(secret)):
        for hide in (concealed, redacted):
            shown = hide(f"<{written}>")
            assert written not in shown
            assert MASK in shown


@pytest.mark.parametrize("cut", [cause_of, first_line, described])
def test_no_half_of_a_secret_is_left_where_a_message_is_cut(cut: Callable[[Exception], str]) -> None:
    secret = "first half\nsecond half " + "of a long one" * 20
    conceal(secret)

    for before in (0, MOST_LETTERS - 30, MOST_LETTERS - 5):
        said = cut(RuntimeError("x" * before + secret))
        assert "half" not in said
        assert "of a long" not in said


def test_a_value_that_stands_in_any_text_by_chance_is_left_alone() -> None:
    conceal("order")

    assert concealed("5 orders") == "5 orders"
