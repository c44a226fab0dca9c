"""From contracts to rules, without Spark running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from databricks_utils.contracts import Column, Contract, DeclaredRule, Severity
from databricks_utils.data_quality import Rule, TableRule, row_rules, table_rules
from databricks_utils.errors import InvalidInput

PATH = Path("contracts/gold/sales.yaml")


def contract(*columns: Column, rules: tuple[DeclaredRule, ...] = (), layer: str = "gold", **fields: Any) -> Contract:
    return Contract(layer, "sales", "1.0.0", "active", "", "", columns, declared_rules=rules, path=PATH, **fields)


def declared(metric: str, column: str | None = "code", severity: Severity = "error", **fields: Any) -> DeclaredRule:
    return DeclaredRule("mine", column, metric, severity, **fields)


def predicates(*columns: Column, rules: tuple[DeclaredRule, ...] = ()) -> dict[str, tuple[str, str]]:
    return {rule.name: (rule.kind, rule.predicate) for rule in row_rules(contract(*columns, rules=rules))}


def test_options_of_a_column_become_rules() -> None:
    columns = (
        Column("id", "BIGINT", primary_key=True),
        Column(
            "price",
            "DECIMAL(10,2)",
            required=True,
            options={"exclusiveMinimum": 0, "maximum": 99.5, "multipleOf": 0.05},
        ),
        Column("day", "DATE", options={"minimum": "2017-01-01"}),
        Column("at", "TIMESTAMP", options={"maximum": "2017-01-01T01:00:00+01:00"}),
        Column("code", "STRING", options={"minLength": 1, "maxLength": 3, "pattern": "[A-Z]'"}),
    )

    assert predicates(*columns) == {
        "id_not_null": ("not_null", "`id` IS NOT NULL"),
        "price_not_null": ("not_null", "`price` IS NOT NULL"),
        "price_range": ("range", "`price` > 0 AND `price` <= 99.5"),
        "price_multiple": ("expression", "`price` % 0.05 = 0"),
        "day_range": ("range", "`day` >= DATE '2017-01-01'"),
        "at_range": ("range", "`at` <= TIMESTAMP '2017-01-01 00:00:00+00:00'"),
        "code_length": ("length", "char_length(`code`) >= 1 AND char_length(`code`) <= 3"),
        "code_pattern": ("pattern", r"`code` RLIKE '\\A(?:[A-Z]\')\\z'"),
    }


@pytest.mark.parametrize(
    ("metric", "arguments", "expected"),
    [
        ("nullValues", {}, ("not_null", "`code` IS NOT NULL")),
        (
            "missingValues",
            {"missingValues": [None, "", "N/A"]},
            ("not_null", "`code` IS NOT NULL AND `code` NOT IN ('N/A')"),
        ),
        ("missingValues", {"missingValues": [""]}, ("not_null", "`code` IS NOT NULL")),
        ("invalidValues", {"validValues": ["a'b", "c\\"]}, ("set", r"`code` IN ('a\'b', 'c\\')")),
        ("invalidValues", {"pattern": "a"}, ("pattern", r"`code` RLIKE '\\A(?:a)\\z'")),
    ],
)
def test_library_metrics_that_must_be_zero_are_rules_for_rows(
    metric: str, arguments: dict[str, object], expected: tuple[str, str]
) -> None:
    rule = declared(metric, arguments=arguments, operators={"mustBe": 0})

    assert predicates(Column("code", "STRING"), rules=(rule,)) == {"mine": expected}
    assert table_rules(contract(Column("code", "STRING"), rules=(rule,))) == ()


def test_library_metrics_with_another_limit_are_rules_for_the_table() -> None:
    rule = declared("nullValues", severity="warning", operators={"mustBeLessThan": 5})
    sales = contract(Column("code", "STRING"), rules=(rule,))

    assert row_rules(sales) == ()
    (found,) = table_rules(sales)
    assert (found.kind, found.severity, found.column, found.predicate) == (
        "tolerance",
        "warning",
        "code",
        "`code` IS NOT NULL",
    )


def test_keys_references_freshness_and_counts_are_rules_for_the_table() -> None:
    sales = contract(
        Column("id", "BIGINT", primary_key=True),
        Column("line", "INT", primary_key=True),
        Column("code", "STRING", unique=True, reference="gold.codes.code"),
        rules=(
            declared("rowCount", None, operators={"mustBeGreaterThan": 0}),
            DeclaredRule(
                "pairs",
                None,
                "duplicateValues",
                arguments={"properties": ["id", "code"]},
                operators={"mustBe": 0},
            ),
        ),
        key=("id", "line"),
        freshness_hours=26.0,
        freshness_column="day",
    )

    found = {(rule.name, rule.kind, rule.columns) for rule in table_rules(sales)}

    assert found == {
        ("primary_key", "unique", ("id", "line")),
        ("code_unique", "unique", ("code",)),
        ("code_reference", "reference", ("code",)),
        ("freshness", "freshness", ("day",)),
        ("mine", "row_count", ()),
        ("pairs", "unique", ("id", "code")),
    }


def test_a_silver_table_also_asks_how_rows_arrived() -> None:
    silver = contract(
        Column("id", "BIGINT", source_column="key", sources=("bronze.sales.key",)),
        Column("note", "STRING"),
        Column("net", "DECIMAL(12,2)", transform="gross - discount"),
        layer="silver",
    )

    assert [(rule.name, rule.kind) for rule in row_rules(silver)] == [
        ("malformed", "malformed"),
        ("cast:id", "cast"),
    ]


@pytest.mark.parametrize(
    ("predicate", "kind"),
    [
        ("start <= end", "date_order"),
        ("`start`<`end`", "date_order"),
        ("start <= other", "expression"),
        ("start < end OR true", "expression"),
    ],
)
def test_a_comparison_of_two_dates_is_known_as_such(predicate: str, kind: str) -> None:
    columns = (Column("start", "DATE"), Column("end", "TIMESTAMP"), Column("other", "STRING"))

    assert predicates(*columns, rules=(declared("row", None, predicate=predicate),)) == {"mine": (kind, predicate)}


@pytest.mark.parametrize(
    ("column", "rule", "message"),
    [
        (
            Column("code", "INT", options={"pattern": "a"}),
            None,
            "A pattern is for STRING columns, and code is INT",
        ),
        (Column("code", "INT", options={"minimum": "many"}), None, "'many' is not a value of type INT"),
        (
            Column("code", "DATE", options={"minimum": "2017-02-30"}),
            None,
            "'2017-02-30' is not a value of type DATE",
        ),
        (
            Column("code", "INT"),
            declared("invalidValues", operators={"mustBe": 0}),
            "invalidValues has no list of validValues",
        ),
        (
            Column("code", "STRING"),
            declared("nullValues", None, operators={"mustBe": 0}),
            "nullValues needs a column",
        ),
        (Column("code", "STRING"), declared("row", predicate=" "), "The rule has no predicate"),
        (
            Column("code", "STRING"),
            declared("invalidValues", arguments={"validValues": [1]}, operators={"mustBe": 0}),
            "1 is not a value of type STRING",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_file(
    column: Column, rule: DeclaredRule | None, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        row_rules(contract(column, rules=(rule,) if rule else ()))

    assert message in caught.value.message
    assert str(PATH) in (caught.value.where or "")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (declared("rowCount", None), "The rule says no limit"),
        (declared("rowCount", None, operators={"mustBeSo": 1}), "Unknown operator 'mustBeSo'"),
        (
            declared("rowCount", None, operators={"mustBe": "many"}),
            "mustBe: 'many' is not what the operator compares with",
        ),
        (
            declared("rowCount", None, operators={"mustBeBetween": [1]}),
            "is not what the operator compares with",
        ),
        (declared("duplicateValues", None, operators={"mustBe": 0}), "The rule names no column"),
        (declared("newMetric", operators={"mustBe": 1}), "Unknown metric 'newMetric'"),
    ],
)
def test_a_table_rule_that_cannot_be_decided_is_refused(rule: DeclaredRule, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        table_rules(contract(Column("code", "STRING"), rules=(rule,)))


def test_a_reference_must_name_layer_table_and_column() -> None:
    with pytest.raises(InvalidInput, match="no column to refer to"):
        TableRule("mine", "reference", "error", ("code",), reference="codes.code")


def test_a_declared_rule_cannot_take_the_name_of_a_derived_one() -> None:
    rule = DeclaredRule("code_not_null", None, "row", predicate="code > ''")

    with pytest.raises(InvalidInput, match="Two rules are called 'code_not_null'"):
        row_rules(contract(Column("code", "STRING", required=True), rules=(rule,)))


@pytest.mark.parametrize(
    ("predicate", "found"),
    [
        ("day <= current_date", "current_date"),
        ("day <= CURRENT_DATE()", "CURRENT_DATE"),
        ("at < now()", "now"),
        ("rand ( ) < 0.5", "rand"),
        ("rand/* */() < 0.5", "rand"),
        ("at < from_unixtime(unix_timestamp())", "unix_timestamp"),
        ("id IN (SELECT id FROM other)", "SELECT"),
        ("uuid() <> id", "uuid"),
        ("day <= DATE 'today'", "today"),
        ("at < cast( 'NOW' AS TIMESTAMP)", "NOW"),
        ('day > to_date("yesterday UTC")', "yesterday"),
        ("reflect('java.util.UUID', 'randomUUID') > id", "reflect"),
        ("code = '${env:HOME}'", "${"),
    ],
)
def test_a_predicate_that_depends_on_more_than_its_row_is_refused(predicate: str, found: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Rule("mine", "day", "expression", "error", predicate, "sales.yaml")

    assert repr(found) in caught.value.message
    assert caught.value.where == "sales.yaml, rule mine, column day"


@pytest.mark.parametrize("name", ["", " ", "a\x1fb", "two\nlines"])
def test_a_rule_must_have_a_name_that_can_be_shown(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be called"):
        Rule(name, None, "expression", "error", "a > 0")


@pytest.mark.parametrize(
    "predicate",
    [
        "note <> 'now() or rand()'",
        "`current_date` > day",
        "unix_timestamp(at) > 0",
        "now > 1 -- not now()",
        "operand(1) > selected",
        "note = 'today' OR day > DATE '2024-01-01'",
        r"note <> 'it\'s now()'",
    ],
)
def test_a_predicate_that_only_looks_like_it_is_accepted(predicate: str) -> None:
    assert Rule("mine", None, "expression", "error", predicate).predicate == predicate
