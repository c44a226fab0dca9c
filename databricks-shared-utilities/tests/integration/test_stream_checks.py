"""Rules about whole tables of streams, at the end of a run and by themselves; thresholds of what came lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

import pytest
from little_tills import TILLS, closed, land, opened, payment, ran, sale
from pyspark.sql import SparkSession

from databricks_utils.data_quality import RuleResult
from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult, RunStore
from databricks_utils.streaming import check_tables
from databricks_utils.streaming.thresholds import rules_of_events

TABLES = ["bronze.payments", "silver.payments", "gold.paid_sales", "bronze.sales", "silver.sales", "gold.store_minutes"]
Outcomes = dict[tuple[str, str], tuple[bool, str, int, int]]


@dataclass(frozen=True)
class Season:
    """What rules said of tables that were filled, left alone, and then spoilt one after the other."""

    tills: Lakehouse
    first: RunResult
    second: RunResult
    unchecked: RunResult
    #: After one of four events was put aside, with limits for state that no stream keeps.
    judged: RunResult
    #: Of the same events, those that came from the end of the century on.
    later: tuple[RuleResult, ...]
    #: After a sale was erased that a payment refers to.
    dangling: RunResult
    #: After a row of silver was written a second time; there are no alerts yet.
    doubled: RunResult
    #: After a table was replaced by one that lacks what its rules name.
    strange: RunResult


@pytest.fixture(scope="module")
def season(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Season]:
    """Live through it once: filling tables takes most of the time, and each rule is spoilt in its own table."""
    tills = opened(spark, tmp_path_factory.mktemp("checks"))
    land(tills, "tills.sales", "1.jsonl", [sale(1, "10:00:05"), sale(2, "10:00:40")])
    land(tills, "tills.payments", "1.jsonl", [payment(1, "10:00:10"), payment(2, "10:00:50")])
    first, second = ran(tills, *TABLES), ran(tills, *TABLES[-3:])

    land(tills, "tills.sales", "2.jsonl", [sale(3, "10:00:50"), sale(4, "10:00:55", -1)])
    lenient = tills.configuration.streaming.model_copy(update={"check_tables": False})
    configuration = tills.configuration.model_copy(update={"streaming": lenient})
    unchecked = ran(Lakehouse(spark, configuration, tills.contracts), "bronze.sales", "silver.sales")

    thresholds = tills.configuration.streaming.thresholds.model_copy(update={"fail_state_bytes": 0})
    strict = tills.configuration.streaming.model_copy(update={"thresholds": thresholds})
    quality = tills.configuration.quality.model_copy(update={"minimum_score": 0.99})
    configuration = tills.configuration.model_copy(update={"streaming": strict, "quality": quality})
    tables = ["bronze.sales", "silver.sales"]
    judged = check_tables(Lakehouse(spark, configuration, tills.contracts), TILLS, tables=tables, run_id="judged")
    century = datetime(2100, 1, 1, tzinfo=timezone.utc)
    later = rules_of_events(tills, TILLS.silver("silver.sales"), century)
    spark.sql(f"DELETE FROM {tills.identifier('silver.sales_quarantine')}")

    silver, minutes = tills.identifier("silver.sales"), tills.identifier("gold.store_minutes")
    spark.sql(f"DELETE FROM {silver} WHERE sale_id = 's2'")
    dangling = check_tables(tills, TILLS, tables=["gold.paid_sales"])
    spark.sql(f"INSERT INTO {silver} SELECT * FROM {silver} WHERE sale_id = 's1'")
    doubled = check_tables(tills, TILLS, tables=["silver.sales", "gold.alerts"], run_id="look")
    spark.sql(f"DROP TABLE {minutes}")
    spark.sql(f"CREATE TABLE {minutes} (store_id INT) USING delta")
    strange = check_tables(tills, TILLS, tables=["silver.sales", "gold.store_minutes"])
    yield Season(tills, first, second, unchecked, judged, later, dangling, doubled, strange)
    closed(tills)


def outcomes(run: RunResult) -> Outcomes:
    return {
        (item.table, rule.rule): (rule.passed, rule.severity, rule.rows_checked, rule.rows_failed)
        for item in run.tables
        for rule in item.rules
    }


def kept(tills: Lakehouse, run_id: str) -> Outcomes:
    rows = tills.read("operations.quality_results").where(f"run_id = '{run_id}'").collect()
    return {(row.table_name, row.rule): (row.passed, row.severity, row.rows_checked, row.rows_failed) for row in rows}


def test_a_run_checks_what_it_has_written_and_later_only_its_age(season: Season) -> None:
    age = {("silver.sales", "freshness"): (False, "warning", 1, 1)}

    assert outcomes(season.first) == kept(season.tills, season.first.run_id)
    assert outcomes(season.first) == {
        ("silver.payments", "primary_key"): (True, "error", 2, 0),
        ("silver.sales", "primary_key"): (True, "error", 2, 0),
        ("gold.store_minutes", "primary_key"): (True, "error", 1, 0),
        ("gold.store_minutes", "not_empty"): (True, "error", 1, 0),
        ("gold.paid_sales", "primary_key"): (True, "error", 2, 0),
        ("gold.paid_sales", "sale_id_reference"): (True, "error", 2, 0),
        **age,
    }
    # The sales are of 2024: a warning, which no exit code tells.
    assert (season.first.exit_code, season.second.exit_code) == (0, 0)
    assert outcomes(season.second) == kept(season.tills, season.second.run_id) == age


def test_a_key_that_is_there_twice_breaches_and_is_kept_with_the_runs_name(season: Season) -> None:
    run, tills = season.doubled, season.tills

    assert (run.status, run.exit_code) == ("breached", 3)
    assert [(item.table, item.status, item.breaches) for item in run.tables] == [
        ("silver.sales", "succeeded", ("Rule primary_key is not met: 1 surplus rows, must be 0",)),
        ("gold.alerts", "skipped", ()),
    ]
    assert kept(tills, "look") == outcomes(run)
    # A look at the tables is no run: the last run stays the last.
    assert "look" not in [found.run_id for found in RunStore(tills.namespace).latest(tills.spark, 10)]


def test_a_row_that_refers_to_nothing_breaches_the_run_that_finds_it(season: Season) -> None:
    assert season.dangling.exit_code == 3
    assert outcomes(season.dangling)["gold.paid_sales", "sale_id_reference"] == (False, "error", 2, 1)


def test_checks_can_be_left_to_the_command(season: Season) -> None:
    written = {item.table: item.rows_written for item in season.unchecked.tables}

    assert written["silver.sales"] == 1
    assert outcomes(season.unchecked) == {}
    assert ("silver.sales", "primary_key") in outcomes(season.doubled)


def test_recent_events_and_newest_batches_are_held_to_thresholds(season: Season) -> None:
    run = season.judged
    bronze, silver = run.tables

    found = outcomes(run)
    assert run.exit_code == 3
    assert found == kept(season.tills, "judged")
    assert found["silver.sales", "invalid_share"] == (False, "error", 4, 1)
    assert found["silver.sales", "minimum_score"] == (False, "error", 0, 0)
    # Silver and its quarantine have reported, and the quarantine keeps no state and no watermark.
    assert found["silver.sales", "state_bytes"] == (False, "error", 2, 1)
    assert found["silver.sales", "watermark_delay_seconds"] == (False, "warning", 1, 1)
    assert found["bronze.sales", "state_bytes"] == (True, "warning", 1, 0)
    assert bronze.breaches == ()
    # Ten rules on four events, of which one breaks one.
    assert silver.breaches[:2] == (
        "Rule invalid_share is not met: 25.00% of the rows are invalid, more than 5.00%",
        "Rule minimum_score is not met: Quality score 0.9750 is below 0.9900",
    )
    assert "bytes of state are in memory, at most 0" in silver.breaches[2]


def test_events_of_another_time_are_not_judged(season: Season) -> None:
    assert season.later == ()


def test_a_rule_that_does_not_fit_its_table_fails_that_table_alone(season: Season) -> None:
    run = season.strange

    found = {item.table: (item.status, item.error) for item in run.tables}
    assert (run.exit_code, found["silver.sales"][0], found["gold.store_minutes"][0]) == (1, "succeeded", "failed")
    assert "A rule does not fit the table" in str(found["gold.store_minutes"][1])
