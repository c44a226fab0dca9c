"""The pipeline definition checks itself and knows its order."""

from __future__ import annotations

import pytest

from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.medallion import Bronze, Files, Gold, Lookup, Pipeline, Silver

SALES = Bronze("sales", source=Files("sales"))
SHOPS = Bronze("shops", source=Files("shops", format="json"))


def test_tables_come_after_what_they_read_whatever_order_they_are_written_in() -> None:
    fact = Gold("fact", reads="silver.sales", lookups=[Lookup("silver.shops", on="shop_id")])
    pipeline = Pipeline(
        "p", fact, Silver("sales", reads="bronze.sales"), Silver("shops", reads="bronze.shops"), SALES, SHOPS
    )

    order = pipeline.tables

    for source, table in pipeline.edges:
        assert order.index(source) < order.index(table)
    assert set(order) == {"bronze.sales", "bronze.shops", "silver.sales", "silver.shops", "gold.fact"}


def test_a_selection_keeps_the_running_order() -> None:
    pipeline = Pipeline("p", SALES, Silver("sales", reads="bronze.sales"))

    assert [node.table for node in pipeline.selected(["silver.sales", "bronze.sales"])] == [
        "bronze.sales",
        "silver.sales",
    ]


def test_a_table_joined_with_the_one_read_is_waited_for_once_and_given_twice() -> None:
    table = Gold("pairs", reads="silver.sales", lookups=["silver.sales", Lookup("silver.shops")])

    assert table.inputs == ("silver.sales", "silver.shops")
    assert table.lookup_tables == ("silver.sales", "silver.shops")


def test_an_unknown_table_is_answered_with_those_there_are() -> None:
    pipeline = Pipeline("p", SALES)

    with pytest.raises(InvalidInput, match=r"no table 'silver\.sale'") as caught:
        pipeline.selected(["silver.sale"])

    assert "bronze.sales" in str(caught.value)


def test_all_mistakes_of_a_definition_are_reported_together() -> None:
    with pytest.raises(InputProblems) as caught:
        Pipeline("p", SALES, SALES, Silver("sales", reads="bronze.sale"))

    text = str(caught.value)
    assert "bronze.sales is defined twice" in text
    assert "silver.sales reads bronze.sale, which the pipeline does not define" in text


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((Silver("sales", "bronze.sales"), Silver("Sales", "bronze.sales")), "silver.Sales is defined twice"),
        (
            (Silver("Sales_Quarantine", "bronze.sales"), Silver("sales", "bronze.sales")),
            "silver.Sales_Quarantine is where the bad rows of silver.sales go",
        ),
    ],
)
def test_two_tables_that_a_catalog_would_take_for_one_are_refused(nodes: tuple[Silver, ...], said: str) -> None:
    with pytest.raises(InputProblems, match=said):
        Pipeline("p", SALES, *nodes)

    Pipeline("p", SALES, Silver("sales", "bronze.sales"), Gold("sales_quarantine", reads="silver.sales"))


def test_a_circle_is_named() -> None:
    with pytest.raises(InvalidInput, match="circle"):
        Pipeline("p", Gold("a", reads="gold.b"), Gold("b", reads="gold.a"))
