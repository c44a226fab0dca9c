"""From a contract to the rules each row must meet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from databricks_utils.contracts import Column, Contract, DeclaredRule, data_type
from databricks_utils.data_quality.casting import cast_problem, cast_source
from databricks_utils.data_quality.pattern import java_pattern
from databricks_utils.data_quality.results import RuleKind
from databricks_utils.data_quality.rules import MALFORMED, Rule
from databricks_utils.data_quality.sql_text import quoted_name, value_literal
from databricks_utils.errors import InvalidInput
from databricks_utils.sql_literal import string_literal

_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
_ORDER = re.compile(r"\s*`?(\w+)`?\s*(?:<|<=|>|>=)\s*`?(\w+)`?\s*")


def row_rules(contract: Contract) -> tuple[Rule, ...]:
    """Compile what a contract says about single rows.

    `required` and the key give not_null rules, `logicalTypeOptions` give range, length and pattern rules,
    `quality` gives the declared ones; a silver table's rows are also asked how they arrived. Library metrics
    count here when they must be 0; with another limit they are checked on the table.

    Raises:
        InvalidInput: A rule cannot be run; the message names file, rule and column.
    """
    rules = [*_arrival(contract)]
    for column in contract.columns:
        rules += _not_null(contract, column)
        rules += _options(contract, column)
    rules += [compiled(contract, rule) for rule in contract.declared_rules if is_row_rule(rule)]
    _check_names(rules)
    return tuple(rules)


def is_row_rule(rule: DeclaredRule) -> bool:
    """Say whether a declared rule can be decided row by row."""
    if rule.metric == "row":
        return True
    return rule.metric in ("nullValues", "missingValues", "invalidValues") and dict(rule.operators) == {"mustBe": 0}


def compiled(contract: Contract, declared: DeclaredRule) -> Rule:
    """Compile one declared rule about rows.

    Raises:
        InvalidInput: It belongs to a column and names none, or its arguments say nothing or something
            impossible.
    """
    kind, predicate = _predicate(contract, declared)
    return Rule(declared.name, declared.column, kind, declared.severity, predicate, str(contract.path))


def _predicate(contract: Contract, declared: DeclaredRule) -> tuple[RuleKind, str]:
    where = f"{contract.path}, rule {declared.name}"
    if declared.metric == "row":
        text = declared.predicate or ""
        return ("date_order" if _compares_dates(contract, text) else "expression"), text
    if declared.column is None:
        raise InvalidInput(
            f"{declared.metric} needs a column", where=where, hint="Put the rule under a column's quality"
        )
    column = contract.column(declared.column)
    if declared.metric == "nullValues":
        return "not_null", f"{quoted_name(column.name)} IS NOT NULL"
    if declared.metric == "missingValues":
        given = _listed(declared, "missingValues", where)
        listed = _literals([value for value in given if value is not None and value != ""], column, where)
        present = f"{quoted_name(column.name)} IS NOT NULL"
        return (
            "not_null",
            f"{present} AND {quoted_name(column.name)} NOT IN ({listed})" if listed else present,
        )
    if "pattern" in declared.arguments:
        return "pattern", _matches(column, str(declared.arguments["pattern"]), where)
    listed = _literals(_listed(declared, "validValues", where), column, where)
    return "set", f"{quoted_name(column.name)} IN ({listed})"


def _listed(declared: DeclaredRule, argument: str, where: str) -> Sequence[object]:
    values = declared.arguments.get(argument)
    if not isinstance(values, list | tuple) or not values:
        raise InvalidInput(
            f"{declared.metric} has no list of {argument}",
            where=where,
            hint=f"Add arguments: {{{argument}: [a, b]}}",
        )
    return values


def _literals(values: Sequence[object], column: Column, where: str) -> str:
    return ", ".join(value_literal(value, column.data_type, f"{where}, column {column.name}") for value in values)


def _arrival(contract: Contract) -> Iterator[Rule]:
    if contract.layer != "silver":
        return
    path = str(contract.path)
    yield Rule(MALFORMED, None, "malformed", "error", f"NOT array_contains(_validation_errors, '{MALFORMED}')", path)
    for column in contract.columns:
        if cast_source(column) and column.data_type.upper() != "STRING":
            entry = string_literal(f"cast:{cast_problem(column)}")
            predicate = f"NOT array_contains(_validation_errors, {entry})"
            yield Rule(f"cast:{column.name}", column.name, "cast", "error", predicate, path)


def _not_null(contract: Contract, column: Column) -> Iterator[Rule]:
    if column.required or column.primary_key or column.name in contract.key:
        predicate = f"{quoted_name(column.name)} IS NOT NULL"
        yield Rule(f"{column.name}_not_null", column.name, "not_null", "error", predicate, str(contract.path))


def _options(contract: Contract, column: Column) -> Iterator[Rule]:
    path, name, options = str(contract.path), quoted_name(column.name), column.options
    where = f"{path}, column {column.name}, logicalTypeOptions"
    if bounds := [
        f"{name} {sign} {value_literal(options[key], column.data_type, f'{where}.{key}')}"
        for key, sign in _BOUNDS.items()
        if key in options
    ]:
        yield Rule(f"{column.name}_range", column.name, "range", "error", " AND ".join(bounds), path)
    if "multipleOf" in options:
        step = value_literal(options["multipleOf"], column.data_type, f"{where}.multipleOf")
        yield Rule(f"{column.name}_multiple", column.name, "expression", "error", f"{name} % {step} = 0", path)
    lengths = {"minLength": ">=", "maxLength": "<="}
    if parts := [
        f"char_length({name}) {sign} {int(str(options[key]))}" for key, sign in lengths.items() if key in options
    ]:
        yield Rule(f"{column.name}_length", column.name, "length", "error", " AND ".join(parts), path)
    if "pattern" in options:
        predicate = _matches(column, str(options["pattern"]), where)
        yield Rule(f"{column.name}_pattern", column.name, "pattern", "error", predicate, path)


def _matches(column: Column, pattern: str, where: str) -> str:
    if column.data_type.upper() != "STRING":
        raise InvalidInput(
            f"A pattern is for STRING columns, and {column.name} is {column.data_type}",
            where=where,
            hint="Use minimum, maximum or a row rule",
        )
    return f"{quoted_name(column.name)} RLIKE {string_literal(java_pattern(pattern, where))}"


def _compares_dates(contract: Contract, predicate: str) -> bool:
    match = _ORDER.fullmatch(predicate)
    types = {column.name: data_type(column.data_type).simpleString() for column in contract.columns}
    return match is not None and all(
        types.get(name) in ("date", "timestamp", "timestamp_ntz") for name in match.groups()
    )


def _check_names(rules: Sequence[Rule]) -> None:
    for name, times in Counter(rule.name for rule in rules).items():
        if times > 1:
            rule = next(rule for rule in rules if rule.name == name)
            raise InvalidInput(
                f"Two rules are called {name!r}",
                where=rule.source,
                hint="Give the declared rule another name",
            )
