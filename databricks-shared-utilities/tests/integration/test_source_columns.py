"""Where rows came from, and in which batch, is told by every table that still holds them one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from feature_shop import CONTRACTS, HOUSEHOLDS, REGISTRY
from little_shop import SECOND, SHOP, Undisturbed, closed, contents, land, landing, opened, succeeded
from little_tills import closed as tills_closed
from little_tills import land as land_events
from little_tills import opened as tills_opened
from little_tills import ran, sale
from pyspark.sql import SparkSession

from databricks_utils.contracts import create_table_sql, parse_schema
from databricks_utils.delta import TABLE_PROPERTIES, Namespace, create_table, set_comments, tables_of
from databricks_utils.features import FeatureRegistry, FeatureStore
from databricks_utils.medallion import Lakehouse, quarantine_of, run_pipeline
from databricks_utils.pipeline import technical
from databricks_utils.streaming.events import POSITION
from databricks_utils.streaming.writer import with_stamps

#: Technical columns of release 1.0.
SILVER = (
    "_source_file STRING, _ingestion_timestamp TIMESTAMP, _batch_id STRING, _is_valid BOOLEAN, "
    "_validation_warnings ARRAY<STRING>, _processing_timestamp TIMESTAMP"
)
QUARANTINE = (
    "record STRING, _validation_errors ARRAY<STRING>, _is_valid BOOLEAN, _rescued_data STRING, _corrupt_record STRING, "
    "_source_file STRING, _ingestion_timestamp TIMESTAMP, _batch_id STRING, _source_version BIGINT, "
    "_processing_timestamp TIMESTAMP"
)
PLACE = ", _topic STRING, _partition INT, _offset BIGINT, _arrived_at TIMESTAMP"


def made_before(lakehouse: Lakehouse, table: str, more: str = "") -> None:
    """Make a silver table and its quarantine as release 1.0 made them."""
    contract = lakehouse.contract(table)
    technical_then = parse_schema(SILVER + more)
    text = create_table_sql(contract, lakehouse.identifier(table), TABLE_PROPERTIES, technical=technical_then)
    create_table(lakehouse.spark, lakehouse.namespace, table, text)
    quarantine = parse_schema(QUARANTINE + more)
    create_table(lakehouse.spark, lakehouse.namespace, quarantine_of(table), schema=quarantine)


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    found = opened(spark, tmp_path)
    yield found
    closed(found)


def systems(lakehouse: Lakehouse, table: str) -> set[str]:
    return {row[0] for row in lakehouse.read(table).select("_source_system").distinct().collect()}


def test_silver_and_quarantine_made_by_an_earlier_release_gain_the_source_system(
    shop: Lakehouse, undisturbed: Undisturbed
) -> None:
    made_before(shop, "silver.orders")

    succeeded(run_pipeline(shop, SHOP))
    land(landing(shop), SECOND)
    succeeded(run_pipeline(shop, SHOP))

    for table in ("silver.orders", "silver.orders_quarantine", "silver.customers"):
        assert systems(shop, table) == {"files"}, table
        assert shop.read(table).columns[-1] == "_source_system"
    assert contents(shop) == undisturbed.second


def test_streams_into_tables_of_an_earlier_release_tell_the_source_system(spark: SparkSession, tmp_path: Path) -> None:
    tills = tills_opened(spark, tmp_path)
    made_before(tills, "silver.sales", PLACE)
    land_events(tills, "tills.sales", "1.jsonl", [sale(1, "10:00:05"), sale(2, "10:00:40"), "not json"])

    ran(tills, "bronze.sales", "silver.sales")

    for table in ("silver.sales", "silver.sales_quarantine"):
        assert systems(tills, table) == {tills.configuration.streaming.source}, table
        assert set(POSITION) < set(tills.read(table).columns)
    assert tills.read("silver.sales").count() == 2
    tills_closed(tills)


def test_rows_of_one_batch_share_an_id_where_the_engine_numbers_none(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.txt").write_text(f"{name}1\n{name}2\n")
    table = f"batches_{uuid4().hex[:8]}"

    rows = spark.readStream.option("maxFilesPerTrigger", 1).text(str(tmp_path / "in"))
    writer = with_stamps(rows, "tills", None).writeStream.format("delta").trigger(availableNow=True)
    writer.option("checkpointLocation", str(tmp_path / "checkpoint")).toTable(table).awaitTermination()

    found = {row.value: row for row in spark.table(table).collect()}
    spark.sql(f"DROP TABLE {table}")
    assert found["a1"]._batch_id == found["a2"]._batch_id
    assert len({row._batch_id for row in found.values()}) == 2
    micros = round(found["a1"]._ingestion_timestamp.timestamp() * 1_000_000)
    assert found["a1"]._batch_id == f"at-{micros}"


def test_comments_of_a_changed_contract_reach_the_table_once(shop: Lakehouse) -> None:
    contract = shop.contract("silver.orders")
    shop.ensure_table(contract, technical.columns("silver"))
    texts = {column.name: f"It's {column.name}; née" for column in contract.columns[:2]}
    columns = tuple(replace(column, description=texts.get(column.name, "")) for column in contract.columns)
    changed = replace(contract, description="New \\ words", columns=columns)
    later = Lakehouse(shop.spark, shop.configuration, {**shop.contracts, contract.name: changed})

    later.ensure_table(changed, technical.columns("silver"))
    version = later.version(contract.name)
    later.ensure_table(changed, technical.columns("silver"))

    stored = {field.name: field.metadata.get("comment") for field in later.read(contract.name).schema}
    assert {name: stored[name] for name in texts} == texts
    # Where the contract says nothing, what somebody wrote in the catalog stays.
    assert stored[columns[2].name] == (contract.columns[2].description or None)
    name = later.identifier(contract.name).replace("`", "")
    assert later.spark.catalog.getTable(name).description == "New \\ words"
    assert (version, later.version(contract.name)) == (3, 3)


def test_a_feature_described_in_other_words_tells_the_catalog(spark: SparkSession, tmp_path: Path) -> None:
    mark = uuid4().hex[:8]
    names = Namespace("spark_catalog", {"gold": f"gold_{mark}"}, tmp_path / "warehouse")
    FeatureStore(names, REGISTRY).ensure(spark, HOUSEHOLDS.name)
    column, feature, _ = next(iter(HOUSEHOLDS.outputs()))
    features = tuple(replace(item, description="Other.") if item is feature else item for item in HOUSEHOLDS.features)
    told = FeatureStore(names, FeatureRegistry([replace(HOUSEHOLDS, features=features)], CONTRACTS))

    told.ensure(spark, HOUSEHOLDS.name)

    stored = {
        field.name: field.metadata.get("comment") for field in spark.table(names.identifier(HOUSEHOLDS.name)).schema
    }
    assert stored[column].startswith("Other.")
    spark.sql(f"DROP SCHEMA gold_{mark} CASCADE")


def test_without_a_difference_no_comment_is_written(shop: Lakehouse) -> None:
    succeeded(run_pipeline(shop, SHOP, tables=["bronze.orders"]))
    contract, identifier = shop.contract("bronze.orders"), shop.identifier("bronze.orders")
    before = shop.version("bronze.orders")

    changed = set_comments(
        shop.spark, identifier, contract.description, {item.name: item.description for item in contract.columns}
    )

    assert (changed, shop.version("bronze.orders")) == ((), before)


def test_a_table_clustered_by_a_technical_column_is_made_and_filled(shop: Lakehouse) -> None:
    contract = shop.contract("bronze.orders")
    clustered = replace(contract, cluster_by=("_ingestion_date",))
    later = Lakehouse(shop.spark, shop.configuration, {**shop.contracts, contract.name: clustered})

    succeeded(run_pipeline(later, SHOP, tables=["bronze.orders"]))

    detail = later.spark.sql(f"DESCRIBE DETAIL {later.identifier('bronze.orders')}").select("clusteringColumns")
    assert detail.collect()[0][0] == ["_ingestion_date"]


def test_all_tables_are_found_by_folder_and_by_catalog(shop: Lakehouse) -> None:
    succeeded(run_pipeline(shop, SHOP, tables=["bronze.orders", "silver.orders"]))
    spark, names = shop.spark, shop.namespace
    by_catalog = replace(names, warehouse=None)
    spark.sql(f"CREATE VIEW {names.identifier('silver.seen')} AS SELECT 1 AS one")
    spark.sql(f"CREATE TABLE {names.identifier('silver.plain')} (one INT) USING parquet")

    found = tables_of(spark, names)

    assert {"bronze.orders", "silver.orders", "silver.orders_quarantine", "operations.pipeline_runs"} <= set(found)
    assert set(tables_of(spark, by_catalog)) == {table for table in found if shop.exists(table)}
    spark.sql(f"DROP TABLE {names.identifier('silver.plain')}")
