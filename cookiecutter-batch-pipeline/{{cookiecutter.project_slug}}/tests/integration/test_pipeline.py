"""The job on real files, delivered in two parts, and the declarative pipeline, which must make the same tables."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from databricks_utils.delta import rows_at
from databricks_utils.medallion import Lakehouse, run_pipeline
from databricks_utils.observability import RunResult
from databricks_utils.testing.assertions import assert_frame
from pyspark import __version__ as spark_version
from pyspark.sql import DataFrame, SparkSession

from {{ cookiecutter.package_name }}.orchestration import pipeline_definition
from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE

ROOT = Path(__file__).resolve().parents[2]
Deliveries = tuple[RunResult, RunResult]
GOLD = [node.table for node in PIPELINE if node.layer == "gold"]
DECLARATIVE = tuple(map(int, spark_version.split(".")[:2])) >= (4, 1)
LONGEST_SECONDS = 600

# A process has either a classic session or Connect sessions, and the engine needs one of Connect.
PROGRAM = """
import sys
from pathlib import Path
from databricks_utils.testing.declarative import run_declarative

source, folder, project = map(Path, sys.argv[1:])
settings = dict()
settings["spark.databricks_utils.project"] = str(project)
settings["spark.databricks_utils.environment"] = "local"
with run_declarative(source, folder, configuration=settings, schemas=["bronze", "silver", "gold"]):
    pass
"""


def delivered_lines() -> list[dict[str, str]]:
    """Return the basket lines of the sample, read without Spark."""
    lines: list[dict[str, str]] = []
    for path in sorted(ROOT.glob("data/landing/transactions/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            lines += csv.DictReader(file)
    return lines


def versions(run: RunResult) -> dict[str, int | None]:
    return {result.table: result.target_version for result in run.tables}


def contents(lakehouse: Lakehouse, table: str, version: int | None = None) -> DataFrame:
    """Return the columns of the contract, now or at a version."""
    identifier = lakehouse.identifier(table)
    rows = lakehouse.read(table) if version is None else rows_at(lakehouse.spark, identifier, version)
    return rows.select(*[column.name for column in lakehouse.contract(table).columns])


@pytest.fixture(scope="session", autouse=True)
def declaring(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.Popen[bytes], Path] | None]:
    """Start the declarative pipeline on the sample beside the job: each leaves a core idle now and then."""
    wanted = any("declared" in getattr(item, "fixturenames", ()) for item in request.session.items)
    if not (DECLARATIVE and wanted):
        yield None
        return
    folder = tmp_path_factory.mktemp("declarative") / "run"
    source = Path(pipeline_definition.__file__).with_name("lakeflow.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (folder.parent / "said.log").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(source), str(folder), str(ROOT)],
            env={key: value for key, value in environment.items() if not key.startswith("SPARK_")},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    yield process, folder
    if process.poll() is None:  # an earlier test has failed; its Spark ends with it
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@pytest.fixture(scope="module")
def declared(declaring: tuple[subprocess.Popen[bytes], Path]) -> Path:
    """Return the folder of the tables that the declarative pipeline has made."""
    process, folder = declaring
    code = process.wait(LONGEST_SECONDS)
    assert code == 0, (folder.parent / "said.log").read_text(encoding="utf-8")
    return folder / "warehouse"


@pytest.fixture(scope="module")
def full_refresh(sample: Lakehouse, deliveries: Deliveries) -> RunResult:
    """Compute silver and gold anew over the tables that two deliveries have made."""
    return run_pipeline(sample, PIPELINE, full_refresh=True)


def test_the_first_and_the_second_delivery_run_without_a_breach(deliveries: Deliveries) -> None:
    first, second = deliveries

    assert [(run.status, run.exit_code) for run in (first, second)] == [("succeeded", 0), ("succeeded", 0)]
    assert [result.table for result in first.tables] == list(PIPELINE.tables)


def test_every_row_read_is_valid_quarantined_or_a_duplicate(deliveries: Deliveries) -> None:
    results = [result for run in deliveries for result in run.tables]

    assert [result.table for result in results if not result.balanced] == []


def test_bronze_reads_each_file_once_and_only_the_new_ones_the_second_time(deliveries: Deliveries) -> None:
    first, second = ({r.table: r.rows_written for r in run.tables if r.layer == "bronze"} for run in deliveries)

    assert first == {
        "bronze.transactions": 1906 - 203,
        "bronze.products": 1400,
        "bronze.households": 264 - 7,
        "bronze.campaigns": 291,
    }
    assert second == {
        "bronze.transactions": 203,
        "bronze.products": 77,
        "bronze.households": 7,
        "bronze.campaigns": 0,
    }


def test_the_fact_holds_the_lines_of_the_files(sample: Lakehouse, deliveries: Deliveries) -> None:
    lines = delivered_lines()

    totals = contents(sample, "gold.fact_sales").selectExpr(
        "count(*) AS lines", "sum(sales_value) AS sales_value", "sum(net_amount) AS net_amount"
    )

    value = sum((Decimal(line["sales_value"]) for line in lines), Decimal(0))
    coupons = sum((Decimal(line["coupon_disc"]) for line in lines), Decimal(0))
    assert_frame(totals, f"| lines | sales_value | net_amount |\n| {len(lines)} | {value} | {value - coupons} |")


def test_days_months_and_metrics_add_up_to_the_fact(sample: Lakehouse, deliveries: Deliveries) -> None:
    revenue = contents(sample, "gold.fact_sales").selectExpr("sum(net_amount)").collect()[0][0]
    metrics = contents(sample, "gold.business_metrics").where("metric_name = 'revenue'")

    assert contents(sample, "gold.agg_daily_sales").selectExpr("sum(net_amount)").collect()[0][0] == revenue
    assert contents(sample, "gold.agg_monthly_sales").selectExpr("sum(net_amount)").collect()[0][0] == revenue
    assert metrics.selectExpr("sum(metric_value)").collect()[0][0] == revenue


def test_every_key_of_the_fact_is_a_member_of_its_dimension(sample: Lakehouse, deliveries: Deliveries) -> None:
    fact = contents(sample, "gold.fact_sales")

    for table, key in (("dim_household", "household_key"), ("dim_product", "product_key"), ("dim_date", "date_key")):
        assert fact.join(sample.read(f"gold.{table}"), key, "left_anti").isEmpty(), table


def test_a_product_described_late_reaches_the_sales_made_before(sample: Lakehouse, deliveries: Deliveries) -> None:
    before, after = deliveries
    unknown = "department = 'UNKNOWN'"

    sales = [contents(sample, "silver.transactions", versions(run)["silver.transactions"]) for run in (before, after)]

    described = {json.loads(line)["product_id"] for line in products_of_the_second_delivery()}
    early = {row.product_id for row in sales[0].where(unknown).select("product_id").distinct().collect()}
    late = {row.product_id for row in sales[1].where(unknown).select("product_id").distinct().collect()}
    assert early & described
    assert not late & described


def products_of_the_second_delivery() -> list[str]:
    path = ROOT / "data" / "landing" / "products" / "products.jsonl"
    return path.read_text(encoding="utf-8").splitlines()[1400:]


def test_a_household_state_delivered_late_changes_the_sales_made_since(
    sample: Lakehouse, deliveries: Deliveries
) -> None:
    """Household 283 was known to earn more from July on; the late file says since 15 May, and it bought in June."""
    found = []
    for run in deliveries:
        fact = contents(sample, "gold.fact_sales", versions(run)["gold.fact_sales"])
        members = contents(sample, "gold.dim_household", versions(run)["gold.dim_household"])
        june = fact.where("household_id = 283 AND sale_date = '2017-06-28'").select("household_key")
        found.append(june.join(members, "household_key").select("income_band", "effective_start_date").distinct())

    assert_frame(found[0], "| income_band | effective_start_date |\n| 50-74K | 2017-01-01 |")
    assert_frame(found[1], "| income_band | effective_start_date |\n| 75-99K | 2017-05-15 |")


def test_a_run_with_nothing_new_skips_every_table_and_changes_none(sample: Lakehouse, deliveries: Deliveries) -> None:
    _, second = deliveries

    again = run_pipeline(sample, PIPELINE)

    assert {result.status for result in again.tables} == {"skipped"}
    assert versions(again) == versions(second)
    assert {table: sample.version(table) for table in PIPELINE.tables} == versions(second)


@pytest.mark.parametrize("table", GOLD)
def test_two_deliveries_give_the_same_table_as_a_full_refresh(
    table: str, sample: Lakehouse, deliveries: Deliveries, full_refresh: RunResult
) -> None:
    incremental = contents(sample, table, versions(deliveries[1])[table])
    refreshed = contents(sample, table, versions(full_refresh)[table])

    assert versions(full_refresh)[table] != versions(deliveries[1])[table]
    assert_frame(incremental, refreshed)


def test_the_runs_are_on_record(sample: Lakehouse, deliveries: Deliveries, spark: SparkSession) -> None:
    ids = ", ".join(f"'{run.run_id}'" for run in deliveries)

    recorded = sample.read("operations.table_runs").where(f"run_id IN ({ids})")

    results = [result for run in deliveries for result in run.tables]
    assert_frame(
        recorded.selectExpr("count(*) AS tables", "sum(rows_read) AS rows_read"),
        f"| tables | rows_read |\n| {2 * len(PIPELINE.tables)} | {sum(result.rows_read for result in results)} |",
    )


@pytest.mark.skipif(not DECLARATIVE, reason="declarative pipelines came with Spark 4.1")
@pytest.mark.parametrize("table", GOLD)
def test_the_declarative_pipeline_makes_the_same_table_as_the_job(
    table: str, declared: Path, spark: SparkSession, sample: Lakehouse, deliveries: Deliveries
) -> None:
    layer, name = table.split(".")
    columns = [column.name for column in sample.contract(table).columns]

    made = spark.read.format("delta").load(str(declared / f"{layer}.db" / name))

    assert_frame(made.select(*columns), sample.read(table).select(*columns))
