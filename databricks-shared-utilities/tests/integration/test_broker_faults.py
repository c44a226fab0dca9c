"""What happens to a stream and its broker while events come: neither loses nor doubles any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from little_broker import PAYMENTS, SALES, Load, now, produce
from little_tills import TILLS, closed, opened, payment, ran, rows, sale
from own_process import run_until_killed, uncommitted
from pyspark.sql import SparkSession

from databricks_utils.delta import newest_version
from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult
from databricks_utils.streaming import balances, run_streams
from databricks_utils.testing import KafkaBroker

pytestmark = pytest.mark.broker
SILVER = ["bronze.sales", "silver.sales"]

# Started by a test in a process of its own, with Java in its group; ends the group with the n-th call that writes to a
# table: before it, after it and so before the batch is noted in the checkpoint, or while it writes. Spark opens a data
# file only inside the statement that writes, before its commit: a new one is the sign. Of a batch without rows there is
# neither file nor commit, and the next one is taken. The table and its version before are left in a file.
DYING_STREAMS = """
import os, signal, sys, threading, time
from pathlib import Path
from little_tills import TILLS, opened
from databricks_utils.delta import newest_version
from databricks_utils.session import create_session
from databricks_utils.session.settings import LocalSpark
from databricks_utils.streaming import run_streams, writer

folder, servers, mark, name, table, moment, calls = Path(sys.argv[1]), *sys.argv[2:]
left = int(calls)
spark = create_session(LocalSpark(memory="1g"), "dying", folder / "warehouse", short_lived=True,
                       jar_groups=("delta", "kafka"))
streaming = {"source": "kafka", "broker": {"bootstrap_servers": servers}, "max_events_per_batch": 400,
             "trigger": "processing_time", "interval_seconds": 0.1}
tills = opened(spark, folder, streaming, mark)
original = getattr(writer, name)
place = tills.folder(table)

def die():
    os.killpg(os.getpgid(0), signal.SIGKILL)

def data_files():
    found = {file for _, _, files in os.walk(place) for file in files if file.endswith(".parquet")}
    return {file for file in found if ".checkpoint." not in file}

def die_while_it_writes(known, returned):
    deadline = time.monotonic() + 120
    while not returned.is_set() and time.monotonic() < deadline:
        if data_files() - known:
            die()

def call_and_die(session, identifier, *arguments, **named):
    global left
    mine = identifier == tills.identifier(table)
    left -= mine
    if not mine or left > 0:
        return original(session, identifier, *arguments, **named)
    before = newest_version(place)
    (folder / "struck").write_text(f"{place}\\n{before}")
    if moment == "before":
        die()
    if moment == "after":
        result = original(session, identifier, *arguments, **named)
        if newest_version(place) != before:
            die()
        return result
    known, returned = data_files(), threading.Event()
    watch = threading.Thread(target=die_while_it_writes, args=(known, returned))
    watch.start()
    try:
        return original(session, identifier, *arguments, **named)
    finally:
        returned.set()
        watch.join()
        if data_files() - known:
            print(f"{name} returned before the process was killed", file=sys.stderr, flush=True)
            os._exit(3)

setattr(writer, name, call_and_die)
tables = [] if table.startswith("gold.") else ["bronze.sales", "silver.sales"]
run_streams(tills, TILLS, tables=tables)
"""
#: The writer's function, the table, the moment, and which call.
KILLS = (
    ("append", "silver.sales", "during", 2),
    ("append", "silver.sales", "after", 3),
    ("append", "silver.sales", "before", 2),
    ("append", "silver.sales_quarantine", "during", 1),
    ("append", "silver.sales_quarantine", "after", 2),
    ("append", "bronze.sales", "during", 1),
    ("append", "bronze.sales", "during", 4),
    ("append", "bronze.sales", "before", 2),
    ("append", "bronze.sales", "after", 1),
    ("append", "bronze.sales", "after", 6),
    ("merge_by_key", "gold.store_minutes", "before", 1),
    ("merge_by_key", "gold.store_minutes", "during", 2),
    ("merge_by_key", "gold.store_minutes", "after", 1),
    ("merge_by_key", "gold.store_minutes", "after", 3),
    ("merge_by_key", "gold.paid_sales", "before", 2),
    ("merge_by_key", "gold.paid_sales", "during", 1),
    ("merge_by_key", "gold.paid_sales", "during", 3),
    ("merge_by_key", "gold.paid_sales", "after", 2),
    ("merge_by_key", "gold.alerts", "before", 1),
    ("merge_by_key", "gold.alerts", "during", 1),
    ("merge_by_key", "gold.alerts", "after", 1),
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path / "broker") as running:
        for topic in (SALES, PAYMENTS):
            running.create_topic(topic)
        yield running


def streaming(broker: KafkaBroker, **more: object) -> dict[str, object]:
    return {"source": "kafka", "broker": {"bootstrap_servers": broker.bootstrap_servers}, **more}


def side_by_side(broker: KafkaBroker) -> dict[str, object]:
    return streaming(broker, trigger="processing_time", interval_seconds=0.2)


def batches(table: str, number: int, action: Callable[[], object]) -> dict[str, Callable[..., bool | None]]:
    """Return what makes a run call `action` after the first batch of a table, and end some batches later."""
    seen: set[int] = set()

    def listen(newest: dict[str, object]) -> None:
        batch = getattr(newest.get(table), "batch_id", None)
        if batch is not None and batch not in seen:
            seen.add(batch)
            if len(seen) == 1:
                action()

    return {"on_progress": listen, "until": lambda: len(seen) >= number}


def proved(tills: Lakehouse, load: Load) -> None:
    """Compare the tables with what was sent, and with each other."""
    positions = rows(tills, "bronze.sales", "partition", "offset")
    stored = [name for (name,) in rows(tills, "silver.sales", "sale_id")]
    (balance,) = balances(tills, TILLS, ["bronze.sales", "silver.sales"])
    assert len(positions) == len(set(positions)) == load.records[SALES]
    assert sorted(stored) == sorted(load.sales)  # type: ignore[type-var]  # names
    assert tills.read("silver.sales_quarantine").count() == load.poisoned
    assert (balance.lost, balance.doubled) == (0, 0)


@pytest.mark.parametrize(
    ("name", "table", "moment", "calls"),
    [KILLS[0], *(pytest.param(*kill, marks=pytest.mark.matrix) for kill in KILLS[1:])],
)
def test_a_spark_and_a_broker_that_are_killed_under_load_lose_and_double_nothing(
    spark: SparkSession, broker: KafkaBroker, tmp_path: Path, name: str, table: str, moment: str, calls: int
) -> None:
    mark = f"killed_{KILLS.index((name, table, moment, calls))}"
    folder = tmp_path / "tills"
    with Load(broker) as load:
        killed(folder, broker, mark, name, table, moment, calls)
        broker.kill()
        broker.start()
    # What is left needs no borders between its batches, and fewer of them take less time.
    tills = opened(spark, folder, streaming(broker, max_files_per_batch=20), mark)
    gold = table.startswith("gold.")

    ran(tills, *([] if gold else SILVER))

    proved(tills, load)
    if gold:
        minutes = tills.read("gold.store_minutes").selectExpr("sum(sales)").collect()[0][0]
        large = tills.read("gold.store_minutes").where("amount > 100").count()
        assert minutes == len(load.sales)
        assert len(set(rows(tills, "gold.alerts", "alert_id"))) == tills.read("gold.alerts").count() == large
        assert load.paid
        assert rows(tills, "gold.paid_sales", "sale_id") == sorted((name,) for name in load.paid)
        (payments,) = balances(tills, TILLS, ["silver.payments"])
        assert (payments.received, payments.lost, payments.doubled) == (load.records[PAYMENTS], 0, 0)
    closed(tills)


def killed(folder: Path, broker: KafkaBroker, mark: str, name: str, table: str, moment: str, calls: int) -> None:
    """Run streams in a process that is killed at a call of the writer, and prove when that was."""
    arguments = [str(folder), broker.bootstrap_servers, mark, name, table, moment, str(calls)]
    run_until_killed(DYING_STREAMS, *arguments)
    place, version = (folder / "struck").read_text().split("\n")
    committed = newest_version(Path(place)) != int(version)
    assert committed == (moment == "after"), f"{table} was killed at another moment than {moment}"
    assert bool(uncommitted(Path(place))) == (moment == "during"), f"{table} was killed at another moment than {moment}"


@pytest.mark.matrix
def test_a_broker_that_dies_while_streams_run_is_waited_for(
    spark: SparkSession, broker: KafkaBroker, tmp_path: Path
) -> None:
    tills = opened(spark, tmp_path / "tills", side_by_side(broker))

    def die_and_come_back() -> None:
        broker.kill()
        broker.start()

    with Load(broker) as load:
        run = run_streams(tills, TILLS, tables=SILVER, **batches("silver.sales", 4, die_and_come_back))  # type: ignore[arg-type]  # named
    succeeded(run)
    closed_tills = opened(spark, tmp_path / "tills", streaming(broker), _mark(tills))
    ran(closed_tills, *SILVER)

    proved(closed_tills, load)
    closed(tills)


@pytest.mark.matrix
def test_partitions_that_are_added_while_streams_run_and_one_that_is_silent_lose_nothing(
    spark: SparkSession, broker: KafkaBroker, tmp_path: Path
) -> None:
    tills = opened(spark, tmp_path / "tills", side_by_side(broker))
    # The second partition stays silent.
    produce(broker, SALES, [sale(number, now().isoformat()) for number in range(100)], partition=0)

    def grow() -> None:
        broker.add_partitions(SALES, 4)
        for partition in (2, 3):
            first = 100 * partition
            produce(broker, SALES, [sale(n, now().isoformat()) for n in range(first, first + 100)], partition=partition)

    run = run_streams(tills, TILLS, tables=SILVER, **batches("silver.sales", 2, grow))  # type: ignore[arg-type]  # named
    succeeded(run)
    # What the silent one says at last is neither late nor lost; what it has held back for hours is late, and put aside.
    held_back = (now() - timedelta(hours=2)).isoformat()
    produce(broker, SALES, [sale(number, held_back) for number in range(400, 450)], partition=1)
    produce(broker, SALES, [sale(number, now().isoformat()) for number in range(100, 200)], partition=1)
    later = opened(spark, tmp_path / "tills", streaming(broker), _mark(tills))
    ran(later, *SILVER)

    in_time = [(number % 4,) for number in range(400)]
    assert rows(later, "bronze.sales", "partition") == sorted([*in_time, *[(1,)] * 50])
    assert later.read("silver.sales").select("sale_id").distinct().count() == later.read("silver.sales").count() == 400
    reasons = rows(later, "silver.sales_quarantine", "_validation_errors")
    assert [tuple(found) for (found,) in reasons] == [("event_time_not_late",)] * 50  # type: ignore[arg-type]  # lists
    (balance,) = balances(later, TILLS, ["silver.sales"])
    assert (balance.missing, balance.lost, balance.doubled) == (0, 0, 0)
    watermarks = later.read("operations.stream_progress").where("query = 'silver.sales'").selectExpr("max(watermark)")
    assert watermarks.collect()[0][0] is not None
    closed(tills)


@pytest.mark.matrix
def test_a_column_that_a_table_gains_while_streams_read_it_stops_none_of_them(
    spark: SparkSession, broker: KafkaBroker, tmp_path: Path
) -> None:
    tills = opened(spark, tmp_path / "tills", side_by_side(broker))
    retrying = Lakehouse(spark, tills.configuration.model_copy(update={"execution": _retrying(tills)}), tills.contracts)
    moment = now().isoformat()
    produce(broker, SALES, [sale(number, moment) for number in range(10)])
    produce(broker, PAYMENTS, [payment(number, moment) for number in range(10)])

    def change() -> None:
        spark.sql(f"ALTER TABLE {tills.identifier('silver.sales')} ADD COLUMNS (remark STRING)")
        # A till with a newer program: a field nobody knows, and one that is gone.
        newer = [{**sale(number, now().isoformat()), "remark": "new"} for number in range(10, 20)]
        produce(broker, SALES, [*newer, {"sale_id": "s20", "event_time": now().isoformat(), "amount": 1}])

    tables = [*SILVER, "gold.store_minutes"]
    run = run_streams(retrying, TILLS, tables=tables, **batches("gold.store_minutes", 2, change))  # type: ignore[arg-type]  # named
    succeeded(run)

    assert tills.read("gold.store_minutes").selectExpr("sum(sales)").collect()[0][0] == 20
    assert rows(tills, "silver.sales_quarantine", "_validation_errors") == [(["store_id_not_null"],)]
    closed(tills)


def succeeded(run: RunResult) -> None:
    assert run.status == "succeeded", [table.error or table.breaches for table in run.tables]


def _mark(tills: Lakehouse) -> str:
    return tills.configuration.schemas.bronze.removeprefix("bronze_")


def _retrying(tills: Lakehouse) -> object:
    return tills.configuration.execution.model_copy(update={"retries": 2})
