"""What streams remember, as text: it changes with what a checkpoint would not fit, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from little_tills import TILLS, closed, configured, contracts, paid_sales, store_minutes
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.errors import InvalidInput
from databricks_utils.medallion import Lakehouse
from databricks_utils.streaming import StreamGold, StreamPipeline, StreamSilver, Watermark, stream_states


@pytest.fixture(scope="module")
def tills(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    lakehouse = Lakehouse(spark, configured(tmp_path_factory.mktemp("state"), "state", None), contracts())
    yield lakehouse
    closed(lakehouse)


@pytest.fixture
def planned(tills: Lakehouse, spark_mode: str) -> Callable[..., dict[str, list[str]]]:
    """Return a function from nodes that take the place of the tills' to what the streams remember."""
    if spark_mode != "classic":
        pytest.skip("a client of Connect cannot see a plan: it has a test of its own")

    def of(*changed: StreamSilver | StreamGold) -> dict[str, list[str]]:
        others = [node for node in TILLS if node.table not in {item.table for item in changed}]
        found = stream_states(tills, StreamPipeline("tills", *changed, *others))
        return {state.table: list(state.remembers) for state in found}

    return of


Planned = Callable[..., dict[str, list[str]]]


def gold(name: str, transform: Callable[..., DataFrame]) -> StreamGold:
    node = TILLS.node(f"gold.{name}")
    assert isinstance(node, StreamGold)
    return replace(node, transform=transform)


def test_what_is_remembered_is_written_in_words(planned: Planned) -> None:
    # The same on every Spark, since it is committed with a project whose runtime is upgraded.
    assert planned() == {
        "silver.sales": [
            "reads bronze.sales",
            "watermark of event_time: 15 minutes 1 seconds",
            "one row for each sale_id STRING",
        ],
        "silver.payments": [
            "reads bronze.payments",
            "watermark of event_time: 15 minutes 1 seconds",
            "one row for each payment_id STRING",
        ],
        "gold.store_minutes": [
            "reads silver.sales",
            "gives updates",
            "watermark of event_time: 15 minutes 1 seconds",
            "groups by store_id INT, window",
            "windows of 60 seconds",
            "keeps count(1) BIGINT, sum(amount) DECIMAL(20,2)",
        ],
        "gold.paid_sales": [
            "reads silver.sales, silver.payments",
            "gives finals",
            "watermark of event_time: 15 minutes 1 seconds",
            "watermark of event_time: 15 minutes 1 seconds",
            "joins INNER on (sale_id = paid_sale) AND (paid_at >= event_time) AND (paid_at <= CAST(event_time + "
            "INTERVAL '01' MINUTE AS TIMESTAMP))",
            "keeps of the left amount DECIMAL(10,2), event_time TIMESTAMP, sale_id STRING",
            "keeps of the right paid DECIMAL(10,2), paid_at TIMESTAMP, paid_sale STRING",
        ],
    }


def longer(sales: DataFrame) -> DataFrame:
    minutes = sales.groupBy("store_id", F.window("event_time", "5 minutes").alias("window"))
    sums = minutes.agg(F.count(F.lit(1)).alias("sales"), F.sum("amount").cast("decimal(18,2)").alias("amount"))
    return sums.withColumn("minute", F.col("window.start"))


def sliding(sales: DataFrame) -> DataFrame:
    minutes = sales.groupBy("store_id", F.window("event_time", "1 minute", "20 seconds").alias("window"))
    sums = minutes.agg(F.count(F.lit(1)).alias("sales"), F.sum("amount").cast("decimal(18,2)").alias("amount"))
    return sums.withColumn("minute", F.col("window.start"))


def in_sessions(sales: DataFrame) -> DataFrame:
    visits = sales.groupBy("store_id", F.session_window("event_time", "5 minutes").alias("window"))
    sums = visits.agg(F.count(F.lit(1)).alias("sales"), F.sum("amount").cast("decimal(18,2)").alias("amount"))
    return sums.withColumn("minute", F.col("window.start"))


def largest(sales: DataFrame) -> DataFrame:
    minutes = sales.groupBy("store_id", F.window("event_time", "1 minute").alias("window"))
    sums = minutes.agg(F.count(F.lit(1)).alias("sales"), F.max("amount").cast("decimal(18,2)").alias("amount"))
    return sums.withColumn("minute", F.col("window.start"))


def other_stores(sales: DataFrame) -> DataFrame:
    return store_minutes(sales.withColumn("store_id", F.expr("store_id % 100")))


@pytest.mark.parametrize(
    ("transform", "removed", "added"),
    [
        (longer, ["windows of 60 seconds"], ["windows of 300 seconds"]),
        # A moment lies in three of them: their distances from each other are named too.
        (sliding, ["windows of 60 seconds"], ["windows of 20 seconds, 40 seconds, 60 seconds"]),
        (in_sessions, ["windows of 60 seconds"], ["windows of 5 minutes"]),
        (
            largest,
            ["keeps count(1) BIGINT, sum(amount) DECIMAL(20,2)"],
            ["keeps count(1) BIGINT, max(amount) DECIMAL(10,2)"],
        ),
        (other_stores, ["groups by store_id INT, window"], ["groups by store_id INT ((store_id % 100)), window"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_window_an_aggregate_and_a_key_are_a_part_of_it(
    transform: Callable[[DataFrame], DataFrame], removed: list[str], added: list[str], planned: Planned
) -> None:
    before, now = planned()["gold.store_minutes"], planned(gold("store_minutes", transform))["gold.store_minutes"]
    if transform is in_sessions:
        before, now = ([line.replace("session_window", "window") for line in lines] for lines in (before, now))

    assert [line for line in before if line not in now] == removed
    assert [line for line in now if line not in before] == added


def test_how_late_an_event_may_be_is_a_part_of_it_wherever_its_watermark_is_taken_over(planned: Planned) -> None:
    later = replace(TILLS.silver("silver.sales"), watermark=Watermark("event_time", "30 minutes"))

    found = planned(later)

    line = "watermark of event_time: 35 minutes 1 seconds"
    behind = {"silver.sales", "gold.store_minutes", "gold.paid_sales"}
    assert {table for table, lines in found.items() if line in lines} == behind


def by_store(sales: DataFrame, payments: DataFrame) -> DataFrame:
    return paid_sales(sales, payments).withColumn("paid", F.expr("CAST(paid + store_id AS DECIMAL(10,2))"))


def with_a_column_nobody_reads(sales: DataFrame, payments: DataFrame) -> DataFrame:
    return paid_sales(sales, payments).withColumn("doubled", F.expr("store_id * 2"))


def outer(sales: DataFrame, payments: DataFrame) -> DataFrame:
    taken = payments.select(F.col("sale_id").alias("paid_sale"), F.col("event_time").alias("paid_at"), "paid")
    in_time = "sale_id = paid_sale AND paid_at BETWEEN event_time AND event_time + INTERVAL 1 MINUTE"
    return sales.join(taken, F.expr(in_time), "left")


def test_a_join_keeps_the_columns_that_are_read_later_and_no_others(planned: Planned) -> None:
    before = planned()["gold.paid_sales"]

    assert planned(gold("paid_sales", with_a_column_nobody_reads))["gold.paid_sales"] == before
    wider = planned(gold("paid_sales", by_store))["gold.paid_sales"]
    assert [line for line in wider if line not in before] == [
        "keeps of the left amount DECIMAL(10,2), event_time TIMESTAMP, sale_id STRING, store_id INT"
    ]
    assert any(
        line.startswith("joins LEFT OUTER on ") for line in planned(gold("paid_sales", outer))["gold.paid_sales"]
    )


def rounded(sales: DataFrame) -> DataFrame:
    return sales.withColumn("amount", F.expr("CAST(round(amount, 1) AS DECIMAL(10,2))"))


def filtered_afterwards(sales: DataFrame) -> DataFrame:
    return store_minutes(sales).where("sales > 0").withColumn("amount", F.expr("CAST(amount + 1 AS DECIMAL(18,2))"))


def test_what_passes_through_or_is_computed_afterwards_is_no_part_of_it(planned: Planned) -> None:
    silver = replace(TILLS.silver("silver.sales"), transform=rounded)

    assert planned(silver, gold("store_minutes", filtered_afterwards)) == planned()


def test_over_connect_the_error_says_what_to_take_instead(tills: Lakehouse, spark_mode: str) -> None:
    if spark_mode == "classic":
        assert stream_states(tills, TILLS)
        return
    with pytest.raises(InvalidInput, match="Spark Connect does not show it"):
        stream_states(tills, TILLS)
