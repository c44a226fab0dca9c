"""Working all events off again, as the runbook says, leaves the tables of streams that were never disturbed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from little_tills import CONTRACTS, TILLS, closed, land, opened, rows, sale
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.contracts import read_contracts
from databricks_utils.errors import InvalidInput
from databricks_utils.medallion import Lakehouse
from databricks_utils.pipeline.flow import Transform
from databricks_utils.streaming import StreamGold, StreamPipeline, StreamSilver, Watermark, balances, run_streams

VISITS = CONTRACTS.with_name("till_visits")


def store_visits(sales: DataFrame) -> DataFrame:
    visits = sales.groupBy("store_id", F.session_window("event_time", "5 minutes").alias("visit"))
    counted = visits.agg(F.count(F.lit(1)).alias("sales"))
    return counted.withColumns({"visit_start": F.col("visit.start"), "visit_end": F.col("visit.end")})


def mistaken(sales: DataFrame) -> DataFrame:
    return sales.withColumn("store_id", F.expr("IF(store_id = 2, 102, store_id)"))


def pipeline(version: int, transform: Transform | None = None) -> StreamPipeline:
    """Return what the tills do with sales, and visits; silver is of a version."""
    lateness = Watermark("event_time", "10 minutes")
    silver = StreamSilver("sales", reads="bronze.sales", transform=transform, watermark=lateness, version=version)
    visits = StreamGold("store_visits", "silver.sales", store_visits, emits="finals")
    others = [TILLS.node(table) for table in ("bronze.sales", "gold.store_minutes", "gold.alerts")]
    return StreamPipeline("tills", silver, visits, *others)


WRONG, MENDED = pipeline(1, mistaken), pipeline(2)


@pytest.fixture
def tills(spark: SparkSession, lakehouse_folder: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, lakehouse_folder, {"max_files_per_batch": 100})
    yield Lakehouse(spark, lakehouse.configuration, {**lakehouse.contracts, **read_contracts(VISITS)})
    closed(lakehouse)


def worked_off(tills: Lakehouse, pipeline: StreamPipeline, *tables: str) -> None:
    run = run_streams(tills, pipeline, tables=tables)
    assert run.status == "succeeded", [table.error or table.breaches for table in run.tables]


def refused(tills: Lakehouse, about: str, *tables: str) -> list[str]:
    """Return the statements that a run names which would append rows a second time."""
    with pytest.raises(InvalidInput, match=f"^{about} would get the events of bronze.sales a second time") as error:
        run_streams(tills, MENDED, tables=tables)
    return re.findall(r"DELETE FROM [^;]+", str(error.value.hint))


def shown(tills: Lakehouse, table: str, *expressions: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in tills.read(table).selectExpr(*expressions).collect())


def minutes(tills: Lakehouse) -> list[tuple[object, ...]]:
    return shown(tills, "gold.store_minutes", "store_id", "date_format(minute, 'HH:mm')", "sales", "int(amount)")


def visits(tills: Lakehouse) -> list[tuple[object, ...]]:
    times = [f"date_format({name}, 'HH:mm:ss')" for name in ("visit_start", "visit_end")]
    return shown(tills, "gold.store_visits", "store_id", *times, "sales")


def test_a_replay_by_the_runbook_leaves_what_was_never_disturbed_leaves(tills: Lakehouse) -> None:
    land(tills, "tills.sales", "1.jsonl", [sale(1, "10:00:05", 120), sale(2, "10:00:40", 130, store=2)])
    again = sale(4, "11:00:30", 150, store=2)
    land(
        tills, "tills.sales", "2.jsonl", [sale(3, "11:00:00"), again, again, sale(5, "11:01:10"), sale(6, "11:01", "x")]
    )
    worked_off(tills, WRONG)
    assert {store for store, *_ in minutes(tills)} == {1, 102}

    statements = refused(tills, r"silver\.sales and silver\.sales_quarantine")
    # Silver, its quarantine, and both gold tables that read it; the alerts stay.
    assert len(statements) == 4
    for statement in statements:
        tills.spark.sql(statement)
    worked_off(tills, MENDED)

    # The visits at 11 are open still, and so are the minutes.
    assert visits(tills) == [(1, "10:00:05", "10:05:05", 1), (2, "10:00:40", "10:05:40", 1)]
    assert minutes(tills) == [
        *[(1, "10:00", 1, 120), (1, "11:00", 1, 5), (1, "11:01", 1, 5)],
        *[(2, "10:00", 1, 130), (2, "11:00", 1, 150)],
    ]

    # More of the same minutes and visits, and a sale that ends them.
    more = [sale(7, "11:01:40"), sale(8, "11:00:50", store=2), sale(9, "12:00:00")]
    land(tills, "tills.sales", "3.jsonl", more)
    worked_off(tills, MENDED)

    assert rows(tills, "silver.sales", "sale_id") == [(f"s{number}",) for number in (1, 2, 3, 4, 5, 7, 8, 9)]
    assert shown(tills, "silver.sales_quarantine", "get_json_object(record, '$.sale_id')") == [("s6",)]
    assert visits(tills) == [
        *[(1, "10:00:05", "10:05:05", 1), (1, "11:00:00", "11:06:40", 3)],
        *[(2, "10:00:40", "10:05:40", 1), (2, "11:00:30", "11:05:50", 2)],
    ]
    assert minutes(tills) == [
        *[(1, "10:00", 1, 120), (1, "11:00", 1, 5), (1, "11:01", 2, 10), (1, "12:00", 1, 5)],
        *[(2, "10:00", 1, 130), (2, "11:00", 2, 155)],
    ]
    assert [(item.lost, item.doubled) for item in balances(tills, MENDED)] == [(0, 0)]
    # What was told stays told, under the wrong store too; what is new is told.
    told = [f"{store}|2024-01-05T{time}" for store, time in ((102, "10:00"), (102, "11:00"), (1, "10:00"))]
    new = [f"2|2024-01-05T{time}" for time in ("10:00", "11:00")]
    assert [alert for (alert,) in rows(tills, "gold.alerts", "alert_id")] == [*told, *new]


def test_what_bronze_no_longer_has_stays_in_silver(tills: Lakehouse) -> None:
    tables = ["bronze.sales", "silver.sales"]
    for number in (1, 2):
        land(tills, "tills.sales", f"{number}.jsonl", [sale(number, "10:00:00")])
        worked_off(tills, WRONG, "bronze.sales")
    worked_off(tills, WRONG, "silver.sales")
    tills.spark.sql(f"DELETE FROM {tills.identifier('bronze.sales')} WHERE string(value) LIKE '%s1%'")

    (statement,) = refused(tills, r"silver\.sales", *tables)
    tills.spark.sql(statement)

    assert rows(tills, "silver.sales", "sale_id") == [("s1",)]
    worked_off(tills, MENDED, *tables)
    assert rows(tills, "silver.sales", "sale_id") == [("s1",), ("s2",)]
