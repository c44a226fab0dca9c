"""Streams as a declarative pipeline make the tables that the job makes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from little_tills import TILLS, closed, configured, land, opened, payment, ran, sale
from pyspark import __version__ as spark_version
from pyspark.sql import DataFrame, SparkSession

from databricks_utils.medallion import Lakehouse
from databricks_utils.medallion.declarative import DeclaredLakehouse
from databricks_utils.streaming.declarative import declare_to
from databricks_utils.testing.assertions import assert_frame

pytestmark = [
    pytest.mark.skipif(
        tuple(map(int, spark_version.split(".")[:2])) < (4, 1), reason="declarative pipelines came with Spark 4.1"
    ),
    # For every change, a generated project makes its own tables in both ways.
    pytest.mark.matrix,
]
#: What an engine makes that has no state over its own tables.
TABLES = ["bronze.sales", "bronze.payments", "silver.sales", "silver.payments", "gold.store_minutes"]
QUARANTINES = ["silver.sales_quarantine", "silver.payments_quarantine"]

SOURCE = """
from pathlib import Path
from little_tills import TILLS, configured, contracts
from pyspark.sql import SparkSession
from databricks_utils.streaming import declare_streams

spark = SparkSession.getActiveSession()
declare_streams(spark, TILLS, configured(Path(spark.conf.get("spark.tills.folder")), "plain"), contracts())
"""
# A process has either a classic session or Connect sessions, and the engine needs one of Connect.
PROGRAM = """
import sys
from pathlib import Path
from databricks_utils.testing.declarative import run_declarative

source, folder, tills = map(Path, sys.argv[1:])
schemas = [f"{layer}_plain" for layer in ("bronze", "silver", "gold")]
with run_declarative(source, folder, configuration={"spark.tills.folder": str(tills)}, schemas=schemas):
    pass
"""


@pytest.fixture(scope="module")
def both(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lakehouse, Path]]:
    """Return a lakehouse that the job has filled, and the warehouse of a declarative pipeline over the same files."""
    folder = tmp_path_factory.mktemp("declared")
    tills = opened(spark, folder)
    first = [sale(1, "10:00:05"), sale(2, "10:00:40", 120), sale(3, "10:01:10")]
    land(tills, "tills.sales", "1.jsonl", first)
    land(tills, "tills.sales", "2.jsonl", [first[1], sale(4, "10:02:00", store=2), "not json", sale(5, "10:03:00", -1)])
    land(tills, "tills.payments", "1.jsonl", [payment(1, "10:00:10"), payment(3, "10:05:00"), payment(2, "10:01:00")])
    source = folder / "streams.py"
    source.write_text(SOURCE, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SPARK_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(source), str(folder / "run"), str(folder)],
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran(tills)
    yield tills, folder / "run" / "warehouse"
    closed(tills)


@dataclass
class Engine:
    """Keeps what is declared, and makes it in that order: views first seen, streams to their end, tables anew."""

    spark: SparkSession
    folder: Path
    declared: list[tuple[str, str, Callable[[], DataFrame]]] = field(default_factory=list)

    def _keep(self, kind: str, name: str) -> Callable[[Callable[[], DataFrame]], None]:
        return lambda function: self.declared.append((kind, name, function))

    def table(self, name: str, comment: str | None = None) -> Callable[[Callable[[], DataFrame]], None]:
        return self._keep("stream", name)

    def materialized_view(self, name: str, comment: str | None = None) -> Callable[[Callable[[], DataFrame]], None]:
        return self._keep("view", name)

    def temporary_view(self, name: str) -> Callable[[Callable[[], DataFrame]], None]:
        return self._keep("temporary", name)

    def run(self) -> None:
        for kind, name, function in self.declared:
            if kind == "temporary":
                function().createOrReplaceTempView(name)
            elif kind == "view":
                function().write.format("delta").mode("overwrite").saveAsTable(name)
            else:
                writer = function().writeStream.format("delta").outputMode("append").trigger(availableNow=True)
                writer.option("checkpointLocation", str(self.folder / name)).toTable(name).awaitTermination()


def test_with_state_over_its_tables_an_engine_makes_what_comes_once_too(
    both: tuple[Lakehouse, Path], spark: SparkSession, tmp_path: Path
) -> None:
    tills, _ = both
    configuration = configured(Path(tills.configuration.storage.landing).parent, f"state_{uuid4().hex[:8]}")
    lakehouse = DeclaredLakehouse(spark, configuration, tills.contracts)
    engine = Engine(spark, tmp_path)
    for schema in configuration.schemas.model_dump().values():
        spark.sql(f"CREATE SCHEMA {schema}")

    declare_to(engine, lakehouse, TILLS, with_state=True)
    engine.run()

    kinds = {name.removeprefix("spark_catalog."): kind for kind, name, _ in engine.declared}
    gold = configuration.schemas.gold
    assert (kinds[f"{gold}.paid_sales"], kinds[f"{gold}.store_minutes"]) == ("stream", "view")
    for table in [*TABLES, "gold.paid_sales"]:
        columns = tills.contract(table).column_names
        assert_frame(lakehouse.read(table).select(*columns), tills.read(table).select(*columns))
    assert lakehouse.read("silver.sales_late").count() == 0

    # What the watermark drops is in a view beside the quarantine.
    land(tills, "tills.sales", "3.jsonl", [sale(6, "08:00:00")])
    engine.run()

    (late,) = lakehouse.read("silver.sales_late").collect()
    assert lakehouse.read("silver.sales").where("sale_id = 's6'").count() == 0
    assert late.asDict().keys() == set(lakehouse.read("silver.sales_quarantine").columns)
    assert ("s6" in late.record, list(late._validation_errors)) == (True, ["event_time_not_late"])
    closed(lakehouse)


@pytest.mark.parametrize("table", [*TABLES, *QUARANTINES])
def test_a_table_is_the_one_of_the_job(table: str, both: tuple[Lakehouse, Path], spark: SparkSession) -> None:
    tills, warehouse = both
    layer, name = table.split(".")
    expected = tills.read(table)
    columns = ("record", "_validation_errors") if table in QUARANTINES else tills.contract(table).column_names

    made = spark.read.format("delta").load(str(warehouse / f"{layer}_plain.db" / name))

    assert expected.count() > 0 or table == "silver.payments_quarantine"
    assert made.columns == expected.columns
    assert_frame(made.select(*columns), expected.select(*columns))
    if "_batch_id" in made.columns:
        assert made.where("_batch_id IS NULL").count() == 0


def test_what_needs_state_or_tells_somebody_is_left_to_the_job(both: tuple[Lakehouse, Path]) -> None:
    _, warehouse = both
    made = {f"{path.parent.name.removesuffix('_plain.db')}.{path.name}" for path in warehouse.glob("*.db/*")}

    assert made == {*TABLES, *QUARANTINES}
