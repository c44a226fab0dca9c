"""The baskets of the streaming template are real, and the same command writes them again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from complete_journey import read_complete_journey
from pos_baskets import BASKETS, STORES, baskets

SHIPPED = (
    Path(__file__).parents[2]
    / "cookiecutter-streaming-pipeline"
    / "{{cookiecutter.project_slug}}"
    / "data"
    / "baskets.csv"
)


@pytest.fixture(scope="module")
def transactions() -> pd.DataFrame:
    return read_complete_journey().transactions


def test_the_shipped_file_is_what_the_script_writes(transactions: pd.DataFrame) -> None:
    written = baskets(transactions).to_csv(index=False, float_format="%.2f", lineterminator="\n")

    assert SHIPPED.read_text(encoding="utf-8") == written


def test_a_basket_is_worth_what_its_lines_are(transactions: pd.DataFrame) -> None:
    chosen = baskets(transactions)
    lines = transactions[transactions["basket_id"].isin(chosen["basket_id"])]

    assert len(chosen) == BASKETS
    assert chosen["store_id"].nunique() == STORES
    assert chosen["amount"].sum() == pytest.approx(lines["sales_value"].sum())
