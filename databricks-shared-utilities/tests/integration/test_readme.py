"""The recipes of the README that need Spark run as they stand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from mlflow import MlflowClient
from own_process import own_environment
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils import medallion
from databricks_utils.contracts import read_contract
from databricks_utils.delta import Namespace
from databricks_utils.features import Events, Feature, FeatureRegistry, FeatureTable
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


def test_features_are_written_and_joined_with_labels(
    recipes: Mapping[str, CodeType], spark: SparkSession, schemas: Mapping[str, str], tmp_path: Path
) -> None:
    given = """
        | customer_id | ordered_on | amount |
        | 10          | 2024-01-05 | 5.00   |
        | 10          | 2024-01-09 | 2.50   |
        """
    asked = "| customer_id | asked_at |\n| 10 | 2024-01-10T08:00:00Z |\n| 11 | 2024-01-10T08:00:00Z |"

    names = followed(
        recipes["Define features, compute them, join them with labels"],
        spark=spark,
        namespace=Namespace("spark_catalog", schemas, tmp_path),
        contracts={"silver.orders": read_contract(CONTRACT)},
        orders=frame(spark, given, "customer_id BIGINT, ordered_on DATE, amount DECIMAL(10,2)"),
        labels=frame(spark, asked, "customer_id BIGINT, asked_at TIMESTAMP"),
    )

    found = names["examples"].select("customer_id", "spend_7d", "recency_30d").orderBy("customer_id").collect()
    assert [tuple(row) for row in found] == [(10, 7.5, 0), (11, None, None)]


@pytest.fixture(scope="module")
def customers(spark: SparkSession) -> DataFrame:
    """Return feature rows of one customer, available in a moment's past."""
    row = "10L customer_id, timestamp_seconds(unix_seconds(now()) - 60) available_at"
    return spark.sql(f"SELECT {row}, 7.5D spend_7d, 8D spend_30d, 0L recency_30d")


def test_features_are_looked_up(
    recipes: Mapping[str, CodeType], customers: DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    described = {"description": "Tested."}
    table = FeatureTable(
        "gold.customer_features",
        source=Events("silver.orders", timestamp="ordered_on"),
        entity=["customer_id"],
        features=[
            Feature("spend", "sum", of="amount", windows=(7, 30), **described),
            Feature("recency", "days_since_last", windows=(30,), **described),
        ],
        owner="shop",
        **described,
    )
    registry = FeatureRegistry([table], {"silver.orders": read_contract(CONTRACT)})

    names = followed(recipes["Look up features online"], registry=registry, rows=customers)

    assert names["features"] == {"spend_7d": 7.5, "spend_30d": 8.0, "recency_30d": 0}


def test_drift_is_measured(recipes: Mapping[str, CodeType], customers: DataFrame) -> None:
    names = followed(recipes["Watch features for drift"], trained_on=customers, rows=customers)

    assert [(result.column, result.status) for result in names["results"]] == [
        ("spend_7d", "too few rows"),
        ("recency_30d", "too few rows"),
    ]


def test_a_better_model_takes_over(
    recipes: Mapping[str, CodeType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_registry: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_registry, tmp_path)
    client = MlflowClient(tracking_uri="sqlite:///mlruns.db")
    run_id = client.create_run(client.create_experiment("churn", tmp_path.as_uri())).info.run_id
    client.log_metric(run_id, "auc", 0.8)

    names = followed(recipes["Let a better model take over"], run_id=run_id, source=tmp_path.as_uri())

    champion = names["registry"].champion("main.gold.churn")
    assert (champion.version, champion.tags["approved_by"]) == (1, "ann@example.com")


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
