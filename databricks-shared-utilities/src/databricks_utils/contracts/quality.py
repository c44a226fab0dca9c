"""The `quality` entries of a contract: each becomes a rule, a statement for people or a problem; none is lost."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from databricks_utils.config.yaml_source import KeyPath
from databricks_utils.contracts.model import DeclaredRule, Severity

#: Called with the key, what is wrong there, and what to do.
Complaint = Callable[[KeyPath, str, str], None]

ENGINE = "databricks_utils"
OPERATORS = ("mustBe", "mustNot")
#: Keys for people and catalogues; they change nothing about how a rule is run.
NOTES = frozenset(
    {"id", "name", "description", "dimension", "method", "businessImpact", "tags", "authoritativeDefinitions"}
)
COMMON = NOTES | {"type", "severity"}
#: Keys that mean something to a rule of a type, apart from the operators.
KEYS: Mapping[str, frozenset[str]] = {
    "library": COMMON | {"metric", "arguments", "unit"},
    "custom": COMMON | {"engine", "implementation"},
    "text": COMMON,
}
#: Arguments of each metric, for a rule of a column and for a rule of the table; None where it cannot stand.
ARGUMENTS: Mapping[str, tuple[Sequence[str] | None, Sequence[str] | None]] = {
    "nullValues": ((), None),
    "missingValues": (("missingValues",), None),
    "invalidValues": (("validValues", "pattern"), None),
    "duplicateValues": ((), ("properties",)),
    "rowCount": (None, ()),
}
CONDITION = f'engine: {ENGINE} and implementation: {{row: "a SQL condition that good rows meet"}}'


class QualityReading:
    """The entries of one contract on their way to rules.

    Args:
        complain: Told of everything that cannot be run as it is written.
    """

    def __init__(self, complain: Complaint) -> None:
        self._complain = complain
        self._rules: list[DeclaredRule] = []
        self._statements: list[str] = []

    def read(self, table: Mapping[str, Any]) -> tuple[tuple[DeclaredRule, ...], tuple[str, ...]]:
        """Return the rules of a table and its columns, and what is said in words only."""
        for position, item in enumerate(table.get("quality") or []):
            self._entry(("schema", "0", "quality", str(position)), item, None)
        for column_position, column in enumerate(table.get("properties") or []):
            at = ("schema", "0", "properties", str(column_position), "quality")
            for position, item in enumerate(column.get("quality") or []):
                self._entry((*at, str(position)), item, str(column["name"]))
        names = [rule.name for rule in self._rules]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self._complain(("schema", "0", "quality"), f"Two rules are called {name!r}", "Give each rule its own name")
        return tuple(self._rules), tuple(self._statements)

    def _entry(self, at: KeyPath, item: Mapping[str, Any], column: str | None) -> None:
        kind = str(item.get("type", "library"))
        if item.get("severity") not in (None, "error", "warning"):
            self._complain((*at, "severity"), f"{item['severity']!r} is no severity", "Write error or warning")
        if kind == "sql":
            hint = f"Write type: library with a metric, or type: custom with {CONDITION}"
            expected = "A rule of type sql cannot be run; a metric or a condition on rows was expected"
            return self._complain((*at, "type"), expected, hint)
        self._check_keys(at, item, kind)
        if kind == "text":
            self._text(at, item, column)
        elif kind == "custom":
            self._custom(at, item, column)
        else:
            self._library(at, item, column)
        return None

    def _text(self, at: KeyPath, item: Mapping[str, Any], column: str | None) -> None:
        words = one_line(item.get("description"))
        if not words:
            self._complain((*at, "description"), "A rule of type text says nothing", "Add a description")
        self._statements.append(f"{column}: {words}" if column else words)

    def _custom(self, at: KeyPath, item: Mapping[str, Any], column: str | None) -> None:
        implementation = item.get("implementation")
        predicate = implementation.get("row") if isinstance(implementation, Mapping) else None
        if item.get("engine") != ENGINE or not isinstance(predicate, str) or not predicate.strip():
            return self._complain(at, "This custom rule cannot be run", f"Write {CONDITION}")
        for name in sorted(map(str, implementation or {})):
            if name != "row":
                place = (*at, "implementation", name)
                self._complain(place, f"Unknown key {name!r}", "The only key of an implementation is row")
        return self._add(item, column, "row", predicate)

    def _library(self, at: KeyPath, item: Mapping[str, Any], column: str | None) -> None:
        metric = item.get("metric")
        if metric is None:
            return self._complain(at, "The rule has no metric", f"Known: {', '.join(ARGUMENTS)}")
        known = ARGUMENTS[str(metric)][0 if column else 1]
        if known is None:
            belongs, hint = ("a column", "the column's") if column is None else ("the table", "the table's")
            place = (*at, "metric")
            return self._complain(place, f"{metric} is about {belongs}", f"Put the rule under {hint} quality")
        self._check_arguments(at, str(metric), item.get("arguments") or {}, known)
        self._check_unit(at, item)
        return self._add(item, column, str(metric), None)

    def _add(self, item: Mapping[str, Any], column: str | None, metric: str, predicate: str | None) -> None:
        severity: Severity = "warning" if item.get("severity") == "warning" else "error"
        self._rules.append(
            DeclaredRule(
                name=str(item.get("name") or "_".join(part for part in (column, metric) if part)),
                column=column,
                metric=metric,
                severity=severity,
                arguments=dict(item.get("arguments") or {}),
                operators={key: value for key, value in item.items() if key.startswith(OPERATORS)},
                predicate=predicate,
                description=one_line(item.get("description")),
            )
        )

    def _check_keys(self, at: KeyPath, item: Mapping[str, Any], kind: str) -> None:
        """Refuse what the standard allows and nothing here acts upon: a schedule, a deprecated or a foreign key."""
        for name in item:
            if name in KEYS[kind] or (kind == "library" and name.startswith(OPERATORS)):
                continue
            hint = {
                "schedule": "Remove it; rules are checked whenever their table is written",
                "scheduler": "Remove it; rules are checked whenever their table is written",
                "rule": "Write metric instead",
            }.get(name, f"Remove it; keys of a {kind} rule: {', '.join(sorted(KEYS[kind] - NOTES))}")
            self._complain((*at, name), f"The key {name!r} has no effect in a rule of type {kind}", hint)

    def _check_arguments(self, at: KeyPath, metric: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                listed = f"Known: {', '.join(known)}" if known else "Remove it"
                hint = f"Did you mean {close[0]}?" if close else listed
                self._complain((*at, "arguments", name), f"{metric} has no argument {name!r}", hint)
        if {"validValues", "pattern"} <= set(given):
            message = "validValues and pattern stand in one rule, where one would be passed over"
            self._complain((*at, "arguments"), message, "Write two rules")

    def _check_unit(self, at: KeyPath, item: Mapping[str, Any]) -> None:
        unit = item.get("unit", "rows")
        if unit == "rows" or (unit == "percent" and item.get("mustBe") == 0):
            return  # No percent is no row.
        message = f"unit: {unit} cannot be checked; a limit counts rows"
        hint = (
            "Write unit: rows with a number of rows, or mustBe: 0; quality.fail_invalid_share in config/ bounds the "
            "share of bad rows"
        )
        self._complain((*at, "unit"), message, hint if unit == "percent" else "Write unit: rows")


def one_line(value: object) -> str:
    """Return what a person wrote over several lines as one."""
    return " ".join(str(value).split()) if value else ""
