"""Rules about whole tables, and the profile of a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from databricks_utils.contracts import Column, Contract, DeclaredRule
from databricks_utils.data_quality import (
    RuleResult,
    TableRule,
    classified_columns,
    profile,
    run_table_rules,
    table_rules,
)
from databricks_utils.errors import InvalidInput

NOW = datetime(2018, 1, 2, 12, tzinfo=timezone.utc)
ZERO = {"mustBe": 0}


@pytest.fixture(autouse=True)
def _views(spark: SparkSession) -> Iterator[None]:
    yield
    for name in ("quality_sales", "quality_products"):
        spark.catalog.dropTempView(name)


def check(spark: SparkSession, rows: str, rule: TableRule, now: datetime = NOW) -> RuleResult:
    spark.sql(rows).createOrReplaceTempView("quality_sales")
    (result,) = run_table_rules(
        spark, "quality_sales", [rule], lambda table: f"quality_{table.rpartition('.')[2]}", now=now
    )
    return result


def values(rows: str, names: str) -> str:
    return f"SELECT * FROM VALUES {rows} AS t({names})"


keys = st.lists(st.tuples(st.none() | st.integers(1, 3), st.none() | st.integers(1, 2)), min_size=1, max_size=15)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=keys)
def test_surplus_rows_of_a_key_are_counted_and_nulls_are_left_out(
    spark: SparkSession, rows: list[tuple[int | None, int | None]]
) -> None:
    spark.createDataFrame(rows, "a INT, b INT").createOrReplaceTempView("quality_sales")
    rule = TableRule("key", "unique", "error", ("a", "b"), limits=ZERO)

    (result,) = run_table_rules(spark, "quality_sales", [rule], str, now=NOW)

    present = Counter(row for row in rows if None not in row)
    assert (result.rows_checked, result.rows_failed) == (present.total(), present.total() - len(present))
    assert result.passed == (present.total() == len(present))


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    own=st.lists(st.none() | st.integers(1, 5), min_size=1, max_size=15),
    known=st.lists(st.none() | st.integers(1, 5), min_size=1, max_size=8),
)
def test_orphans_of_a_reference_are_counted_once_whatever_is_repeated_there(
    spark: SparkSession, own: list[int | None], known: list[int | None]
) -> None:
    spark.createDataFrame([(value,) for value in own], "product_id INT").createOrReplaceTempView("quality_sales")
    spark.createDataFrame([(value,) for value in known], "id INT").createOrReplaceTempView("quality_products")
    rule = TableRule("product", "reference", "error", ("product_id",), reference="silver.products.id")

    (result,) = run_table_rules(spark, "quality_sales", [rule], lambda _: "quality_products", now=NOW)

    present = [value for value in own if value is not None]
    assert (result.rows_checked, result.rows_failed) == (
        len(present),
        sum(value not in known for value in present),
    )


def test_a_number_of_rows_that_the_write_has_told_is_not_counted_again(spark: SparkSession) -> None:
    enough = TableRule("enough", "row_count", "error", limits={"mustBeGreaterThan": 2})

    (result,) = run_table_rules(spark, "no_such_table", [enough], str, now=NOW, known_rows=2)

    assert (result.passed, result.rows_checked, result.rows_failed) == (False, 1, 1)


def test_a_reference_to_a_table_not_yet_there_fails_without_stopping_the_others(spark: SparkSession) -> None:
    rule = TableRule("product", "reference", "error", ("id",), reference="silver.products.id")

    result = check(spark, "SELECT 1 AS id", rule)

    assert (result.passed, result.rows_checked, result.detail) == (
        False,
        0,
        "silver.products does not exist yet",
    )


@pytest.mark.parametrize(
    ("newest", "passed", "age"),
    [
        ("TIMESTAMP'2018-01-02 10:00:00'", True, "2.0"),
        ("TIMESTAMP'2018-01-01 11:59:59'", False, "24.0"),
        ("DATE'2018-01-01'", True, "12.0"),
        ("DATE'2017-12-31'", False, "36.0"),
        ("DATE'2018-01-02'", True, "0.0"),
    ],
)
def test_freshness_is_the_age_of_the_newest_value_at_the_moment_given(
    spark: SparkSession, newest: str, passed: bool, age: str
) -> None:
    rule = TableRule("fresh", "freshness", "warning", ("at",), maximum_age_hours=24)

    result = check(spark, values(f"({newest}), ({newest} - INTERVAL 40 DAYS), (NULL)", "at"), rule)

    assert (result.passed, result.rows_failed) == (passed, 0 if passed else 1)
    assert result.detail == f"{age} hours old, at most 24"


def test_freshness_reads_the_moment_in_its_own_time_zone(spark: SparkSession) -> None:
    rule = TableRule("fresh", "freshness", "warning", ("at",), maximum_age_hours=24)
    now = NOW.astimezone(timezone(timedelta(hours=9)))

    assert check(spark, "SELECT TIMESTAMP'2018-01-02 10:00:00' AS at", rule, now).detail == "2.0 hours old, at most 24"


def test_a_table_without_any_value_is_not_fresh(spark: SparkSession) -> None:
    rule = TableRule("fresh", "freshness", "warning", ("at",), maximum_age_hours=24)

    assert not check(spark, "SELECT CAST(NULL AS TIMESTAMP) AS at", rule).passed


def test_the_number_of_rows_is_held_against_its_limits(spark: SparkSession) -> None:
    rows = values("(1), (2), (3)", "a")

    few = check(spark, rows, TableRule("rows", "row_count", "error", limits={"mustBeBetween": [4, 9]}))
    enough = check(spark, rows, TableRule("rows", "row_count", "error", limits={"mustBeGreaterThan": 2}))

    assert (few.passed, few.detail) == (False, "3 rows, must be between 4 and 9")
    assert enough.passed


def test_a_tolerance_lets_some_rows_fail(spark: SparkSession) -> None:
    rows = values("(1), (NULL), (NULL)", "a")
    limited = {
        count: TableRule(
            "nulls", "tolerance", "error", ("a",), predicate="a IS NOT NULL", limits={"mustBeLessThan": count}
        )
        for count in (2, 3)
    }

    results = {count: check(spark, rows, rule) for count, rule in limited.items()}

    assert {count: result.passed for count, result in results.items()} == {2: False, 3: True}
    assert {result.rows_failed for result in results.values()} == {2}


def test_all_rules_of_a_contract_are_answered_in_their_order(spark: SparkSession) -> None:
    contract = Contract(
        "gold",
        "sales",
        "1.0.0",
        "active",
        "",
        "",
        (Column("id", "INT", primary_key=True), Column("code", "STRING", unique=True), Column("at", "DATE")),
        key=("id",),
        declared_rules=(
            DeclaredRule("rows", None, "rowCount", operators={"mustBeGreaterThan": 0}),
            DeclaredRule("codes", "code", "nullValues", "warning", operators={"mustBeLessThan": 1}),
        ),
        freshness_hours=1,
        freshness_column="at",
    )
    spark.sql(
        values("(1, 'a', DATE'2018-01-02'), (1, 'b', NULL), (2, NULL, NULL)", "id, code, at")
    ).createOrReplaceTempView("quality_sales")

    results = run_table_rules(spark, "quality_sales", table_rules(contract), str, now=NOW)

    assert [(result.rule, result.kind, result.passed, result.rows_failed) for result in results] == [
        ("primary_key", "unique", False, 1),
        ("code_unique", "unique", True, 0),
        ("freshness", "freshness", True, 0),
        ("rows", "row_count", True, 0),
        ("codes", "tolerance", False, 1),
    ]


def test_a_rule_on_a_column_the_table_lacks_says_so(spark: SparkSession) -> None:
    with pytest.raises(InvalidInput, match=r"(?s)does not fit the table.*nowhere.*rules key"):
        check(spark, "SELECT 1 AS a", TableRule("key", "unique", "error", ("nowhere",), limits=ZERO))


def test_a_moment_without_time_zone_is_refused(spark: SparkSession) -> None:
    rule = TableRule("rows", "row_count", "error", limits={"mustBe": 1})
    with pytest.raises(InvalidInput, match="has no time zone"):
        check(spark, "SELECT 1 AS a", rule, datetime(2018, 1, 1))


def test_a_profile_counts_nulls_shapes_and_lengths(spark: SparkSession) -> None:
    texts = "('12', 1.5D), ('1.5', NULL), ('2017-01-01', 3D), ('a@b.de', 3D)"
    rows = f"{texts}, (' ', 3D), ('word', 3D), ('x-y', 3D), (NULL, 3D)"

    text, number = profile(spark.sql(values(rows, "text, number")))

    assert text.shapes == dict.fromkeys(("integer", "decimal", "date", "e-mail", "word", "blank", "other"), 1)
    assert (text.rows, text.nulls, text.null_fraction, text.distinct) == (8, 1, 0.125, 7)
    assert (text.shortest, text.longest, text.minimum, text.maximum) == (1, 10, " ", "x-y")
    assert (number.minimum, number.maximum, number.distinct, number.shapes) == ("1.5", "3.0", 2, {})


def test_a_profile_shows_no_value_of_a_classified_or_technical_column(spark: SparkSession) -> None:
    secret = Column("email", "STRING", classification="confidential")
    contract = Contract(
        "gold", "people", "1.0.0", "active", "", "", (secret, Column("age", "INT")), path=Path("people.yaml")
    )
    rows = spark.sql("SELECT 'ada@example.org' AS email, 36 AS age, 'ada@example.org' AS _raw")

    found = profile(rows, classified=classified_columns(contract))

    assert [item.column for item in found] == ["email", "age"]
    assert (found[0].minimum, found[0].maximum, found[0].longest, found[0].shapes) == (
        None,
        None,
        15,
        {"e-mail": 1},
    )
    assert "ada" not in repr(found)


def test_a_profile_of_nested_columns_and_of_no_rows_is_possible(spark: SparkSession) -> None:
    nested, empty = profile(spark.sql("SELECT array(1) AS list, 'a' AS text WHERE false"))

    assert (nested.rows, nested.nulls, nested.distinct, nested.null_fraction) == (0, 0, None, 0.0)
    assert (empty.minimum, empty.shapes) == (None, {})
