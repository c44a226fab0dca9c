"""What no arriving text can become is said before Spark starts, with the line of the contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from databricks_utils.contracts import Column, Contract, read_contract, scaffold_contract
from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.medallion import Bronze, Files, Pipeline, Silver, check_pipeline
from databricks_utils.streaming import StreamBronze, StreamPipeline, StreamSilver, Watermark
from databricks_utils.streaming.agreement import check_streams
from databricks_utils.streaming.source import NEEDED

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


@pytest.mark.parametrize("delimiter", ["", "||", r"\t", '"', "\\", "\n", "\r", "\0"])
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


@pytest.mark.parametrize(
    ("layer", "columns", "said", "advice"),
    [
        ("bronze", ["_ingestion_dat"], "clusterBy names '_ingestion_dat', which is no column", "mean _ingestion_date?"),
        ("silver", ["_topic"], "clusterBy names '_topic', which is no column", "Technical columns: _source_file, "),
        ("silver", ["_validation_warnings"], "by _validation_warnings, which is ARRAY<STRING>", "Take another column"),
        ("silver", ["_is_valid"], "by _is_valid, which is BOOLEAN", "Take another column"),
    ],
)
def test_clustering_by_technical_columns_is_checked_with_its_line(
    layer: str, columns: list[str], said: str, advice: str, tmp_path: Path
) -> None:
    found = {name: scaffold_contract(name, "orders") for name in ("bronze", "silver")}
    found[layer] += f"customProperties:\n  - property: clusterBy\n    value: {columns}\n"
    for name, text in found.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "orders.yaml").write_text(text, encoding="utf-8")

    (problem,) = problems_of(ORDERS, *(read_contract(tmp_path / name / "orders.yaml") for name in found))

    line = len(found[layer].splitlines())
    assert (said in problem, advice in problem, f"{layer}/orders.yaml:{line}" in problem) == (True, True, True), problem


def test_a_technical_column_behind_those_with_statistics_clusters_nothing() -> None:
    wide = [Column(f"c{number}", "STRING") for number in range(31)]
    bronze = replace(orders("bronze", *wide), cluster_by=("_ingestion_date",))

    (problem,) = problems_of(ORDERS, bronze, orders("silver", Column("c1", "INT")))

    assert "_ingestion_date has none: it comes after 31 columns" in problem
    check_pipeline(
        ORDERS,
        {
            "bronze.orders": replace(bronze, cluster_by=("_ingestion_timestamp",)),
            "silver.orders": orders("silver", Column("c1", "INT")),
        },
    )


def test_a_freshness_by_a_technical_column_that_is_none_is_refused() -> None:
    silver = replace(orders("silver", Column("id", "INT")), freshness_column="_processing_time", freshness_hours=1)

    (problem,) = problems_of(ORDERS, orders("bronze", Column("id", "STRING")), silver)

    assert "names '_processing_time', which is no date or time of silver.orders" in problem
    assert "Did you mean _processing_timestamp?" in problem


def test_streams_know_technical_columns_of_their_own() -> None:
    silver = replace(orders("silver", Column("id", "INT", primary_key=True), Column("at", "TIMESTAMP")), key=("id",))
    stream = StreamPipeline(
        "orders",
        StreamBronze("orders", topic="o"),
        StreamSilver("orders", reads="bronze.orders", watermark=Watermark("at", "1 minute")),
    )
    received = [Column(name, "STRING") for name in NEEDED]

    def said(name: str) -> list[str]:
        found = {"bronze.orders": orders("bronze", *received), "silver.orders": replace(silver, cluster_by=(name,))}
        try:
            check_streams(stream, found)
        except InputProblems as error:
            return [str(problem) for problem in error.problems]
        return []

    assert said("_arrived_at") == []
    assert "clusterBy names '_arrived', which is no column" in said("_arrived")[0]
