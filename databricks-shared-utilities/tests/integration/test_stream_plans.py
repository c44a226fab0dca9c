"""How Spark plans what every event goes through."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from little_tills import TILLS, opened
from pyspark.sql import DataFrame, SparkSession

from databricks_utils.contracts import struct_type
from databricks_utils.medallion import Lakehouse
from databricks_utils.streaming.events import bronze_columns, prepare_events, rejected_events, unique_events
from databricks_utils.testing.plans import empty_source


@pytest.fixture
def tills(spark: SparkSession, tmp_path: Path) -> Lakehouse:
    return opened(spark, tmp_path)


@pytest.mark.parametrize("wanted", ["valid", "invalid"])
def test_an_event_is_parsed_once_and_looked_at_for_errors_afterwards(
    tills: Lakehouse, tmp_path: Path, wanted: str
) -> None:
    contract, node = tills.contract("silver.sales"), TILLS.silver("silver.sales")
    labelled = prepare_events(_bronze(tills, tmp_path), contract, tills, node)

    found = unique_events(labelled, contract, tills, node) if wanted == "valid" else rejected_events(labelled)

    plan = _optimized(found)
    # Once for its fields, and once before, only where it may have nested values, to know that these are sound.
    assert plan.count("from_json(") == 2
    assert plan.index("Filter") < plan.index("Generate") < plan.index("from_json(")


def _bronze(tills: Lakehouse, folder: Path) -> DataFrame:
    fields = [*struct_type(tills.contract("bronze.sales")), *bronze_columns()]
    columns = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in fields)
    return empty_source(tills.spark, folder / "sales", columns)


def _optimized(frame: DataFrame) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        frame.explain("extended")
    return output.getvalue().partition("== Optimized Logical Plan ==")[2].partition("== Physical Plan ==")[0]
