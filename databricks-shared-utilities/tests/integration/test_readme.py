"""The recipes of the README that need Spark run as they stand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from own_process import own_environment
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils import medallion
from databricks_utils.contracts import read_contract
from databricks_utils.testing.frames import frame

CONTRACT = Path(__file__).parents[1] / "fixtures" / "shop" / "silver" / "orders.yaml"
ORDERS = "order_id BIGINT, amount DECIMAL(10,2)"
#: Runs the README's block in a process that has no session yet.
STARTING = """
import sys
from pathlib import Path

text = Path(sys.argv[1]).read_text(encoding="utf-8")
block = text.partition("### Start a session\\n")[2].partition("```python\\n")[2].partition("```")[0]
exec(block)
spark.sql("CREATE TABLE answer USING DELTA AS SELECT 42 AS n")
print(spark.table("answer").first().n)
spark.stop()
"""


def followed(recipe: CodeType, **given: Any) -> dict[str, Any]:
    """Run a recipe with the names that the reader brings along, and return the names it made."""
    names = dict(given)
    exec(recipe, names)
    return names


def test_rows_are_checked(recipes: Mapping[str, CodeType], spark: SparkSession) -> None:
    given = """
        | order_id | customer_id | ordered_on | amount | revision |
        | 1        | 10          | 2024-01-05 | 5.00   | 1        |
        | x        | 10          | 2024-01-05 | -5.00  | 1        |
        """
    types = "order_id STRING, customer_id STRING, ordered_on STRING, amount STRING, revision STRING"

    names = followed(recipes["Check rows"], received=frame(spark, given, types), contract=read_contract(CONTRACT))

    assert (names["summary"].rows, names["summary"].rows_valid) == (2, 1)
    (bad,) = names["labelled"].where("NOT _is_valid").collect()
    assert {"cast:order_id: not a BIGINT", "amount_range"} <= set(bad._validation_errors)


def test_rows_are_merged_and_the_change_is_read(recipes: Mapping[str, CodeType], spark: SparkSession) -> None:
    spark.sql("CREATE SCHEMA silver")
    try:
        properties = "TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')"
        spark.sql(f"CREATE TABLE silver.orders ({ORDERS}) USING DELTA {properties}")
        recipe = recipes["Merge, and read what changed"]

        followed(recipe, spark=spark, rows=frame(spark, "| order_id | amount |\n| 1 | 5.00 |", ORDERS))
        followed(recipe, spark=spark, rows=frame(spark, "| order_id | amount |\n| 1 | 6.00 |", ORDERS))

        assert [tuple(map(str, row)) for row in spark.table("silver.orders").collect()] == [("1", "6.00")]
    finally:
        spark.sql("DROP SCHEMA silver CASCADE")


def test_states_become_history(
    recipes: Mapping[str, CodeType], spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = """
        | customer_id | changed_on | city | segment | status |
        | 1           | 2024-01-01 | Rome | a       | open   |
        | 1           | 2024-03-01 | Oslo | a       | open   |
        | 1           | 2024-04-01 | Oslo | a       | closed |
        """
    types = "customer_id BIGINT, changed_on DATE, city STRING, segment STRING, status STRING"
    results: list[DataFrame] = []
    original = medallion.timeline

    def remembered(*arguments: Any, **named: Any) -> DataFrame:
        results.append(original(*arguments, **named))
        return results[-1]

    monkeypatch.setattr(medallion, "timeline", remembered)

    followed(recipes["Turn states into history"], states=frame(spark, given, types))

    periods = results[0].select("city", "effective_start_date", "effective_end_date").orderBy("effective_start_date")
    assert [tuple(map(str, row)) for row in periods.collect()] == [
        ("Rome", "2024-01-01", "2024-03-01"),
        ("Oslo", "2024-03-01", "2024-04-01"),
    ]


def test_a_test_of_a_transformation_passes_and_can_fail(recipes: Mapping[str, CodeType], spark: SparkSession) -> None:
    recipe = recipes["Test a transformation"]

    def capitalised(rows: DataFrame) -> DataFrame:
        return rows.withColumn("name", F.initcap("name"))

    followed(recipe, clean=capitalised)["test_names_are_capitalised"](spark)
    with pytest.raises(AssertionError):
        followed(recipe, clean=lambda rows: rows)["test_names_are_capitalised"](spark)


def test_a_session_is_started(recipes: Mapping[str, CodeType], tmp_path: Path) -> None:
    readme = recipes["Start a session"].co_filename

    done = subprocess.run(
        [sys.executable, "-c", STARTING, readme],
        cwd=tmp_path,
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["42"]
    assert (tmp_path / ".lakehouse" / "warehouse" / "answer" / "_delta_log").is_dir()
