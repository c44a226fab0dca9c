"""Plans that are as they should be, and for each way to be slow one that is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from databricks_utils.testing.plans import assert_plan, empty_source, plan_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Sources = tuple["DataFrame", "DataFrame"]
BOTH = {"orders": 1, "customers": 1}


@pytest.fixture
def sources(spark: SparkSession, tmp_path: Path) -> Sources:
    """Return orders and customers, of which there are no rows but might be many."""
    orders = empty_source(spark, tmp_path / "orders", "order_id BIGINT, customer_id BIGINT, amount INT, day DATE")
    customers = empty_source(spark, tmp_path / "customers", "customer_id BIGINT, city STRING, since DATE")
    return orders, customers


def broadcast_join(orders: DataFrame, customers: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    return orders.join(F.broadcast(customers.select("customer_id", "city")), "customer_id", "left")


def every_order_with_every_customer(orders: DataFrame, customers: DataFrame) -> DataFrame:
    return orders.crossJoin(customers.drop("customer_id"))


def a_range_without_a_key(orders: DataFrame, customers: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    return orders.join(F.broadcast(customers.select("since", "city")), F.expr("day >= since"), "left")


def a_function_in_python(orders: DataFrame, customers: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    doubled = F.udf(lambda amount: amount * 2, "INT")
    return broadcast_join(orders, customers).withColumn("doubled", doubled("amount"))


def groups_in_pandas(orders: DataFrame, customers: DataFrame) -> DataFrame:
    joined = broadcast_join(orders, customers).select("city", "amount")
    return joined.groupBy("city").applyInPandas(lambda group: group, "city STRING, amount INT")


def a_join_without_its_hint(orders: DataFrame, customers: DataFrame) -> DataFrame:
    return orders.join(customers.select("customer_id", "city"), "customer_id", "left")


def a_source_read_twice(orders: DataFrame, customers: DataFrame) -> DataFrame:
    return broadcast_join(orders, customers).join(orders.groupBy("customer_id").count(), "customer_id")


def the_large_side_broadcast(orders: DataFrame, customers: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    return broadcast_join(F.broadcast(orders), customers).join(F.broadcast(orders.select("order_id")), "order_id")


def test_a_good_plan_passes_in_a_session_whose_settings_stay(spark: SparkSession, sources: Sources) -> None:
    before = spark.conf.get("spark.sql.autoBroadcastJoinThreshold")

    assert_plan(broadcast_join(*sources), reads=BOTH, broadcasts=["customers"])

    assert spark.conf.get("spark.sql.autoBroadcastJoinThreshold") == before


@pytest.mark.parametrize(
    ("slow", "found"),
    [
        (every_order_with_every_customer, "every row is compared with every row: CartesianProduct"),
        (a_range_without_a_key, "every row is compared with every row: BroadcastNestedLoopJoin"),
        (a_function_in_python, "rows go through Python: BatchEvalPython"),
        (groups_in_pandas, "rows go through Python: FlatMapGroupsInPandas"),
        (a_join_without_its_hint, "it broadcasts nothing, expected customers"),
        (a_source_read_twice, "it reads customers 1 x, orders 2 x, expected customers 1 x, orders 1 x"),
        (the_large_side_broadcast, "it broadcasts customers, orders, expected customers"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_slow_plan_is_found_and_shown(
    slow: Callable[[DataFrame, DataFrame], DataFrame], found: str, sources: Sources
) -> None:
    with pytest.raises(AssertionError) as raised:
        assert_plan(slow(*sources), reads=BOTH, broadcasts=["customers"])

    assert found in str(raised.value)
    assert "+- " in str(raised.value)


def test_a_source_that_the_optimiser_can_do_without_is_not_read(sources: Sources) -> None:
    from pyspark.sql import functions as F

    orders, customers = sources
    known = customers.groupBy("customer_id").agg(F.max("city").alias("city"))

    kept = orders.join(known, "customer_id", "left").select("order_id")

    assert plan_of(kept).reads == {"orders": 1}


def test_a_table_is_named_by_its_folder(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(3).write.format("delta").save(str(tmp_path / "my numbers"))

    plan = plan_of(spark.read.format("delta").load(str(tmp_path / "my numbers")).where("id > 1"))

    assert plan.reads == {"my numbers": 1}
