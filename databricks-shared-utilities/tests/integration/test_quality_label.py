"""Labels and their summary against the same rules evaluated in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from databricks_utils.contracts import Column, Contract, DeclaredRule
from databricks_utils.data_quality import Rule, cast_to_contract, label, quality_score, row_rules, summarise
from databricks_utils.errors import InputProblems, InvalidInput

PATH = Path("contracts/silver/sales.yaml")
COLUMNS = "id BIGINT, quantity INT, brand STRING, code STRING, start DATE, end DATE"
SCHEMA = f"{COLUMNS}, _malformed BOOLEAN, _cast_errors ARRAY<STRING>"
QUANTITY = "quantity: not an INT"
CONTRACT = Contract(
    "silver",
    "sales",
    "1.0.0",
    "active",
    "",
    "",
    (
        Column("id", "BIGINT", primary_key=True),
        Column("quantity", "INT", options={"minimum": 1, "exclusiveMaximum": 10}),
        Column("brand", "STRING", required=True, options={"minLength": 2, "maxLength": 3}),
        Column("code", "STRING", options={"pattern": "^[A-Z]\\d$"}),
        Column("start", "DATE"),
        Column("end", "DATE"),
    ),
    key=("id",),
    declared_rules=(
        DeclaredRule(
            "known_brand",
            "brand",
            "invalidValues",
            "warning",
            {"validValues": ["it's", "a\\b"]},
            {"mustBe": 0},
        ),
        DeclaredRule("in_order", None, "row", predicate="start <= end"),
        DeclaredRule("few of brand a\\b", None, "row", "warning", predicate="quantity < 5 OR brand <> 'a\\\\b'"),
    ),
    path=PATH,
)


class Sale(NamedTuple):
    id: int | None
    quantity: int | None
    brand: str | None
    code: str | None
    start: date | None
    end: date | None
    malformed: bool | None
    cast_errors: list[str] | None


#: The same rules in Python, in the order of the contract: NULL passes but for not_null.
ERRORS: dict[str, Callable[[Sale], bool]] = {
    "malformed": lambda sale: not sale.malformed,
    "id_not_null": lambda sale: sale.id is not None,
    "quantity_range": lambda sale: sale.quantity is None or 1 <= sale.quantity < 10,
    "brand_not_null": lambda sale: sale.brand is not None,
    "brand_length": lambda sale: sale.brand is None or 2 <= len(sale.brand) <= 3,
    "code_pattern": lambda sale: sale.code is None or sale.code in ("A1", "B2"),
    "in_order": lambda sale: sale.start is None or sale.end is None or sale.start <= sale.end,
}
WARNINGS: dict[str, Callable[[Sale], bool]] = {
    "known_brand": lambda sale: sale.brand is None or sale.brand in ("it's", "a\\b"),
    "few of brand a\\b": lambda sale: (
        True in (sale.quantity is not None and sale.quantity < 5, sale.brand not in ("a\\b", None))
        or (sale.brand is None or (sale.quantity is None and sale.brand == "a\\b"))
    ),
}
days = st.none() | st.dates(date(2017, 1, 1), date(2017, 1, 4))
sales = st.builds(
    Sale,
    id=st.none() | st.integers(1, 3),
    quantity=st.none() | st.integers(-1, 11),
    brand=st.sampled_from([None, "", "it's", "a\\b", "x", "ab", "abc\u00e4", "\U0001f600\U0001f600"]),
    code=st.sampled_from([None, "A1", "B2", "A1\n", "xA1", "A11", "a1", "\u0661"]),
    start=days,
    end=days,
    malformed=st.sampled_from([None, False, False, True]),
    cast_errors=st.sampled_from([None, [], [], [QUANTITY]]),
)


def labelled(spark: SparkSession, rows: list[Sale]) -> DataFrame:
    return label(spark.createDataFrame(rows, SCHEMA), row_rules(CONTRACT))


def errors_of(sale: Sale) -> list[str]:
    return [name for name, good in ERRORS.items() if not good(sale)] + [
        f"cast:{entry}" for entry in sale.cast_errors or []
    ]


def warnings_of(sale: Sale) -> list[str]:
    return [name for name, good in WARNINGS.items() if not good(sale)]


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(sales, min_size=1, max_size=40))
def test_labels_and_summary_are_those_of_the_rules_in_python(spark: SparkSession, rows: list[Sale]) -> None:
    frame = labelled(spark, rows)

    found = frame.collect()
    summary = summarise(frame, row_rules(CONTRACT), key=("id",))

    expected = [(errors_of(sale), warnings_of(sale)) for sale in rows]
    assert [(row._validation_errors, row._validation_warnings) for row in found] == expected
    assert [row._is_valid for row in found] == [not errors for errors, _ in expected]
    failed = {result.rule: result.rows_failed for result in summary.rules if result.rows_failed}
    counted = [name for errors, warnings in expected for name in (*errors, *warnings)]
    assert failed == {name.removesuffix(": not an INT"): counted.count(name) for name in counted}
    valid = [sale for sale, (errors, _) in zip(rows, expected, strict=True) if not errors]
    assert (summary.rows, summary.rows_valid) == (len(rows), len(valid))
    assert summary.rows_valid + summary.rows_invalid == summary.rows
    assert summary.distinct_keys == len({sale.id for sale in valid})


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(sales, min_size=1, max_size=40))
def test_the_valid_and_the_invalid_rows_are_all_rows(spark: SparkSession, rows: list[Sale]) -> None:
    frame = labelled(spark, rows)

    parts = frame.where("_is_valid").count(), frame.where("NOT _is_valid").count()

    assert sum(parts) == len(rows)


def test_a_row_without_fault_has_empty_lists(spark: SparkSession) -> None:
    good = Sale(1, 4, "a\\b", "A1", date(2017, 1, 1), date(2017, 1, 1), False, [])

    row = labelled(spark, [good]).collect()[0]

    assert (row._validation_errors, row._validation_warnings, row._is_valid) == ([], [], True)


def test_a_frame_that_says_nothing_about_its_arrival_is_labelled_by_the_other_rules(
    spark: SparkSession,
) -> None:
    rows = spark.createDataFrame([(None, 5, "abc", None, None, None)], COLUMNS)

    row = label(rows, row_rules(CONTRACT)).collect()[0]

    assert row._validation_errors == ["id_not_null"]


def test_refused_values_reach_the_label_and_the_summary(spark: SparkSession) -> None:
    received = spark.createDataFrame(
        [("1", "two", "abc"), ("2", "2", "abc")], "id STRING, quantity STRING, brand STRING"
    )
    contract = replace(CONTRACT, columns=CONTRACT.columns[:3], declared_rules=())
    rules = row_rules(contract)

    frame = label(cast_to_contract(received, contract), rules)
    summary = summarise(frame, rules, key=contract.key)

    assert [row._validation_errors for row in frame.orderBy("id").collect()] == [[f"cast:{QUANTITY}"], []]
    failed = [result for result in summary.rules if not result.passed]
    assert [(result.rule, result.column, result.kind, result.rows_failed) for result in failed] == [
        ("cast:quantity", "quantity", "cast", 1)
    ]
    assert quality_score(summary.rules) == pytest.approx(1 - 1 / (2 * len(rules)))


def test_arrival_rules_can_be_asked_of_a_labelled_row_by_their_predicate(spark: SparkSession) -> None:
    rows = labelled(spark, [Sale(1, None, "abc", None, None, None, True, [QUANTITY])])
    predicates = [
        rule.predicate for rule in row_rules(CONTRACT) if rule.name in ("malformed", "cast:quantity", "cast:id")
    ]

    assert list(rows.selectExpr(*predicates).collect()[0]) == [False, True, False]


def test_a_predicate_pushed_below_the_label_gives_the_same_rows(spark: SparkSession) -> None:
    rows = [Sale(n, n, "abc", "A1", None, None, False, []) for n in range(-3, 14)]

    valid = labelled(spark, rows).where("_is_valid").select("id").collect()

    assert sorted(row.id for row in valid) == list(range(1, 10))


def test_no_rows_give_a_summary_of_zeros(spark: SparkSession) -> None:
    summary = summarise(labelled(spark, [Sale(None, *[None] * 7)]).where("false"), row_rules(CONTRACT), key=("id",))

    assert (summary.rows, summary.rows_valid, summary.rows_invalid, summary.distinct_keys) == (0, 0, 0, 0)
    assert all(result.passed for result in summary.rules)


def rule(predicate: str, column: str | None = None, name: str = "mine") -> Rule:
    return Rule(name, column, "expression", "error", predicate, str(PATH))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            rule("`quantiti` > 0", "quantiti"),
            "needs the column 'quantiti'.*\n.*sales.yaml, rule mine, column quantiti\n.*mean quantity",
        ),
        (rule("quantiti > 0"), "needs the column 'quantiti'.*\n.*sales.yaml, rule mine\n.*mean quantity"),
        (rule("quantity >"), "cannot be run: Syntax error"),
        (rule("true) OR (true"), "cannot be run: Syntax error"),
        (rule("brand"), "gives STRING, not true or false"),
        (rule("sum(quantity) > 0"), "cannot be run"),
        (rule("row_number() OVER (ORDER BY quantity) > 1"), "cannot be run"),
        (rule("no_such_function(quantity)"), "cannot be run: Cannot resolve"),
    ],
)
def test_a_rule_that_cannot_run_is_named_before_anything_runs(spark: SparkSession, wrong: Rule, message: str) -> None:
    rows = spark.createDataFrame([(1, "a")], "quantity INT, brand STRING")

    with pytest.raises(InvalidInput, match=message):
        label(rows, [rule("quantity > 0", name="fine"), wrong])


def test_all_rules_that_cannot_run_are_named_together(spark: SparkSession) -> None:
    with pytest.raises(InputProblems) as caught:
        label(spark.range(1), [rule("a > 0", name="first"), rule("id", name="second")])

    assert [problem.where for problem in caught.value.problems] == [
        f"{PATH}, rule first",
        f"{PATH}, rule second",
    ]


def test_without_rules_every_row_is_valid(spark: SparkSession) -> None:
    row = label(spark.range(1), []).collect()[0]

    assert (row._validation_errors, row._validation_warnings, row._is_valid) == ([], [], True)
