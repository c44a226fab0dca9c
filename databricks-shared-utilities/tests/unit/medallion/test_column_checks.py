"""What no arriving text can become is said before Spark starts, with the line of the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from databricks_utils.contracts import Column, Contract, read_contract, scaffold_contract
from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.medallion import Bronze, Files, Pipeline, Silver, check_pipeline
from databricks_utils.streaming import StreamBronze, StreamPipeline, StreamSilver

ORDERS = Pipeline("orders", Bronze("orders", source=Files("orders")), Silver("orders", reads="bronze.orders"))
STREAM = StreamPipeline("orders", StreamBronze("orders", topic="o"), StreamSilver("orders", reads="bronze.orders"))
EVENTS = (Column("value", "BINARY"),)


def orders(layer: str, *columns: Column) -> Contract:
    return Contract(layer, "orders", "1.0.0", "active", "", "", columns, path=Path(f"{layer}/orders.yaml"))


def problems_of(pipeline: Pipeline | StreamPipeline, *contracts: Contract) -> list[str]:
    with pytest.raises(InputProblems) as caught:
        check_pipeline(pipeline, {contract.name: contract for contract in contracts})
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("file_format", ["parquet", "CSV", "xml", ""])
def test_files_of_another_format_are_refused_when_they_are_defined(file_format: str) -> None:
    with pytest.raises(InvalidInput, match=f"Files of format {file_format!r} are not read"):
        Files("orders", format=file_format)


@pytest.mark.parametrize("delimiter", ["", "||", r"\t", '"', "\n", "\r", "\0"])
def test_what_cannot_separate_fields_is_refused_when_it_is_defined(delimiter: str) -> None:
    with pytest.raises(InvalidInput, match="cannot separate fields"):
        Files("orders", delimiter=delimiter)


def test_bronze_of_files_is_text_and_the_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bronze" / "orders.yaml"
    path.parent.mkdir()
    path.write_text(scaffold_contract("bronze", "orders").replace("STRING", "INT"), encoding="utf-8")

    (problem,) = problems_of(ORDERS, read_contract(path), orders("silver", Column("id", "INT")))

    assert "keeps files as they were received, and id is INT" in problem
    assert "orders.yaml:18, column id" in problem


def test_columns_that_no_text_can_be_cast_to_are_named_in_batch_and_streams() -> None:
    tags = orders("silver", Column("id", "INT"), Column("tags", "ARRAY<STRING>"))

    (batch,) = problems_of(ORDERS, orders("bronze", Column("id", "STRING"), Column("tags", "STRING")), tags)
    (stream,) = problems_of(STREAM, orders("bronze", *EVENTS), tags)

    assert "tags is ARRAY<STRING>, which no text can be cast to" in batch
    assert batch == stream


def test_a_column_that_the_transformation_makes_may_have_any_type() -> None:
    made = orders("silver", Column("id", "INT"), Column("tags", "ARRAY<STRING>"))
    split = orders("silver", Column("tags", "ARRAY<STRING>", transform="split(text)"))

    check_pipeline(ORDERS, {"bronze.orders": orders("bronze", Column("id", "STRING")), made.name: made})
    check_pipeline(STREAM, {"bronze.orders": orders("bronze", *EVENTS), split.name: split})


def test_names_in_files_stand_in_the_contract_of_the_table_that_reads_them() -> None:
    priced = orders("silver", Column("price", "INT", received_as="price (EUR)"))

    (problem,) = problems_of(ORDERS, orders("bronze", Column("price", "STRING")), priced)

    assert "silver.orders reads a table and no files" in problem
    check_pipeline(STREAM, {"bronze.orders": orders("bronze", *EVENTS), priced.name: priced})


def test_one_received_column_of_an_event_has_one_key() -> None:
    price = Column("price", "INT", received_as="price (EUR)")
    text = Column("price_text", "STRING", sources=("bronze.orders.price",), source_column="price")

    (problem,) = problems_of(STREAM, orders("bronze", *EVENTS), orders("silver", price, text))

    assert "price is read from two keys, 'price (EUR)' and None" in problem
