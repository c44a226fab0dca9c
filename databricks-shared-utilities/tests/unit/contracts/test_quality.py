"""Quality entries: what can be run becomes a rule; all else is refused with line, key and advice."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from databricks_utils.contracts import Contract, data_dictionary, read_contract
from databricks_utils.data_quality import row_rules, table_rules
from databricks_utils.errors import InputProblems

PREDICATE = "amount > 0"


def read(folder: Path, table: list[object] | None = None, column: list[object] | None = None) -> Contract:
    amount: dict[str, object] = {"name": "amount", "logicalType": "number", "physicalType": "DOUBLE"}
    orders: dict[str, object] = {"name": "orders", "physicalType": "table", "properties": [amount]}
    for holder, entries in ((orders, table), (amount, column)):
        if entries is not None:
            holder["quality"] = entries
    values = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "orders",
        "version": "1.0.0",
        "status": "active",
        "schema": [orders],
    }
    path = folder / "silver" / "orders.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return read_contract(path)


def refusal(folder: Path, table: object = None, column: object = None) -> str:
    with pytest.raises(InputProblems) as caught:
        read(folder, [table] if table else None, [column] if column else None)
    assert caught.value.exit_code == 2
    return str(caught.value)


def condition(**more: object) -> dict[str, object]:
    return {"type": "custom", "engine": "databricks_utils", "implementation": {"row": PREDICATE}, **more}


def metric(metric_name: str, /, **more: object) -> dict[str, object]:
    return {"type": "library", "metric": metric_name, "mustBe": 0, **more}


def test_a_query_is_refused_with_its_line_its_key_and_what_to_write(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"name": "totals", "type": "sql", "query": "SELECT 1", "mustBe": 1})

    lines = (tmp_path / "silver" / "orders.yaml").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "type: sql" in text)
    assert message.splitlines() == [
        "1 problem in the input",
        "- A rule of type sql cannot be run; a metric or a condition on rows was expected",
        f"  where: {tmp_path}/silver/orders.yaml:{line}, key schema.0.quality.0.type",
        "  hint:  Write type: library with a metric, or type: custom with engine: databricks_utils and "
        'implementation: {row: "a SQL condition that good rows meet"}',
    ]


@pytest.mark.parametrize("limit", [{"mustBe": 5}, {"mustBeLessThan": 1}, {"mustBeBetween": [0, 2]}])
def test_a_share_as_a_limit_is_refused_and_the_configuration_named(tmp_path: Path, limit: dict[str, object]) -> None:
    entry = {"type": "library", "metric": "nullValues", "unit": "percent", **limit}

    message = refusal(tmp_path, column=entry)

    assert "unit: percent cannot be checked; a limit counts rows" in message
    assert "key schema.0.properties.0.quality.0.unit" in message
    assert "Write unit: rows with a number of rows, or mustBe: 0; quality.fail_invalid_share" in message


def test_no_percent_is_no_row(tmp_path: Path) -> None:
    by_share = read(tmp_path, column=[metric("nullValues", unit="percent", name="known")])
    by_rows = read(tmp_path, column=[metric("nullValues", unit="rows", name="known")])

    assert by_share.declared_rules == by_rows.declared_rules
    assert "known" in [rule.name for rule in row_rules(by_share)]


def test_another_unit_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, metric("rowCount", unit="gigabytes"))

    assert "unit: gigabytes cannot be checked; a limit counts rows" in message
    assert "hint:  Write unit: rows" in message


@pytest.mark.parametrize(
    "entry",
    [
        condition(engine="soda"),
        condition(implementation="amount > 0"),
        condition(implementation={"row": " "}),
        condition(implementation={"row": ["amount > 0"]}),
    ],
    ids=["another engine", "text", "blank", "list"],
)
def test_a_custom_rule_of_another_kind_is_refused(tmp_path: Path, entry: object) -> None:
    message = refusal(tmp_path, entry)

    assert "This custom rule cannot be run" in message
    assert "key schema.0.quality.0" in message
    assert 'Write engine: databricks_utils and implementation: {row: "a SQL condition that good rows meet"}' in message


def test_what_stands_beside_the_condition_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, condition(implementation={"row": PREDICATE, "filter": "amount < 9"}))

    assert "Unknown key 'filter'" in message
    assert "key schema.0.quality.0.implementation.filter" in message
    assert "The only key of an implementation is row" in message


@pytest.mark.parametrize(
    ("entry", "key", "said", "advice"),
    [
        (condition(unit="rows"), "unit", "in a rule of type custom", "keys of a custom rule: engine, implementation"),
        (condition(schedule="0 20 * * *"), "schedule", "in a rule of type custom", "whenever their table is written"),
        (metric("rowCount", scheduler="cron"), "scheduler", "in a rule of type library", "whenever their table"),
        (metric("rowCount", rule="rowCount"), "rule", "in a rule of type library", "Write metric instead"),
        (
            metric("rowCount", customProperties=[{"property": "where", "value": "x"}]),
            "customProperties",
            "in a rule of type library",
            "Remove it; keys of a library rule: arguments, metric, severity, type, unit",
        ),
    ],
)
def test_a_key_without_effect_is_refused(tmp_path: Path, entry: object, key: str, said: str, advice: str) -> None:
    message = refusal(tmp_path, entry)

    assert f"The key {key!r} has no effect {said}" in message
    assert advice in message
    assert f"key schema.0.quality.0.{key}" in message


@pytest.mark.parametrize(
    ("table", "column", "said", "advice"),
    [
        (metric("nullValues"), None, "nullValues is about a column", "under the column's quality"),
        (metric("invalidValues"), None, "invalidValues is about a column", "under the column's quality"),
        (None, metric("rowCount"), "rowCount is about the table", "under the table's quality"),
        (
            None,
            metric("invalidValues", arguments={"validValue": [1]}),
            "no argument 'validValue'",
            "Did you mean validValues?",
        ),
        (None, metric("nullValues", arguments={"where": "x"}), "nullValues has no argument 'where'", "Remove it"),
        (metric("duplicateValues", arguments={"columns": ["amount"]}), None, "argument 'columns'", "Known: properties"),
        (
            None,
            metric("duplicateValues", arguments={"properties": ["amount"]}),
            "duplicateValues has no argument 'properties'",
            "Remove it",
        ),
        (
            None,
            metric("invalidValues", arguments={"validValues": ["a"], "pattern": "a"}),
            "validValues and pattern stand in one rule",
            "Write two rules",
        ),
    ],
)
def test_a_metric_in_the_wrong_place_or_with_foreign_arguments_is_refused(
    tmp_path: Path, table: object, column: object, said: str, advice: str
) -> None:
    message = refusal(tmp_path, table, column)

    assert said in message
    assert advice in message


def test_a_rule_without_a_metric_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"name": "something", "description": "Amounts are right."})

    assert "The rule has no metric" in message
    assert "Known: nullValues, missingValues, invalidValues, duplicateValues, rowCount" in message


def test_words_are_kept_for_the_dictionary_and_checked_by_nobody(tmp_path: Path) -> None:
    orders = read(
        tmp_path,
        [{"type": "text", "description": "Refunds follow\nwithin a week."}],
        [{"type": "text", "description": "In euro."}],
    )

    assert orders.statements == ("Refunds follow within a week.", "amount: In euro.")
    assert orders.declared_rules == ()
    assert "- Refunds follow within a week. (not checked)" in data_dictionary({orders.name: orders})


def test_words_that_say_nothing_are_refused(tmp_path: Path) -> None:
    assert "A rule of type text says nothing" in refusal(tmp_path, {"type": "text"})


def test_every_entry_is_a_rule_a_statement_or_a_problem(tmp_path: Path) -> None:
    orders = read(
        tmp_path,
        [
            condition(name="paid", severity="warning"),
            {"type": "library", "metric": "rowCount", "mustBeGreaterThan": 0},
            {"metric": "duplicateValues", "arguments": {"properties": ["amount"]}, "mustBe": 0, "name": "once"},
            {"type": "text", "description": "Words."},
        ],
        [
            metric("nullValues"),
            metric("missingValues", arguments={"missingValues": [0]}),
            metric("invalidValues", arguments={"validValues": [1.0, 2.0]}),
        ],
    )

    assert len(orders.declared_rules) + len(orders.statements) == 7
    names = {rule.name for rule in row_rules(orders)} | {rule.name for rule in table_rules(orders)}
    assert {rule.name for rule in orders.declared_rules} <= names


def test_problems_of_several_entries_come_together(tmp_path: Path) -> None:
    with pytest.raises(InputProblems) as caught:
        read(tmp_path, [condition(severity="info"), {"type": "sql", "query": "SELECT 1", "mustBe": 1}])

    assert "'info' is no severity" in str(caught.value)
    assert "A rule of type sql cannot be run" in str(caught.value)
