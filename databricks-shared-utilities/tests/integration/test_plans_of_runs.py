"""What Spark did for each statement of a whole run, and how it plans the steps that see every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from little_shop import SECOND, SHOP, closed, land, landing, opened, succeeded
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.medallion import Lakehouse, Silver, run_pipeline, timeline
from databricks_utils.medallion.scd import differences
from databricks_utils.medallion.silver import newest_by_key, prepare
from databricks_utils.pipeline import technical
from databricks_utils.testing.plans import Plan, assert_plan, empty_source, plan_of, read_plan


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


@contextmanager
def watched(spark: SparkSession) -> Iterator[list[Plan]]:
    """Collect the plans of all that Spark executes in the block, those of its own writers and merges among them."""
    internal = spark._jsparkSession.sharedState().statusStore()  # type: ignore[attr-defined]  # no public way to them
    described, found = "spark.sql.ui.explainMode", list[Plan]()
    (before, _), how = _newest(internal), spark.conf.get(described)
    spark.conf.set(described, "formatted")
    try:
        yield found
    finally:
        spark.conf.set(described, how)
    spark._jsparkSession.sparkContext().listenerBus().waitUntilEmpty()  # type: ignore[attr-defined]  # as above
    newest, executed = _newest(internal)
    assert newest > before, "nothing was executed"
    # The oldest ones are forgotten in a long session, so positions tell nothing, and numbers do.
    kept = [executed.apply(position) for position in range(executed.size())]
    found += [read_plan(one.physicalPlanDescription().partition("\n")[2]) for one in kept if one.executionId() > before]
    assert len(found) == newest - before, "some were forgotten before they were looked at"


def _newest(internal: Any) -> tuple[int, Any]:
    """Return the number of the newest statement, and all that are remembered."""
    executed = internal.executionsList()
    return (executed.last().executionId() if executed.size() else -1), executed


def slow(plans: list[Plan]) -> list[str]:
    return [plan.text for plan in plans if plan.python or plan.nested_loops]


def through_python(orders: DataFrame) -> DataFrame:
    return orders.select(F.udf(lambda number: number + 1, "BIGINT")("id").alias("next"))


def all_with_all(orders: DataFrame) -> DataFrame:
    return orders.join(orders.withColumnRenamed("id", "other"), F.expr("id < other"))


@pytest.mark.parametrize("way", [through_python, all_with_all])
def test_a_slow_statement_inside_of_another_is_seen(
    shop: Lakehouse, way: Callable[[DataFrame], DataFrame], tmp_path: Path, spark_mode: str
) -> None:
    _needs_a_classic_session(spark_mode)
    with watched(shop.spark) as plans:
        way(shop.spark.range(20)).write.format("delta").save(str(tmp_path / "slow"))

    assert len(slow(plans)) >= 1


def test_no_statement_of_a_run_goes_through_python_or_compares_every_row_with_every_row(
    shop: Lakehouse, spark_mode: str
) -> None:
    _needs_a_classic_session(spark_mode)
    with watched(shop.spark) as first:
        succeeded(run_pipeline(shop, SHOP))
    land(landing(shop), SECOND)
    with watched(shop.spark) as second:
        succeeded(run_pipeline(shop, SHOP))

    assert slow([*first, *second]) == []
    # The second run merges: a MERGE reads its table to find what matches, and no more often than Delta Lake must.
    merges = [plan for plan in second if plan.reads["fact_orders"] and any("Join" in step.name for step in plan.steps)]
    assert merges
    # Once as the table merged into; twice where slices of the facts are picked by those of them that changed.
    assert max(plan.reads["fact_orders"] for plan in merges) == 2


def _needs_a_classic_session(spark_mode: str) -> None:
    if spark_mode == "connect":
        pytest.skip("what a server has executed is not told to its clients")


def test_rows_are_typed_checked_and_labelled_in_one_scan(shop: Lakehouse, tmp_path: Path) -> None:
    assert_plan(_labelled(shop, tmp_path), reads={"orders": 1})


def test_the_newest_of_repeated_rows_are_found_in_one_scan_and_one_exchange(shop: Lakehouse, tmp_path: Path) -> None:
    contract = shop.contract("silver.orders")

    newest = newest_by_key(_labelled(shop, tmp_path).where("_is_valid"), contract, "revision")

    assert_plan(newest, reads={"orders": 1})
    assert _exchanges(newest) == 1


def test_a_history_is_made_in_one_scan_and_one_exchange_for_its_members(spark: SparkSession, tmp_path: Path) -> None:
    periods = _history(spark, tmp_path, "states")

    assert_plan(periods, reads={"states": 1})
    # By member and moment, then by member.
    assert _exchanges(periods) == 2


def test_histories_are_compared_in_one_scan_of_each(spark: SparkSession, tmp_path: Path) -> None:
    wanted, stored = _history(spark, tmp_path, "states"), _history(spark, tmp_path, "before")

    changes = differences(wanted, stored, ["customer_key"])

    # The periods that hold, and their keys against the stored ones.
    assert_plan(changes, reads={"states": 2, "before": 1})


def _labelled(shop: Lakehouse, folder: Path) -> DataFrame:
    node = next(node for node in SHOP.nodes if node.table == "silver.orders")
    assert isinstance(node, Silver)
    received = tuple(column.name for column in shop.contract("bronze.orders").columns)
    columns = ", ".join([*(f"{name} STRING" for name in received), *_technical()])
    bronze = empty_source(shop.spark, folder / "orders", columns)
    return prepare(bronze, shop.contract("silver.orders"), received, shop, node)


def _technical() -> Iterator[str]:
    for field in technical.columns("bronze"):
        yield f"{field.name} {field.dataType.simpleString()}"


def _history(spark: SparkSession, folder: Path, name: str) -> DataFrame:
    states = empty_source(spark, folder / name, "customer_id BIGINT, city STRING, seen_on DATE, gone BOOLEAN")
    return timeline(
        states,
        keys=["customer_id"],
        sequence_by="seen_on",
        attributes=["city"],
        delete_when="gone",
        key_column="customer_key",
    )


def _exchanges(frame: DataFrame) -> int:
    return sum(step.name.startswith("Exchange") for step in plan_of(frame).steps)
