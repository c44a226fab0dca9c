"""Several runs of one warehouse at once: each waits its turn or says who has it, and no row or note is lost."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from little_shop import SECOND, SHOP, Undisturbed, closed, contents, land, landing, opened, succeeded
from own_process import own_environment
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.errors import TableBusy
from databricks_utils.medallion import Lakehouse, Pipeline, run_pipeline, silver
from databricks_utils.medallion.progress import PROGRESS
from databricks_utils.observability import RunResult
from databricks_utils.observability.store import RUNS, TABLES
from databricks_utils.retry import is_transient, retry

ORDERS = Pipeline("orders", *(node for node in SHOP.nodes if node.table in ("bronze.orders", "silver.orders")))

# Runs the pipeline of a folder whenever it is told to, until its standard input ends.
SECOND_PROGRAM = """
import sys
from pathlib import Path
from little_shop import SHOP, opened, succeeded
from databricks_utils.medallion import run_pipeline
from databricks_utils.session import create_session
from databricks_utils.session.settings import LocalSpark

folder = Path(sys.argv[1])
spark = create_session(LocalSpark(memory="1g"), "second", folder / "warehouse", short_lived=True)
shop = opened(spark, folder, sys.argv[2])
for line in sys.stdin:
    succeeded(run_pipeline(shop, SHOP, run_id=line.strip()))
    print("done", flush=True)
"""


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path, "at_once", retries=10, retry_delay_seconds=0)
    yield lakehouse
    closed(lakehouse)


@contextmanager
def second_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process with a Spark of its own over the same folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", SECOND_PROGRAM, str(folder), "at_once"],
        env=own_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_two_processes_that_run_one_pipeline_at_once_end_well(
    shop: Lakehouse, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    with second_process(tmp_path) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for number, files in enumerate(({}, SECOND)):
            land(landing(shop), files)
            other.stdin.write(f"other-{number}\n")
            other.stdin.flush()
            succeeded(run_pipeline(shop, SHOP, run_id=f"own-{number}"))
            answer = other.stdout.readline()
            assert answer == "done\n", other.communicate()[1]

    assert contents(shop) == undisturbed.second
    runs = {row.run_id for row in shop.read(RUNS.name).collect()}
    assert runs == {f"{who}-{number}" for who in ("own", "other") for number in range(2)}


def test_a_run_that_may_not_wait_says_who_holds_its_tables(shop: Lakehouse) -> None:
    hurried = opened(shop.spark, landing(shop).parent, "at_once", lock_wait_seconds=0)

    with shop.held(["silver.orders"], [], "5f1d2c3b4a59"), pytest.raises(TableBusy) as caught:
        run_pipeline(hurried, SHOP)

    assert "silver.orders is being written by another run: run 5f1d2c3b4a59" in str(caught.value)
    assert not shop.exists("bronze.orders")


def test_what_somebody_else_commits_between_reading_and_writing_is_kept(
    shop: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeeded(run_pipeline(shop, ORDERS))
    land(landing(shop), SECOND)
    target = shop.identifier("silver.orders")
    original = silver.merge_by_key

    def interrupted(*arguments: object, **named: object) -> object:
        columns = "order_id, customer_id, ordered_on, amount, revision"
        shop.spark.sql(f"INSERT INTO {target} ({columns}) VALUES (900, 10, DATE'2024-01-01', 1.00, 1)")
        shop.spark.sql(
            f"MERGE INTO {target} t USING (SELECT 901 order_id, 10 customer_id, DATE'2024-01-01' ordered_on, "
            f"2.00 amount, 1 revision) s ON t.order_id = s.order_id WHEN NOT MATCHED THEN INSERT ({columns}) "
            f"VALUES (s.order_id, s.customer_id, s.ordered_on, s.amount, s.revision)"
        )
        return original(*arguments, **named)  # type: ignore[arg-type]  # passed on as it came

    with monkeypatch.context() as patch:
        patch.setattr(silver, "merge_by_key", interrupted)
        run = succeeded(run_pipeline(shop, ORDERS))

    (orders,) = (table for table in run.tables if table.table == "silver.orders")
    assert (orders.rows_written, orders.rows_duplicate, orders.balanced) == (2, 2, True)
    assert {row.order_id for row in shop.read("silver.orders").collect()} == {1, 2, 3, 4, 900, 901}


def test_a_writer_that_keeps_updating_the_table_is_outlasted(
    shop: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    succeeded(run_pipeline(shop, ORDERS))
    land(landing(shop), SECOND)
    target, tries, conflicts = shop.identifier("silver.orders"), 0, 2
    original = silver.merge_by_key

    def merge(spark: SparkSession, identifier: str, rows: DataFrame, *arguments: object, **named: object) -> object:
        nonlocal tries
        tries += 1
        if tries > conflicts:
            return original(spark, identifier, rows, *arguments, **named)  # type: ignore[arg-type]  # passed on as it came
        inside, updated = tmp_path / f"inside-{tries}", tmp_path / f"updated-{tries}"

        def met_by_an_update() -> bool:
            inside.touch()
            deadline = time.monotonic() + 120
            while not updated.exists():
                if time.monotonic() > deadline:
                    raise TimeoutError("nobody updated the table")
            return True

        def update() -> None:
            # The MERGE reads its rows: it has seen the table, and not committed.
            while not inside.exists() and not merged.is_set():
                pass
            shop.spark.sql(f"UPDATE {target} SET customer_id = customer_id WHERE order_id = 3")
            updated.touch()

        merged = threading.Event()
        # All in one task, so that a core is left for the other writer.
        waiting = rows.coalesce(1).where(F.udf(lambda _: met_by_an_update(), "boolean")("order_id"))
        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(update)
            try:
                return original(spark, identifier, waiting, *arguments, **named)  # type: ignore[arg-type]  # as above
            finally:
                merged.set()
                writer.result()

    before = shop.version("silver.orders")
    with monkeypatch.context() as patch:
        patch.setattr(silver, "merge_by_key", merge)
        run = succeeded(run_pipeline(shop, ORDERS))

    done = [commit.operation for commit in reversed(shop.commits_since("silver.orders", before))]
    assert done == ["UPDATE"] * conflicts + ["MERGE"]
    again = [record for record in caplog.records if record.name == retry.__module__ and record.exc_info]
    assert [is_transient(record.exc_info[1]) for record in again if record.exc_info and record.exc_info[1]] == [
        True,
        True,
    ]
    assert tries == conflicts + 1
    assert run.tables[1].balanced
    assert {row.order_id: str(row.amount) for row in shop.read("silver.orders").collect()} == {
        1: "5.00",
        2: "8.00",
        3: "1.00",
        4: "2.00",
    }


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.matrix)])
def test_many_runs_at_once_lose_neither_rows_nor_notes(shop: Lakehouse, count: int) -> None:
    header = "order_id,customer_id,ordered_on,amount,revision\n"

    def deliver_and_run(number: int) -> RunResult:
        # Moved into place, so that no run sees half of it.
        waiting = landing(shop).parent / f"{number}.csv"
        waiting.write_text(f"{header}{1000 + number},10,2024-01-05,1.00,1\n")
        waiting.rename(landing(shop) / "orders" / f"many-{number}.csv")
        return run_pipeline(shop, ORDERS, run_id=f"many-{number}")

    with ThreadPoolExecutor(count) as pool:
        runs = [succeeded(run) for run in pool.map(deliver_and_run, range(count))]

    orders = [row.order_id for row in shop.read("silver.orders").collect()]
    assert sorted(orders) == [1, 2, 3, *range(1000, 1000 + count)]
    assert shop.read("bronze.orders").count() == 4 + count
    written = sum(table.rows_written for run in runs for table in run.tables if table.table == "silver.orders")
    assert written == 3 + count
    assert sorted(row.run_id for row in shop.read(RUNS.name).collect()) == sorted(run.run_id for run in runs)
    assert shop.read(TABLES.name).count() == 2 * count
    moved = {run.run_id for run in runs if run.tables[1].status == "succeeded"}
    assert {row.run_id for row in shop.read(PROGRESS.name).collect()} == moved
