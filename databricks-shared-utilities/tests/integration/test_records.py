"""Tables of records: one writer at a time, whichever process it is in, and no column missing after an update."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import pytest
from little_tills import closed, opened
from own_process import own_environment
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from databricks_utils.data_quality import RuleResult
from databricks_utils.delta import Int, Namespace, RecordTable, create_table, lock
from databricks_utils.features import Drift, save_drift
from databricks_utils.features.drift import DRIFT
from databricks_utils.medallion import Lakehouse
from databricks_utils.medallion.progress import PROGRESS, Position, Progress, load_progress, save_progress
from databricks_utils.observability import RunResult, RunStore, TableResult
from databricks_utils.observability.store import QUALITY, RUNS, TABLES
from databricks_utils.streaming.progress import STREAM_PROGRESS, BatchProgress, ProgressStore

MOMENT = datetime(2026, 3, 1, 5, 30, 15, tzinfo=timezone.utc)
RULE = RuleResult("primary_key", None, "unique", "error", 3, 1, False, "one twice")
TABLE = TableResult("silver.sales", "silver", "succeeded", MOMENT, 1.5, rows_read=3, rules=(RULE,), error_kind="value")
RUN = RunResult("run", "tills", "test", MOMENT, 2.5, (TABLE,), {"tables": ""})
BATCH = BatchProgress("silver.sales", 7, MOMENT, 1.25, 500, lag_events=3, lag_bytes=9, watermark=MOMENT)

DRIFTED = Drift("spend_7d", "drifted", 1000, 900, 0.3, 0.2, math.inf, 0.0, ("effect size inf, limit 0.2",))
#: Who writes each table of records.
WRITERS: Mapping[RecordTable[Any], Callable[[Lakehouse], None]] = {
    TABLES: lambda tills: RunStore(tills.namespace).save(tills.spark, RUN),
    RUNS: lambda tills: RunStore(tills.namespace).save(tills.spark, replace(RUN, tables=())),
    QUALITY: lambda tills: RunStore(tills.namespace).save_rules(tills.spark, RUN),
    PROGRESS: lambda tills: save_progress(tills, Progress(), [Position("silver.sales", {"b": 4}, 2)], "run"),
    STREAM_PROGRESS: lambda tills: ProgressStore(tills, "run").save([BATCH]),
    DRIFT: lambda tills: save_drift(tills.spark, tills.namespace, "gold.till_features", [DRIFTED], MOMENT),
}

# Holds a table of a warehouse folder until its standard input ends.
HOLDER = """
import sys
from pathlib import Path
from databricks_utils.delta import Namespace, locked

layer, schema, folder, table = sys.argv[1:]
with locked(Namespace("spark_catalog", {layer: schema}, Path(folder)), write=[table]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def tills(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


@contextmanager
def another_process_holds(namespace: Namespace, table: str) -> Iterator[Callable[[], object]]:
    """Let another process hold a table for the length of the block, or until the function given is called."""
    arguments = ["operations", namespace.schemas["operations"], str(namespace.warehouse), table]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments],
        env=own_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.stdin.close


class Waiting(logging.Handler):
    """Notices when a lock is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "waiting for it" in record.getMessage():
            self.seen.set()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    monkeypatch.setattr(lock, "TOLD_AFTER_SECONDS", 0)
    handler = Waiting()
    logging.getLogger(lock.__name__).addHandler(handler)
    yield handler
    logging.getLogger(lock.__name__).removeHandler(handler)


def test_a_writer_of_records_waits_for_another_process_that_holds_its_table(tills: Lakehouse, waiting: Waiting) -> None:
    for table, write in WRITERS.items():
        waiting.seen.clear()
        before = tills.version(table.name)
        with another_process_holds(tills.namespace, table.name) as release, ThreadPoolExecutor(2) as pool:
            written: Future[object] = pool.submit(write, tills)
            told: Future[object] = pool.submit(waiting.seen.wait, 60)
            done, _ = wait([written, told], return_when=FIRST_COMPLETED)
            waited = told in done and tills.version(table.name) == before
            release()
            waiting.seen.set()
            written.result()

        assert waited, f"{table.name} was written while another process held it"
        assert tills.version(table.name) > before, table.name


def test_a_table_of_records_of_an_earlier_version_gains_every_column_it_lacks(tills: Lakehouse) -> None:
    for table in WRITERS:
        create_table(tills.spark, tills.namespace, table.name, schema=StructType(table.schema.fields[:2]))

    for write in WRITERS.values():
        write(tills)

    for table in WRITERS:
        stored = {field.name: field.dataType for field in tills.read(table.name).schema}
        assert stored == {field.name: field.dataType for field in table.schema}, table.name
    (drift,) = DRIFT.read(tills.spark, tills.namespace)
    assert (drift.measured_at, drift.feature_table, drift.drift) == (MOMENT, "gold.till_features", DRIFTED)
    (batch,) = STREAM_PROGRESS.read(tills.spark, tills.namespace)
    assert (batch.run_id, batch.batch, batch.watermark_delay_seconds) == ("run", BATCH, 0.0)
    assert load_progress(tills).of("silver.sales") == Position("silver.sales", {"b": 4}, 2)


@dataclass(frozen=True)
class Place:
    """Where something was measured."""

    table: str
    rows: int = 0
    note: str = "none"


@dataclass(frozen=True)
class Measured:
    """A record with every kind of field there is."""

    name: str
    place: Place
    value: float | None = None
    kind: Literal["cold", "warm"] = "cold"
    number: Int = 0
    held: bool = False
    at: datetime | None = None
    texts: tuple[str, ...] = ()
    levels: Mapping[str, int] = field(default_factory=dict)


def test_records_come_back_as_they_were(tills: Lakehouse) -> None:
    """The table itself is the oracle: what is read as a dataclass is what Spark reads as a row."""
    table = RecordTable("operations.measured", Measured, renamed={"table": "table_name"}, omitted=["note"])
    records = [
        Measured("first", Place("silver.sales", 2**40), 1.5, "warm", 2**31 - 1, True, MOMENT, ("a", "b"), {"x": 1}),
        *(Measured(str(value), Place(""), value) for value in (math.inf, -math.inf, None)),
    ]

    assert table.read(tills.spark, tills.namespace) == []
    assert table.frame(tills.spark, tills.namespace).columns == table.schema.names
    table.append(tills.spark, tills.namespace, records)
    table.append(tills.spark, tills.namespace, [])

    found = table.read(tills.spark, tills.namespace)
    assert sorted(found, key=lambda item: item.name) == sorted(records, key=lambda item: item.name)
    (row,) = tills.read("operations.measured").where("value = 1.5").collect()
    assert row.asDict() == {
        "name": "first",
        "table_name": "silver.sales",
        "rows": 2**40,
        "value": 1.5,
        "kind": "warm",
        "number": 2**31 - 1,
        "held": True,
        "at": row["at"],
        "texts": ["a", "b"],
        "levels": {"x": 1},
    }
    assert row["at"].astimezone(timezone.utc) == MOMENT
    assert table.read(tills.spark, tills.namespace, F.col("value") > 2) == [records[1]]
    assert tills.version("operations.measured") == 1


def test_records_of_an_earlier_version_have_defaults_and_a_table_of_a_later_one_keeps_its_columns(
    tills: Lakehouse,
) -> None:
    @dataclass(frozen=True)
    class Earlier:
        name: str

    earlier = RecordTable("operations.measured", Earlier)
    earlier.append(tills.spark, tills.namespace, [Earlier("first")])
    later = RecordTable("operations.measured", Drift, renamed={"column": "name"})
    without_reasons = replace(DRIFTED, reasons=())

    (found,) = later.read(tills.spark, tills.namespace)
    assert (found.column, found.reasons) == ("first", ())
    later.append(tills.spark, tills.namespace, [without_reasons])
    earlier.append(tills.spark, tills.namespace, [Earlier("last")])

    assert without_reasons in later.read(tills.spark, tills.namespace)
    assert {item.name for item in earlier.read(tills.spark, tills.namespace)} == {"first", "spend_7d", "last"}
