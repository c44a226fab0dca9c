"""Rules from contracts: SQL predicates for rows, conditions for tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from databricks_utils.contracts import Column, Contract, DeclaredRule, Severity
from databricks_utils.errors import InvalidInput

#: Types whose logicalTypeOptions minimum and maximum are numbers; for dates they are quoted.
QUOTED = ("DATE", "TIMESTAMP", "TIMESTAMP_NTZ")
COMPARISONS = {
    "mustBe": "=",
    "mustNotBe": "<>",
    "mustBeGreaterThan": ">",
    "mustBeGreaterOrEqualTo": ">=",
    "mustBeLessThan": "<",
    "mustBeLessOrEqualTo": "<=",
}
#: Constructs of ECMA-262 patterns that Java reads differently.
FOREIGN_PATTERN = re.compile(r"\\c[A-Za-z]|\(\?<[A-Za-z_$][^>]*_|\\u\{|\[\^?\]|\$<")


@dataclass(frozen=True)
class Rule:
    """A rule about one row.

    Args:
        name: Unique within the table.
        column: The column it looks at, or None.
        kind: not_null, range, set, pattern, length, expression.
        severity: `error` puts the row in quarantine, `warning` only counts.
        predicate: SQL condition that good rows meet; NULL counts as good, except for not_null.
        description: For people.
    """

    name: str
    column: str | None
    kind: str
    severity: Severity
    predicate: str
    description: str = ""


@dataclass(frozen=True)
class TableRule:
    """A rule about a whole table.

    Args:
        name: Unique within the table.
        column: The column it looks at, or None.
        kind: unique, reference, freshness, row_count, share.
        severity: `error` or `warning`.
        reference: For reference: `layer.table.column`.
        condition: For row_count, unique and share: comparisons such as `(">", 0)`, all of which must hold.
        hours: For freshness: greatest age in hours.
        predicate: For share: SQL condition that good rows meet.
        percent: For share: compare percentages instead of counts.
    """

    name: str
    column: str | None
    kind: Literal["unique", "reference", "freshness", "row_count", "share"]
    severity: Severity
    reference: str | None = None
    condition: tuple[tuple[str, float], ...] = ()
    hours: float | None = None
    predicate: str | None = None
    percent: bool = False


def row_rules(contract: Contract) -> tuple[Rule, ...]:
    """Return the row rules of a contract: from `required`, `logicalTypeOptions` and `quality`.

    Raises:
        InvalidInput: A rule cannot be expressed.
    """
    rules = [rule for column in contract.columns for rule in _column_rules(contract, column)]
    for declared in contract.declared_rules:
        rules += _declared_row_rule(contract, declared)
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"Two rules are called {name!r}", where=str(contract.path), hint="Name the one under quality differently")
    return tuple(rules)


def table_rules(contract: Contract) -> tuple[TableRule, ...]:
    """Return the table rules of a contract: unique columns, references, freshness, row counts, shares."""
    rules: list[TableRule] = []
    for column in contract.columns:
        if column.unique and column.name not in contract.key:
            rules.append(TableRule(f"{column.name}_unique", column.name, "unique", "error", condition=(("=", 0.0),)))
        if column.reference:
            rules.append(TableRule(f"{column.name}_reference", column.name, "reference", "warning", column.reference))
    if contract.freshness_hours is not None:
        rules.append(
            TableRule("freshness", contract.freshness_column, "freshness", "warning", hours=contract.freshness_hours)
        )
    rules += [rule for declared in contract.declared_rules for rule in _declared_table_rule(contract, declared)]
    return tuple(rules)


def _column_rules(contract: Contract, column: Column) -> list[Rule]:
    name, quoted = column.name, f"`{column.name}`"
    rules = []
    if contract.layer != "bronze" and (column.required or column.name in contract.key):
        rules.append(Rule(f"{name}_not_null", name, "not_null", "error", f"{quoted} IS NOT NULL"))
    options = column.options
    bounds = [
        f"{quoted} {sign} {_bound(column, options[key])}"
        for key, sign in (("minimum", ">="), ("maximum", "<="), ("exclusiveMinimum", ">"), ("exclusiveMaximum", "<"))
        if key in options
    ]
    if bounds:
        rules.append(Rule(f"{name}_range", name, "range", "error", " AND ".join(bounds)))
    lengths = [
        f"length({quoted}) {sign} {int(str(options[key]))}"
        for key, sign in (("minLength", ">="), ("maxLength", "<="))
        if key in options
    ]
    if lengths:
        rules.append(Rule(f"{name}_length", name, "length", "error", " AND ".join(lengths)))
    if "pattern" in options:
        rules.append(Rule(f"{name}_pattern", name, "pattern", "error", _matches(contract, column.name, str(options["pattern"]))))
    return rules


def _declared_row_rule(contract: Contract, declared: DeclaredRule) -> list[Rule]:
    make = {"row": _predicate, "nullValues": _not_null, "missingValues": _present, "invalidValues": _valid}.get(declared.metric)
    if make is None or (declared.metric != "row" and not _must_be_zero(declared)):
        return []
    kind, predicate = make(contract, declared)
    return [Rule(declared.name, declared.column, kind, declared.severity, predicate, declared.description)]


def _declared_table_rule(contract: Contract, declared: DeclaredRule) -> list[TableRule]:
    condition = tuple((COMPARISONS[key], float(str(value))) for key, value in declared.operators.items() if key in COMPARISONS)
    percent = False
    if declared.metric == "rowCount":
        return [TableRule(declared.name, None, "row_count", declared.severity, condition=condition)]
    if declared.metric == "duplicateValues":
        return [TableRule(declared.name, declared.column, "unique", declared.severity, condition=condition or (("=", 0.0),))]
    make = {"nullValues": _not_null, "missingValues": _present, "invalidValues": _valid}.get(declared.metric)
    if make is None or _must_be_zero(declared):
        return []
    _, predicate = make(contract, declared)
    return [
        TableRule(declared.name, declared.column, "share", declared.severity, condition=condition, predicate=predicate, percent=percent)
    ]


def _must_be_zero(declared: DeclaredRule) -> bool:
    return not declared.operators or dict(declared.operators) == {"mustBe": 0}


def _predicate(contract: Contract, declared: DeclaredRule) -> tuple[str, str]:
    return "expression", f"({declared.predicate})"


def _not_null(contract: Contract, declared: DeclaredRule) -> tuple[str, str]:
    return "not_null", f"`{_needs_column(contract, declared)}` IS NOT NULL"


def _present(contract: Contract, declared: DeclaredRule) -> tuple[str, str]:
    column = _needs_column(contract, declared)
    missing = [value for value in _values(declared, "missingValues") if value is not None]
    listed = f" AND NOT coalesce(CAST(`{column}` AS STRING) IN ({_listed(missing)}), false)" if missing else ""
    return "not_null", f"`{column}` IS NOT NULL{listed}"


def _valid(contract: Contract, declared: DeclaredRule) -> tuple[str, str]:
    column = _needs_column(contract, declared)
    if "pattern" in declared.arguments:
        return "pattern", _matches(contract, column, str(declared.arguments["pattern"]))
    values = _values(declared, "validValues")
    if not values:
        hint = "Give arguments: {validValues: [a, b]} or {pattern: …}"
        raise InvalidInput(f"The rule {declared.name!r} says nothing about what is valid", where=str(contract.path), hint=hint)
    return "set", f"CAST(`{column}` AS STRING) IN ({_listed(values)})"


def _values(declared: DeclaredRule, name: str) -> Sequence[object]:
    values = declared.arguments.get(name, ())
    return values if isinstance(values, list | tuple) else [values]


def _listed(values: Sequence[object]) -> str:
    return ", ".join(_literal(str(value)) for value in values)


def _needs_column(contract: Contract, declared: DeclaredRule) -> str:
    if declared.column is None:
        hint = "Move it under the quality of a column"
        raise InvalidInput(f"The rule {declared.name!r} needs a column", where=str(contract.path), hint=hint)
    return declared.column


def _matches(contract: Contract, column: str, pattern: str) -> str:
    """Return an unanchored match, as ODCS patterns (ECMA-262) are; anchors belong into the pattern."""
    if FOREIGN_PATTERN.search(pattern):
        hint = "Use only what ECMA-262 and Java read alike"
        raise InvalidInput(f"The pattern {pattern!r} means something else to Spark", where=f"{contract.path}, column {column}", hint=hint)
    try:
        re.compile(pattern)
    except re.error as error:
        raise InvalidInput(f"The pattern {pattern!r} is broken: {error}", where=f"{contract.path}, column {column}") from None
    return f"`{column}` RLIKE {_literal(pattern)}"


def _bound(column: Column, value: object) -> str:
    if column.data_type.upper() in QUOTED:
        return f"CAST({_literal(str(value))} AS {column.data_type})"
    try:
        float(str(value))
    except ValueError:
        raise InvalidInput(f"The bound {value!r} of {column.name} is not a number", hint="Write a number") from None
    return str(value)


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


