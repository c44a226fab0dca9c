"""The sample from files to alerts: complete, nothing doubled, the same after a crash and as a declarative pipeline."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult
from databricks_utils.streaming import (
    StreamAlerts,
    StreamGold,
    StreamSilver,
    balances,
    forget_last_batch,
    run_streams,
    stream_queries,
)
from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.dashboards import DashboardDataset, read_datasets
from pyspark import __version__ as spark_version
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.orchestration import pipeline_definition
from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "landing"
NewLakehouse = Callable[[Path], Lakehouse]
Settled = tuple[Lakehouse, RunResult]
DASHBOARD = ROOT / "dashboards" / "streams.lvdash.json"
OPERATIONS = ["operations.stream_progress", "operations.pipeline_runs", "operations.quality_results"]
TABLES = [*PIPELINE.tables, *(f"{node.table}_quarantine" for node in PIPELINE if isinstance(node, StreamSilver))]
#: Alerts tell somebody; what comes once needs state over tables of the pipeline, which it has on Databricks alone.
IN_THE_JOB = [
    node.table
    for node in PIPELINE
    if isinstance(node, StreamAlerts) or (isinstance(node, StreamGold) and node.emits == "finals")
]
DECLARED = [table for table in TABLES if table not in IN_THE_JOB]
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


@pytest.fixture(scope="session")
def settled(new_lakehouse: NewLakehouse, tmp_path_factory: pytest.TempPathFactory) -> Settled:
    """Return a lakehouse in which the sample has been worked off, and what the run said."""
    landing = tmp_path_factory.mktemp("sample") / "landing"
    shutil.copytree(SAMPLE, landing)
    lakehouse = new_lakehouse(landing)
    return lakehouse, run_streams(lakehouse, PIPELINE)


def contents(lakehouse: Lakehouse) -> dict[str, Counter[tuple[str, ...]]]:
    """Return the rows of every table without the columns that hold the time of processing."""
    found = {}
    for table in TABLES:
        rows = lakehouse.read(table)
        kept = ("record", "_validation_errors", "_topic", "_offset")
        names = [name for name in rows.columns if not name.startswith("_") or name in kept]
        found[table] = Counter(tuple(map(str, row)) for row in rows.select(*names).collect())
    return found


def counts(lakehouse: Lakehouse) -> dict[str, int]:
    return {table: lakehouse.read(table).count() for table in TABLES}


def sample_sales() -> list[dict[str, object]]:
    lines = [line for path in (SAMPLE / "pos.sales").glob("*.jsonl") for line in path.read_bytes().splitlines()]
    return [json.loads(line) for line in lines if line.endswith(b"}")]


def test_the_run_succeeds_and_fills_every_table(settled: Settled) -> None:
    lakehouse, run = settled

    assert run.exit_code == 0, [table.error or table.breaches for table in run.tables]
    assert [table for table, count in counts(lakehouse).items() if count == 0 and table in PIPELINE.tables] == []


def test_the_quarantines_hold_the_events_that_were_cut_off_and_no_other(settled: Settled) -> None:
    lakehouse, _ = settled
    cut_off = {
        f"silver.{topic.name.removeprefix('pos.')}_quarantine": sum(
            not line.endswith(b"}") for path in topic.glob("*.jsonl") for line in path.read_bytes().splitlines()
        )
        for topic in SAMPLE.iterdir()
    }

    assert {table: count for table, count in counts(lakehouse).items() if table not in PIPELINE.tables} == cut_off


def test_every_sale_is_there_once(settled: Settled) -> None:
    lakehouse, _ = settled
    sent = {str(sale["sale_id"]) for sale in sample_sales()}

    stored = [row.sale_id for row in lakehouse.read("silver.sales").select("sale_id").collect()]

    assert sorted(stored) == sorted(sent)


def test_nothing_is_lost_and_nothing_doubled(settled: Settled) -> None:
    lakehouse, _ = settled

    assert [(item.table, item.lost, item.doubled) for item in balances(lakehouse, PIPELINE)] == [
        (node.table, 0, 0) for node in PIPELINE if isinstance(node, StreamSilver)
    ]


def test_the_minutes_add_up_to_all_sales(settled: Settled) -> None:
    lakehouse, _ = settled

    total = lakehouse.read("gold.agg_store_minutes").selectExpr("sum(sales)", "sum(amount)").collect()[0]

    assert tuple(total) == tuple(lakehouse.read("silver.sales").selectExpr("count(*)", "sum(amount)").collect()[0])


def test_the_rush_in_the_sample_is_told_and_nothing_else(settled: Settled) -> None:
    lakehouse, _ = settled

    stores = {row.store_id for row in lakehouse.read("gold.alerts").collect()}

    assert len(stores) == 1


def test_the_rules_about_whole_tables_are_met(settled: Settled) -> None:
    _, run = settled
    rules = {(table.table, rule.rule): rule.passed for table in run.tables for rule in table.rules}

    assert {("silver.sales", "freshness"), ("gold.sale_payments", "sale_id_reference")} <= rules.keys()
    assert [name for name, passed in rules.items() if not passed] == []


@pytest.mark.parametrize("dataset", read_datasets(DASHBOARD), ids=lambda dataset: dataset.name)
def test_a_query_of_the_dashboard_shows_what_the_run_has_left(settled: Settled, dataset: DashboardDataset) -> None:
    lakehouse, _ = settled
    schemas = lakehouse.configuration.schemas
    for table in (*TABLES, *OPERATIONS):
        assert lakehouse.exists(table)

    rows = dataset.rows(
        lakehouse.spark, schemas.operations, silver_schema=schemas.silver, gold_schema=schemas.gold
    ).collect()

    lakehouse.spark.catalog.setCurrentDatabase("default")
    assert len(rows) > 0


def test_a_crash_before_the_last_note_of_every_stream_changes_nothing(settled: Settled) -> None:
    lakehouse, _ = settled
    before = contents(lakehouse)

    for query in stream_queries(lakehouse, PIPELINE, list(PIPELINE)):
        forget_last_batch(query.checkpoint)
    run = run_streams(lakehouse, PIPELINE)

    assert run.exit_code == 0
    # Every stream with state has read rows again. Delta skips an append that it knows before its rows are read.
    assert [table.table for table in run.tables if table.rows_read == 0 and table.layer != "bronze"] == []
    assert contents(lakehouse) == before


def test_a_stream_goes_on_where_it_was(settled: Settled, new_lakehouse: NewLakehouse, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    sales = landing / "pos.sales"
    sales.mkdir(parents=True)
    lines = (SAMPLE / "pos.sales" / "sample.jsonl").read_bytes().splitlines(keepends=True)
    lakehouse = new_lakehouse(landing)
    tables = ["bronze.sales", "silver.sales"]
    (sales / "1.jsonl").write_bytes(b"".join(lines[:100]))
    run_streams(lakehouse, PIPELINE, tables=tables)
    (sales / "2.jsonl").write_bytes(b"".join(lines[90:200]))

    run = run_streams(lakehouse, PIPELINE, tables=tables)

    assert [table.rows_read for table in run.tables] == [110, 110]
    assert lakehouse.read("bronze.sales").count() == 210
    assert lakehouse.read("silver.sales").groupBy("sale_id").count().where("count > 1").count() == 0


@pytest.mark.skipif(not DECLARATIVE, reason="declarative pipelines came with Spark 4.1")
@pytest.mark.parametrize("table", DECLARED)
def test_the_declarative_pipeline_makes_the_same_table_as_the_job(
    table: str, declared: Path, spark: SparkSession, settled: Settled
) -> None:
    lakehouse, _ = settled
    layer, name = table.split(".")
    made, expected = spark.read.format("delta").load(str(declared / f"{layer}.db" / name)), lakehouse.read(table)
    quarantine = table not in PIPELINE.tables
    columns = ("record", "_validation_errors") if quarantine else lakehouse.contract(table).column_names

    assert made.columns == expected.columns
    assert_frame(made.select(*columns), expected.select(*columns))


@pytest.mark.skipif(not DECLARATIVE, reason="declarative pipelines came with Spark 4.1")
def test_what_tells_somebody_or_needs_state_is_left_to_the_job(declared: Path) -> None:
    made = {f"{path.parent.name.removesuffix('.db')}.{path.name}" for path in declared.glob("*.db/*")}

    assert made == set(DECLARED)
