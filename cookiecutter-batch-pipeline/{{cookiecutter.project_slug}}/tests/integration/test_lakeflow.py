"""The declarative pipeline, run by the engine that Spark has from 4.1 on, makes the tables that the job makes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult
from databricks_utils.testing.assertions import assert_frame
from pyspark import __version__ as spark_version
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.orchestration import pipeline_definition

ROOT = Path(__file__).resolve().parents[2]
GOLD = [node.table for node in pipeline_definition.PIPELINE if node.layer == "gold"]

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

pytestmark = pytest.mark.skipif(
    tuple(map(int, spark_version.split(".")[:2])) < (4, 1), reason="declarative pipelines came with Spark 4.1"
)


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the declarative pipeline on the sample and return the folder of its tables."""
    folder = tmp_path_factory.mktemp("declarative") / "run"
    source = Path(pipeline_definition.__file__).with_name("lakeflow.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(source), str(folder), str(ROOT)],
        env={key: value for key, value in environment.items() if not key.startswith("SPARK_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "warehouse"


@pytest.mark.parametrize("table", GOLD)
def test_the_declarative_pipeline_makes_the_same_table_as_the_job(
    table: str, declared: Path, spark: SparkSession, sample: Lakehouse, deliveries: tuple[RunResult, RunResult]
) -> None:
    layer, name = table.split(".")
    columns = [column.name for column in sample.contract(table).columns]

    made = spark.read.format("delta").load(str(declared / f"{layer}.db" / name))

    assert_frame(made.select(*columns), sample.read(table).select(*columns))
