"""A batch of a stream is in its table once, whatever happens between its write and the note of its checkpoint."""

from __future__ import annotations

import errno
import fcntl
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from little_tills import closed, land, opened, payment, ran, sale
from pyspark.sql import DataFrame, SparkSession

from databricks_utils.delta import Namespace, append, create_table
from databricks_utils.session import over_connect
from databricks_utils.streaming import writer
from databricks_utils.streaming.writer import AppendOnce

APPLICATION = "silver.sales:silver.sales:5f1d2c3b4a59"


class Died(Exception):
    """Stands for what ends a batch on either side of its commit."""


class Stream:
    """Gives batches as Spark does: the number moves on when a batch has returned, and only then."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        name = f"silver_{uuid4().hex[:8]}"
        namespace = Namespace("spark_catalog", {"silver": name}, folder)
        self.spark, self.identifier, self.next = spark, namespace.identifier("silver.sales"), 0
        self.folder = folder / name / "sales"
        self.schema = namespace.schema("silver")
        create_table(spark, namespace, "silver.sales", schema=spark.range(0).selectExpr("id AS batch").schema)

    def batch(self, number: int) -> DataFrame:
        return self.spark.range(number, number + 1).selectExpr("id AS batch")

    def write(self, number: int | None = None) -> None:
        number = self.next if number is None else number
        AppendOnce(self.identifier, APPLICATION, self.folder, alone=True)(self.batch(number), number)
        self.next = max(self.next, number + 1)

    def fail(self, where: Callable[..., object]) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(writer, "append", where)
            with suppress(Died):
                self.write()

    def stored(self) -> list[int]:
        return sorted(row.batch for row in self.spark.table(self.identifier).collect())

    def transactions(self) -> list[int]:
        return transactions(self.folder)


def transactions(folder: Path | None) -> list[int]:
    """Return the numbers of batches that Delta Lake was asked about and has written down."""
    assert folder is not None
    commits = sorted((folder / "_delta_log").glob("*.json"))
    actions = [json.loads(line) for commit in commits for line in commit.read_text().splitlines()]
    return [action["txn"]["version"] for action in actions if "txn" in action]


def before_the_commit(*_: object, **__: object) -> object:
    raise Died


def after_the_commit(*arguments: Any, **named: Any) -> object:
    append(*arguments, **named)
    raise Died


def killed() -> None:
    """Forget what a process remembers, as the next one does."""
    writer._WRITTEN.clear()


def die(stream: Stream, where: Callable[..., object]) -> None:
    stream.fail(where)
    killed()


def as_an_earlier_release(stream: Stream) -> None:
    """Write a batch whose number only Delta Lake knows, and die before the checkpoint notes it."""
    number = stream.next
    append(stream.spark, stream.identifier, stream.batch(number), transaction=(APPLICATION, number))
    killed()


def put_back(stream: Stream) -> None:
    """Repeat every batch, as from a checkpoint of long ago."""
    killed()
    for number in range(stream.next):
        stream.write(number)


def repeat(stream: Stream) -> None:
    stream.write(max(0, stream.next - 1))


def die_and_repeat(stream: Stream) -> None:
    killed()
    repeat(stream)


def optimize(stream: Stream) -> None:
    stream.spark.sql(f"OPTIMIZE {stream.identifier}").collect()


#: What can happen to the next batch.
EVENTS: dict[str, Callable[[Stream], None]] = {
    "it is written": Stream.write,
    "it fails before its commit": lambda stream: stream.fail(before_the_commit),
    "it fails after its commit": lambda stream: stream.fail(after_the_commit),
    "the process dies before its commit": lambda stream: die(stream, before_the_commit),
    "the process dies after its commit": lambda stream: die(stream, after_the_commit),
    "the process dies before the last one is noted": die_and_repeat,
    "the last one is repeated": repeat,
    "a checkpoint of long ago is put back": put_back,
    "an earlier release has written it": as_an_earlier_release,
    "somebody else commits": optimize,
}


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(events=st.lists(st.sampled_from(sorted(EVENTS)), min_size=6, max_size=10))
def test_whatever_happens_every_batch_is_stored_once(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, events: list[str]
) -> None:
    killed()
    stream = Stream(spark, tmp_path_factory.mktemp("once"))

    for event in events:
        EVENTS[event](stream)
    stream.write()

    assert stream.stored() == list(range(stream.next))
    spark.sql(f"DROP SCHEMA {stream.schema} CASCADE")


def test_delta_lake_is_asked_for_the_first_batch_of_a_process_and_for_what_came_before(
    spark: SparkSession, tmp_path: Path
) -> None:
    killed()
    stream = Stream(spark, tmp_path)
    for _ in range(3):
        stream.write()
    killed()
    for _ in range(3):
        stream.write()
    stream.write(1)
    stream.write()

    assert stream.stored() == list(range(7))
    # After a repeated one the process is not sure any more, and asks once.
    assert stream.transactions() == [0, 3, 6]
    spark.sql(f"DROP SCHEMA {stream.schema} CASCADE")


def test_without_the_folder_or_beside_other_processes_delta_lake_is_asked_for_every_batch(
    spark: SparkSession, tmp_path: Path
) -> None:
    killed()
    stream = Stream(spark, tmp_path)
    for number, folder in enumerate((stream.folder, stream.folder, None, None)):
        AppendOnce(stream.identifier, APPLICATION, folder)(stream.batch(number), number)
        AppendOnce(stream.identifier, APPLICATION, None)(stream.batch(number), number)

    assert stream.stored() == stream.transactions() == [0, 1, 2, 3]
    spark.sql(f"DROP SCHEMA {stream.schema} CASCADE")


@pytest.mark.parametrize("has_locks", [True, False])
def test_where_nothing_keeps_other_processes_out_a_run_asks_delta_lake_for_every_batch(
    spark: SparkSession, lakehouse_folder: Path, monkeypatch: pytest.MonkeyPatch, has_locks: bool
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    if not has_locks:
        monkeypatch.setattr(fcntl, "flock", unsupported)
    tills = opened(spark, lakehouse_folder)
    for number in range(3):
        land(tills, "tills.sales", f"{number}.jsonl", [sale(number, "10:00:05")])
    land(tills, "tills.payments", "1.jsonl", [payment(1, "10:00:10")])
    ran(tills)

    asked = {table: transactions(tills.folder(table)) for table in ("bronze.sales", "silver.sales")}

    only_the_first = has_locks and not over_connect(spark)
    assert asked == dict.fromkeys(asked, [0] if only_the_first else [0, 1, 2])
    closed(tills)


@pytest.mark.parametrize(
    "note", ["written by hand", "[1]", '{"read": {"bronze.sales": 4}}', json.dumps({"txnAppId": APPLICATION})]
)
def test_a_note_of_somebody_else_is_no_number(note: str) -> None:
    assert writer._noted_number(note, APPLICATION) is None
    assert writer._noted_number(json.dumps({"txnAppId": "other", "txnVersion": 1}), APPLICATION) is None
    assert writer._noted_number(json.dumps({"txnAppId": APPLICATION, "txnVersion": 1}), APPLICATION) == 1
