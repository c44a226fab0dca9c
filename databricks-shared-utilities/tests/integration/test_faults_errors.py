"""A run that fails says of each table what happened, at which step, with which rows, and where help is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from little_shop import SHOP, Undisturbed, closed, contents, opened, succeeded
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from databricks_utils.errors import RunFailed
from databricks_utils.medallion import Lakehouse, Pipeline, Silver, run_pipeline, runner, silver
from databricks_utils.observability import Graph, RunResult, RunStore, print_run, render_report


def divided(customers: DataFrame) -> DataFrame:
    return customers.withColumn("city", (F.length("city") / F.lit(0)).cast("string"))


@dataclass(frozen=True)
class Accident:
    """A run in which one table divides by zero and a file lies where another's folder should be."""

    shop: Lakehouse
    run: RunResult

    def error(self, table: str) -> str:
        (found,) = (item.error or "" for item in self.run.tables if item.table == table)
        return found


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path, retries=2, retry_delay_seconds=0)
    yield lakehouse
    closed(lakehouse)


@pytest.fixture(scope="module")
def accident(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accident]:
    shop = opened(spark, tmp_path_factory.mktemp("accident"))
    folder = shop.folder("silver.orders")
    assert folder is not None
    folder.parent.mkdir(parents=True)
    folder.write_text("not a table")
    nodes = [node for node in SHOP.nodes if node.table != "silver.customers"]
    pipeline = Pipeline("shop", *nodes, Silver("customers", reads="bronze.customers", transform=divided))
    run = run_pipeline(shop, pipeline, run_id="accident-2026")
    folder.unlink()
    yield Accident(shop, run)
    closed(shop)


def test_the_error_names_step_batch_cause_and_runbook(accident: Accident) -> None:
    division, file = accident.error("silver.customers"), accident.error("silver.orders")

    assert division.startswith("A value does not fit the calculation")
    assert "step:    transform and check the rows" in division
    assert "batch:   all of bronze.customers up to version 1; run accident-202" in division
    assert "DIVIDE_BY_ZERO" in division
    assert "docs/runbooks/pipeline-failure.md#value" in division
    assert "step:    create the table" in file
    assert str(accident.shop.folder("silver.orders")) in file
    assert "docs/runbooks/pipeline-failure.md#path-in-the-way" in file


def test_terminal_report_and_run_tables_say_the_same(accident: Accident, spark: SparkSession) -> None:
    stream = io.StringIO()
    print_run(accident.run, Console(file=stream, width=80, highlight=False))
    page = render_report(accident.run, [accident.run], Graph((), ()), {})
    (kept,) = RunStore(accident.shop.namespace).latest(spark)

    shown = stream.getvalue()
    assert max(map(len, shown.splitlines())) <= 80
    for word in ("DIVIDE_BY_ZERO", "bronze.customers up to version 1", "pipeline-failure.md#value"):
        assert word in " ".join(shown.split())
        assert word in page
        assert word in " ".join(table.error or "" for table in kept.tables)
    kinds = {table.table: table.error_kind for table in kept.tables if table.status == "failed"}
    assert kinds == {"silver.customers": "value", "silver.orders": "path-in-the-way"}


def test_once_the_cause_is_gone_the_next_run_is_complete(accident: Accident, undisturbed: Undisturbed) -> None:
    succeeded(run_pipeline(accident.shop, SHOP))

    assert contents(accident.shop) == undisturbed.first


def test_a_conflict_is_tried_again_and_bad_input_is_not(shop: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    succeeded(run_pipeline(shop, SHOP, tables=["bronze.orders", "bronze.customers"]))
    calls: list[str] = []
    original = silver.refine

    def failing(error: Exception) -> Callable[..., object]:
        def refine(lakehouse: Lakehouse, node: Silver, *rest: object) -> object:
            calls.append(node.table)
            if calls.count(node.table) == 1:
                raise error
            return original(lakehouse, node, *rest)  # type: ignore[arg-type]  # passed on as it came

        return refine

    with monkeypatch.context() as patch:
        patch.setattr("databricks_utils.medallion.steps.refine", failing(RuntimeError("[DELTA_CONCURRENT_APPEND] x")))
        again = run_pipeline(shop, SHOP, tables=["silver.orders"])
    with monkeypatch.context() as patch:
        patch.setattr("databricks_utils.medallion.steps.refine", failing(PermissionError(13, "Permission denied")))
        at_once = run_pipeline(shop, SHOP, tables=["silver.customers"])

    assert again.tables[0].status == "succeeded"
    assert at_once.tables[0].status == "failed"
    assert calls == ["silver.orders", "silver.orders", "silver.customers"]


def test_a_note_that_cannot_be_written_is_no_failure_of_the_tables(
    shop: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(runner, "save_progress", full)
        with pytest.raises(RunFailed) as caught:
            run_pipeline(shop, SHOP, tables=["bronze.orders"])

    assert "The tables are written" in str(caught.value)
    assert "pipeline-failure.md#disk-full" in str(caught.value)
    assert shop.read("bronze.orders").count() == 4
