"""What streams can read besides files and brokers: a Delta table, generated numbers, and Auto Loader's own words."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from little_tills import TILLS, closed, land, opened, ran, rows, sale
from pyspark.sql import SparkSession

from databricks_utils.streaming import balances, run_streams
from databricks_utils.streaming.source import received_events


def test_a_delta_table_is_a_source_whose_rows_come_once_and_whose_deletions_are_passed_over(
    spark: SparkSession, lakehouse_folder: Path
) -> None:
    tills = opened(spark, lakehouse_folder, {"source": "delta"})
    folder = f"{tills.configuration.storage.landing}/tills.sales"

    def add(*events: object) -> None:
        frame = spark.createDataFrame([(json.dumps(event), "other") for event in events], "value STRING, more STRING")
        frame.write.format("delta").mode("append").save(folder)

    add(sale(1, "10:00:05"), sale(2, "10:00:40"))
    ran(tills, "bronze.sales")
    spark.sql(f"DELETE FROM delta.`{folder}` WHERE value LIKE '%s1%'")
    add(sale(3, "10:01:10"))

    run = ran(tills, "bronze.sales", "silver.sales")

    columns = ("topic", "_source_system", "key", "partition", "offset", "timestamp", "_source_file")
    assert set(rows(tills, "bronze.sales", *columns)) == {("tills.sales", "delta", *[None] * 5)}
    assert rows(tills, "silver.sales", "sale_id") == [("s1",), ("s2",), ("s3",)]
    assert [table.rows_read for table in run.tables] == [1, 3]
    closed(tills)


def test_generated_numbers_come_at_their_rate_and_none_is_an_event_of_the_contract(
    spark: SparkSession, lakehouse_folder: Path
) -> None:
    configuration = {"source": "rate", "rate_per_second": 20, "trigger": "processing_time", "interval_seconds": 0.1}
    tills = opened(spark, lakehouse_folder, configuration)
    seen: set[str] = set()
    tables = ["bronze.sales", "silver.sales"]

    run = run_streams(tills, TILLS, tables=tables, on_progress=seen.update, until=lambda: "bronze.sales" in seen)

    assert [table.error for table in run.tables] == [None, None]
    numbers = [json.loads(bytes(value))["number"] for (value,) in tills.read("bronze.sales").select("value").collect()]
    (balance,) = balances(tills, TILLS, ["silver.sales"])
    # Every second brings as many as the rate says.
    assert sorted(numbers) == list(range(len(numbers)))
    assert len(numbers) % 20 == 0
    assert (balance.received, balance.invalid, balance.lost, balance.doubled) == (len(numbers), len(numbers), 0, 0)
    assert tills.read("silver.sales").isEmpty()
    closed(tills)


class CloudFiles:
    """Takes the options of Auto Loader, which only Databricks has, and reads the same files once."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark, self.said = spark, dict[str, str]()

    def format(self, name: str) -> CloudFiles:
        self.said["format"] = name
        return self

    def options(self, **options: str) -> CloudFiles:
        self.said |= options
        return self

    def schema(self, text: str) -> CloudFiles:
        self.said["schema"] = text
        return self

    def load(self, folder: str) -> Any:
        return self.spark.read.format("text").schema(self.said["schema"]).load(folder)


def test_auto_loader_is_asked_for_lines_of_text_and_gives_bronze_the_columns_of_every_source(
    spark: SparkSession, lakehouse_folder: Path
) -> None:
    tills = opened(spark, lakehouse_folder, {"source": "auto_loader", "max_files_per_batch": 7})
    land(tills, "tills.sales", "1.jsonl", ["one", "two"])
    reader = CloudFiles(spark)
    databricks: Any = SimpleNamespace(configuration=tills.configuration, spark=SimpleNamespace(readStream=reader))
    bronze: Any = TILLS.node("bronze.sales")

    lines = received_events(databricks, bronze)

    # Source: Databricks documentation, "Auto Loader options".
    assert reader.said == {
        "format": "cloudFiles",
        "cloudFiles.format": "text",
        "cloudFiles.maxFilesPerTrigger": "7",
        "schema": "value STRING",
    }
    received = ["key", "value", "topic", "partition", "offset", "timestamp"]
    assert lines.columns == [*received, "_source_file", "_timestamp_type"]
    found = sorted((bytes(row.value), row.topic, Path(row._source_file).name) for row in lines.collect())
    assert found == [(b"one", "tills.sales", "1.jsonl"), (b"two", "tills.sales", "1.jsonl")]
