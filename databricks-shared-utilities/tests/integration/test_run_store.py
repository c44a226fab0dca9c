"""Runs are kept as tables and come back as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import SparkSession

from databricks_utils.data_quality import RuleResult
from databricks_utils.delta import Namespace
from databricks_utils.observability import RunResult, RunStore, TableResult
from databricks_utils.observability.store import QUALITY, RUNS
from databricks_utils.observability.store import TABLES as TABLE_RUNS
from databricks_utils.observability.verdict import judged

MOMENT = datetime(2026, 3, 1, 5, 30, 15, 123456, tzinfo=timezone.utc)
ODD = 'can\'t "read" `x`\n\tline two \\ 東京 é 🛒 {} %s ${y} [/] \u2028 -- ; DROP TABLE runs'
RULES = (
    RuleResult("amount_range", "amount", "range", "error", 1000, 12, False, ODD, set_aside=True),
    RuleResult("primary_key", None, "unique", "error", 1000, 0, True),
)
TABLES = (
    TableResult(
        "silver.orders",
        "silver",
        "succeeded",
        MOMENT + timedelta(seconds=1),
        12.345,
        rows_read=1000,
        rows_valid=980,
        rows_written=970,
        rows_quarantined=12,
        rows_duplicate=8,
        rows_reprocessed=3,
        score=0.987654321,
        rules=RULES,
        breaches=("1.20% of the rows are invalid, more than 1.00%", ODD),
        target_version=7,
    ),
    TableResult("silver.shops", "silver", "skipped", MOMENT + timedelta(seconds=2), 0.5),
    TableResult("gold.sales", "gold", "failed", MOMENT + timedelta(seconds=3), 1.0, error=ODD),
    TableResult("gold.daily", "gold", "blocked", MOMENT + timedelta(seconds=3), 0.0, error="not run"),
)
RUN = RunResult("run-1", "shop", "dev", MOMENT, 20.25, TABLES, {"tables": "", "full_refresh": "true", "odd": ODD})


@pytest.fixture
def store(spark: SparkSession, schemas: Mapping[str, str]) -> RunStore:
    """Return a store with tables of the test's own."""
    return RunStore(Namespace("spark_catalog", schemas))


def test_a_store_without_runs_is_empty(spark: SparkSession, store: RunStore) -> None:
    assert store.latest(spark) == []


def test_runs_come_back_as_they_were_newest_first(spark: SparkSession, store: RunStore) -> None:
    second = replace(RUN, run_id="run-2", started_at=MOMENT + timedelta(hours=1), tables=TABLES[1:2], parameters={})

    store.save(spark, RUN)
    assert store.latest(spark) == [RUN]

    store.save(spark, second)
    newest, older = store.latest(spark, 5)
    assert newest == second
    # Outcomes of rules come with the newest run only.
    assert older == replace(RUN, tables=tuple(replace(table, rules=()) for table in TABLES))
    assert (newest.status, older.status) == ("succeeded", "failed")
    assert store.latest(spark, 1) == [second]

    counts = [len(table.read(spark, store.namespace)) for table in (RUNS, TABLE_RUNS, QUALITY)]
    assert counts == [2, 5, 2]
    head = spark.table(store.namespace.identifier("operations.pipeline_runs")).orderBy("started_at").first()
    assert head is not None
    assert (head.status, head.tables_succeeded, head.tables_failed) == ("failed", 2, 2)


def test_text_that_no_encoding_holds_does_not_lose_the_run(spark: SparkSession, store: RunStore) -> None:
    broken = "cannot open 'caf\udce9.csv'\x00"
    failed = replace(TABLES[2], error=broken, breaches=(broken,))

    store.save(spark, replace(RUN, tables=(failed,), parameters={"file": broken}))

    (kept,) = store.latest(spark)
    assert kept.tables[0].error == "cannot open 'caf?.csv'\x00"
    assert kept.tables[0].breaches == (kept.tables[0].error,)
    assert kept.parameters == {"file": kept.tables[0].error}


def test_tasks_under_one_name_are_one_run_and_a_repaired_table_counts_by_its_last_try_but_for_breaches(
    spark: SparkSession, store: RunStore
) -> None:
    silver, skipped, failed, _ = TABLES
    tasks = [
        replace(RUN, tables=(silver,), duration_seconds=10.0),
        replace(RUN, tables=(skipped,), started_at=MOMENT + timedelta(seconds=1), duration_seconds=1.0),
        replace(RUN, tables=(failed,), started_at=MOMENT + timedelta(seconds=2), duration_seconds=2.0),
    ]
    for task in tasks:
        store.save(spark, task)

    (joined,) = store.latest(spark, 5)
    assert joined.tables == (silver, skipped, failed)
    assert (joined.started_at, joined.duration_seconds) == (MOMENT, 13.0)
    assert joined.status == "failed"

    later = MOMENT + timedelta(hours=1)
    good = replace(failed, status="succeeded", error=None, started_at=later, rules=RULES[1:])
    again = replace(silver, started_at=later, rules=RULES[1:], breaches=())
    store.save(spark, replace(RUN, tables=(good, again), started_at=later))

    (repaired,) = store.latest(spark, 5)
    assert repaired.status == "breached"
    assert {table.table: table for table in repaired.tables} == {
        "silver.orders": replace(again, breaches=silver.breaches),
        "silver.shops": skipped,
        "gold.sales": good,
    }


def test_a_try_with_nothing_new_leaves_what_an_earlier_one_has_found(spark: SparkSession, store: RunStore) -> None:
    """Otherwise a task that is tried again would clear its own breach: nothing is new, so nothing seems wrong."""
    silver = replace(TABLES[0], warnings=("Rule freshness is not met",))
    store.save(spark, replace(RUN, tables=(silver,)))
    later = MOMENT + timedelta(minutes=5)
    skipped = replace(TABLES[1], table="silver.orders", started_at=later)
    store.save(spark, replace(RUN, tables=(skipped,), started_at=later, duration_seconds=1.0))

    for found in (store.named(spark, "run-1"), store.latest(spark)[0]):
        assert found is not None
        assert found.tables == (silver,)
        assert found.exit_code == 3
    assert store.named(spark, "run-2") is None
    assert store.named(spark, "' OR true --") is None


TABLE_NAMES = ("silver.orders", "silver.shops", "gold.sales")


@pytest.mark.parametrize(
    ("tables", "tasks", "code", "said"),
    [
        (TABLES[1:2] + TABLES[:1], {"report": "success"}, 1, "gold.sales"),
        ((*TABLES[:2], replace(TABLES[2], status="succeeded", error=None)), {"report": "success"}, 3, ""),
        ((*TABLES[:2], replace(TABLES[2], status="succeeded", error=None)), {"report": "upstream_failed"}, 1, "report"),
        ((*TABLES[:2], replace(TABLES[2], status="succeeded", error=None)), {"report": ""}, 1, "report"),
        (TABLES[:3], {}, 1, "gold.sales"),
        (
            (
                replace(TABLES[0], breaches=()),
                TABLES[1],
                replace(TABLES[2], status="skipped", error=None),
            ),
            {"report": "SUCCESS"},
            0,
            "",
        ),
        ((), {}, 1, "silver.orders"),
    ],
    ids=["missing", "breach", "task failed", "task without a state", "failed", "good", "nothing at all"],
)
def test_the_verdict_passes_over_nothing(
    spark: SparkSession,
    store: RunStore,
    tables: tuple[TableResult, ...],
    tasks: dict[str, str],
    code: int,
    said: str,
) -> None:
    if tables:
        store.save(spark, replace(RUN, tables=tables))

    found = judged(store, spark, "run-1", TABLE_NAMES, tasks, pipeline="shop", environment="dev")

    assert found.exit_code == code
    failed = [table.table for table in found.tables if table.status == "failed"]
    assert said in " ".join(failed)
    assert bool(failed) == (code == 1)


def test_a_table_of_an_earlier_version_gets_the_columns_it_lacks(spark: SparkSession, store: RunStore) -> None:
    store.save(spark, RUN)
    identifier = store.namespace.identifier("operations.table_runs")
    kept = spark.table(identifier).drop("rows_reprocessed", "breaches", "warnings")
    frame = spark.createDataFrame(kept.collect(), kept.schema)
    frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(identifier)

    second = replace(RUN, run_id="run-2", started_at=MOMENT + timedelta(hours=1))
    store.save(spark, second)

    newest = store.latest(spark)[0]
    assert newest == second
