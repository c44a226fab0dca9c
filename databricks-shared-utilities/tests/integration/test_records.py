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
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from little_tills import closed, opened
from own_process import own_environment
from pyspark.sql import SparkSession

from databricks_utils.contracts import parse_schema
from databricks_utils.data_quality import RuleResult
from databricks_utils.delta import Namespace, append_records, create_table, lock
from databricks_utils.features import DRIFT_TABLE, Drift, save_drift
from databricks_utils.features.drift import DRIFT_SCHEMA
from databricks_utils.medallion import Lakehouse
from databricks_utils.medallion import progress as positions
from databricks_utils.medallion.progress import Position, Progress, load_progress, save_progress
from databricks_utils.observability import RunResult, RunStore, TableResult
from databricks_utils.observability.store import QUALITY, RUNS, SCHEMAS, TABLES
from databricks_utils.streaming import progress as batches
from databricks_utils.streaming.progress import BatchProgress, ProgressStore

MOMENT = datetime(2026, 3, 1, 5, 30, 15, tzinfo=timezone.utc)
RULE = RuleResult("primary_key", None, "unique", "error", 3, 1, False, "one twice")
TABLE = TableResult("silver.sales", "silver", "succeeded", MOMENT, 1.5, rows_read=3, rules=(RULE,), error_kind="value")
RUN = RunResult("run", "tills", "test", MOMENT, 2.5, (TABLE,), {"tables": ""})
BATCH = BatchProgress("silver.sales", 7, MOMENT, 1.25, 500, lag_events=3, lag_bytes=9, watermark=MOMENT)

#: Every table of records that is written here, its columns, and who writes it.
COLUMNS: Mapping[str, str] = {
    **SCHEMAS,
    positions.TABLE: positions.SCHEMA,
    batches.TABLE: batches.SCHEMA,
    DRIFT_TABLE: DRIFT_SCHEMA,
}
DRIFTED = Drift("spend_7d", "drifted", 1000, 900, 0.3, 0.2, math.inf, 0.0, ("effect size inf, limit 0.2",))
WRITERS: Mapping[str, Callable[[Lakehouse], None]] = {
    TABLES: lambda tills: RunStore(tills.namespace).save(tills.spark, RUN),
    RUNS: lambda tills: RunStore(tills.namespace).save(tills.spark, replace(RUN, tables=())),
    QUALITY: lambda tills: RunStore(tills.namespace).save_rules(tills.spark, RUN),
    positions.TABLE: lambda tills: save_progress(tills, Progress(), [Position("silver.sales", {"b": 4}, 2)], "run"),
    batches.TABLE: lambda tills: ProgressStore(tills, "run").save([BATCH]),
    DRIFT_TABLE: lambda tills: save_drift(tills.spark, tills.namespace, "gold.till_features", [DRIFTED], MOMENT),
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
        before = tills.version(table)
        with another_process_holds(tills.namespace, table) as release, ThreadPoolExecutor(2) as pool:
            written: Future[object] = pool.submit(write, tills)
            told: Future[object] = pool.submit(waiting.seen.wait, 60)
            done, _ = wait([written, told], return_when=FIRST_COMPLETED)
            waited = told in done and tills.version(table) == before
            release()
            waiting.seen.set()
            written.result()

        assert waited, f"{table} was written while another process held it"
        assert tills.version(table) > before, table


def test_a_table_of_records_of_an_earlier_version_gains_every_column_it_lacks(tills: Lakehouse) -> None:
    for table, text in COLUMNS.items():
        columns = parse_schema(text)
        create_table(tills.spark, tills.namespace, table, schema=type(columns)(columns.fields[:2]))

    for write in WRITERS.values():
        write(tills)

    for table, text in COLUMNS.items():
        stored = {field.name: field.dataType for field in tills.read(table).schema}
        assert stored == {field.name: field.dataType for field in parse_schema(text)}, table
    (drift,) = tills.read(DRIFT_TABLE).collect()
    assert (drift.column_name, drift.effect, drift.reasons) == ("spend_7d", math.inf, list(DRIFTED.reasons))
    (batch,) = tills.read(batches.TABLE).collect()
    assert (batch.lag_events, batch.lag_bytes, batch.watermark_delay_seconds) == (3, 9, 0.0)
    assert load_progress(tills).of("silver.sales") == Position("silver.sales", {"b": 4}, 2)


def test_records_hold_numbers_that_are_none_and_a_table_of_a_later_version_keeps_its_columns(
    tills: Lakehouse,
) -> None:
    table, columns = "operations.measured", parse_schema("name STRING, value DOUBLE, more STRING")
    append_records(tills.spark, tills.namespace, table, [("first", 1.0, "x")], columns)

    values = [math.inf, -math.inf, math.nan, None]
    rows = [(str(number), value) for number, value in enumerate(values)]
    append_records(tills.spark, tills.namespace, table, rows, parse_schema("name STRING, value DOUBLE"))
    append_records(tills.spark, tills.namespace, table, [], columns)

    found = {row.name: (row.value, row.more) for row in tills.read(table).collect()}
    assert found.pop("first") == (1.0, "x")
    assert [str(found[name][0]) for name in "0123"] == ["inf", "-inf", "nan", "None"]
    assert {more for _, more in found.values()} == {None}
    assert tills.version(table) == 2
