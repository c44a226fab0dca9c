"""The gold tables of a run equal what pandas computes from the same files, without any of our code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from databricks_utils.session import LocalSpark, create_session
from installed import Installed
from oracle.gold_with_pandas import gold_tables
from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.slow

Row = tuple[str | None, ...]
TABLES = (
    "dim_household",
    "dim_product",
    "dim_date",
    "fact_sales",
    "agg_daily_sales",
    "agg_monthly_sales",
    "business_metrics",
)
#: Keys that the runner makes up; the oracle names the member itself instead.
SURROGATES = {"household_key", "product_key"}


@pytest.fixture(scope="module")
def expected(ran: Installed) -> dict[str, pd.DataFrame]:
    """The oracle's tables for the landing files of the run."""
    return gold_tables(ran.folder / "data" / "landing")


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """A session that reads Delta tables by their folder."""
    session = create_session(LocalSpark(), "compare-with-pandas", short_lived=True)
    yield session
    session.stop()


@pytest.fixture(scope="module")
def gold(ran: Installed, spark: SparkSession) -> dict[str, DataFrame]:
    """The run's gold tables, the fact with the members that its surrogate keys stand for."""
    (folder,) = {log.parent.parent for log in ran.folder.glob("**/gold/fact_sales/_delta_log")}
    tables = {name: spark.read.format("delta").load(str(folder / name)) for name in TABLES}
    return {**tables, "fact_sales": with_members(tables)}


def with_members(tables: dict[str, DataFrame]) -> DataFrame:
    """Return fact_sales with what its two surrogate keys stand for, as the oracle has it."""
    versions = tables["dim_household"].selectExpr(
        "household_key",
        "CASE WHEN household_key <> -1 THEN effective_start_date END AS household_version_start",
    )
    members = tables["dim_product"].selectExpr("product_key", "product_key <> -1 AS product_is_known")
    return tables["fact_sales"].join(versions, "household_key").join(members, "product_key")


def test_the_dimensions_have_one_row_for_each_surrogate_key(gold: dict[str, DataFrame]) -> None:
    for table, key in (("dim_household", "household_key"), ("dim_product", "product_key")):
        keys = [row[0] for row in gold[table].select(key).collect()]

        assert len(keys) == len(set(keys))
        assert keys.count(-1) == 1


@pytest.mark.parametrize("table", TABLES)
def test_a_gold_table_equals_the_oracle(
    table: str, gold: dict[str, DataFrame], expected: dict[str, pd.DataFrame]
) -> None:
    columns = [column for column in expected[table].columns if column not in SURROGATES]

    computed = Counter(spark_rows(gold[table], columns))
    wanted = Counter(pandas_rows(expected[table], columns))
    if table == "dim_date":  # ours may reach further than the days that were sold on
        days = {row[columns.index("date_key")] for row in wanted}
        position = columns.index("date_key")
        computed = Counter({row: count for row, count in computed.items() if row[position] in days})

    assert wanted
    assert list(first(computed - wanted)) == [], "in our table only"
    assert list(first(wanted - computed)) == [], "missing in our table"


def first(rows: Counter[Row], limit: int = 5) -> Iterator[Row]:
    """Yield the first few rows, sorted, so that a failure can be read."""
    yield from sorted(rows.elements(), key=str)[:limit]


def spark_rows(frame: DataFrame, columns: Sequence[str]) -> list[Row]:
    """Return rows as text, as Spark writes values in UTC."""
    texts = frame.selectExpr(*(f"CAST(`{name}` AS STRING)" for name in columns))
    return [tuple(row) for row in texts.collect()]


def pandas_rows(frame: pd.DataFrame, columns: Sequence[str]) -> list[Row]:
    """Return rows as text in Spark's spelling."""
    texts = [[text(name, value) for value in frame[name]] for name in columns]
    return list(zip(*texts, strict=True))


def text(column: str, value: object) -> str | None:
    """Return one value as Spark casts it to a string."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, pd.Timestamp):
        return str(value) if column.endswith("_timestamp") else f"{value:%Y-%m-%d}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) or type(value).__name__ == "bool_" else str(value)


def test_the_sample_exercises_what_is_hard(expected: dict[str, pd.DataFrame], ran: Installed) -> None:
    landing = ran.folder / "data" / "landing"
    versions, facts = expected["dim_household"], expected["fact_sales"]

    assert versions["household_id"].duplicated().any(), "no household changes"
    assert facts["household_version_start"].isna().any(), "no sale of an unknown household"
    assert not facts["product_is_known"].all(), "no sale of an unknown product"
    assert len(list((landing / "transactions").glob("*.csv"))) > 1
    assert Path(landing / "products" / "products.jsonl").exists()
