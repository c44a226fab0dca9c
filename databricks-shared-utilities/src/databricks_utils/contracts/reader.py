"""Reading contracts: ODCS v3 YAML to `Contract`, with every problem found at once.

The standard: Open Data Contract Standard, bitol-io, version 3. Its JSON Schema, which the package
`open-data-contract-standard` carries, catches misspelt keys and wrong values; what it cannot know is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from databricks_utils.config import Source, read_source
from databricks_utils.contracts.model import Column, Contract, DeclaredRule, Severity
from databricks_utils.contracts.odcs_schema import schema_problems
from databricks_utils.contracts.spark_types import LOGICAL, is_data_type
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError

LAYERS = ("bronze", "silver", "gold")
ENGINE = "databricks_utils"
HOURS = {
    "h": 1,
    "hr": 1,
    "hour": 1,
    "hours": 1,
    "d": 24,
    "day": 24,
    "days": 24,
    "m": 1 / 60,
    "minutes": 1 / 60,
}


def read_contracts(folder: Path) -> dict[str, Contract]:
    """Read `<folder>/<layer>/<table>.yaml` of all layers.

    Returns:
        Contracts by `layer.table`, in a stable order.

    Raises:
        InputProblems: Everything wrong in any of the files.
    """
    contracts: dict[str, Contract] = {}
    problems: list[LakehouseError] = []
    for layer in LAYERS:
        for path in sorted((folder / layer).glob("*.yaml")):
            try:
                contract = read_contract(path)
            except InputProblems as error:
                problems += error.problems
            else:
                contracts[contract.name] = contract
    problems += _dangling_references(contracts)
    if problems:
        raise InputProblems(problems)
    if not contracts:
        raise InvalidInput("There are no contracts", where=str(folder), hint="Expected <layer>/<table>.yaml files")
    return contracts


def read_contract(path: Path) -> Contract:
    """Read one contract; its layer is the name of its folder.

    Raises:
        InputProblems: Everything wrong in the file, each with line, key, expectation and suggestion.
    """
    source = read_source(path)
    problems = list(source.problems)
    if not problems and not source.values:
        problems.append(InvalidInput("The contract is empty", where=str(path), hint="Write one: add table layer.name"))
    if not problems:
        problems = [*schema_problems(source)]
    if problems:
        raise InputProblems(problems)
    reading = _Reading(source, path.parent.name)
    contract = reading.contract()
    if reading.problems:
        raise InputProblems(reading.problems)
    return contract


class _Reading:
    """One file on its way to a contract; problems are collected, not raised."""

    def __init__(self, source: Source, layer: str) -> None:
        self.source = source
        self.layer = layer
        self.problems: list[LakehouseError] = []

    def contract(self) -> Contract:
        values = self.source.values
        table, *others = values.get("schema") or [{}]
        if others or not table.get("properties"):
            self._problem(
                ("schema",),
                "Exactly one table with properties was expected",
                "Write one contract for each table",
            )
        name = str(table.get("physicalName") or table.get("name", ""))
        if name != self.source.path.stem:
            self._problem(
                ("schema", "0", "name"),
                f"The table is called {name!r}",
                f"Name it like the file: {self.source.path.stem}",
            )
        columns = tuple(self._column(position, item) for position, item in enumerate(table.get("properties") or []))
        self._check_names(columns)
        freshness = self._freshness(values.get("slaProperties") or [])
        return Contract(
            layer=self.layer,
            table=name,
            version=str(values["version"]),
            status=str(values.get("status", "active")),
            description=_text(table.get("description")) or _text((values.get("description") or {}).get("purpose")),
            owner=_team(values.get("team")),
            columns=columns,
            key=self._key(table.get("properties") or []),
            declared_rules=self._rules(table),
            freshness_hours=freshness[0],
            freshness_column=freshness[1],
            cluster_by=self._cluster_by(values, table, columns),
            tags=tuple(str(tag) for tag in [*(values.get("tags") or []), *(table.get("tags") or [])]),
            path=self.source.path,
        )

    def _column(self, position: int, item: Mapping[str, Any]) -> Column:
        at = ("schema", "0", "properties", str(position))
        physical = item.get("physicalType") or LOGICAL.get(str(item.get("logicalType")), "")
        if not is_data_type(physical):
            self._problem(
                (*at, "physicalType"),
                f"{physical!r} is not a Spark type",
                "For example STRING, BIGINT, DECIMAL(10,2)",
            )
        sources = tuple(str(text) for text in item.get("transformSourceObjects") or [])
        cast_from = sources[0].rpartition(".")[2] if len(sources) == 1 and not item.get("transformLogic") else None
        return Column(
            name=str(item.get("name", "")),
            data_type=str(physical),
            required=bool(item.get("required", False)),
            primary_key=bool(item.get("primaryKey", False)),
            unique=bool(item.get("unique", False)),
            description=_text(item.get("description")),
            classification=item.get("classification"),
            source_column=cast_from,
            sources=sources,
            transform=item.get("transformLogic"),
            reference=self._reference(at, item.get("relationships") or []),
            options=dict(item.get("logicalTypeOptions") or {}),
            examples=tuple(item.get("examples") or ()),
        )

    def _reference(self, at: tuple[str, ...], relationships: Sequence[Mapping[str, Any]]) -> str | None:
        if not relationships:
            return None
        target = str(relationships[0].get("to"))
        if target.count(".") != 2:
            self._problem((*at, "relationships"), f"{target!r} names no column", "Write layer.table.column")
        return target

    def _check_names(self, columns: Sequence[Column]) -> None:
        seen: set[str] = set()
        for position, column in enumerate(columns):
            if column.name.lower() in seen:
                self._problem(
                    ("schema", "0", "properties", str(position)),
                    f"The column {column.name!r} is there twice",
                    "Remove one",
                )
            if column.name.startswith("_"):
                hint = "Names that begin with _ belong to the pipeline's technical columns"
                self._problem(
                    ("schema", "0", "properties", str(position)),
                    f"A column cannot be called {column.name!r}",
                    hint,
                )
            seen.add(column.name.lower())

    def _key(self, properties: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        marked = [item for item in properties if item.get("primaryKey")]
        return tuple(str(item["name"]) for item in sorted(marked, key=lambda item: item.get("primaryKeyPosition", 1)))

    def _rules(self, table: Mapping[str, Any]) -> tuple[DeclaredRule, ...]:
        found = [
            self._rule(("schema", "0", "quality", str(n)), item, None)
            for n, item in enumerate(table.get("quality") or [])
        ]
        for position, column in enumerate(table.get("properties") or []):
            at = ("schema", "0", "properties", str(position), "quality")
            found += [
                self._rule((*at, str(n)), item, str(column["name"]))
                for n, item in enumerate(column.get("quality") or [])
            ]
        rules = [rule for rule in found if rule is not None]
        names = [rule.name for rule in rules]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self._problem(("schema", "0", "quality"), f"Two rules are called {name!r}", "Give each rule its own name")
        return tuple(rules)

    def _rule(self, at: tuple[str, ...], item: Mapping[str, Any], column: str | None) -> DeclaredRule | None:
        kind = item.get("type", "library")
        severity: Severity = "warning" if item.get("severity") == "warning" else "error"
        if item.get("severity") not in (None, "error", "warning"):
            self._problem((*at, "severity"), f"{item['severity']!r} is no severity", "Write error or warning")
        predicate = None
        if kind == "custom":
            implementation = item.get("implementation")
            predicate = implementation.get("row") if isinstance(implementation, Mapping) else None
            if item.get("engine") != ENGINE or not isinstance(predicate, str) or not predicate.strip():
                hint = f'Write engine: {ENGINE} and implementation: {{row: "a SQL condition that good rows meet"}}'
                self._problem(at, "This custom rule cannot be run", hint)
                return None
        elif kind != "library":
            return None
        metric = "row" if predicate else str(item.get("metric"))
        return DeclaredRule(
            name=str(item.get("name") or "_".join(part for part in (column, metric) if part)),
            column=column,
            metric=metric,
            severity=severity,
            arguments=dict(item.get("arguments") or {}),
            operators={
                key: value for key, value in item.items() if key.startswith("mustBe") or key.startswith("mustNot")
            },
            predicate=predicate,
            description=_text(item.get("description")),
        )

    def _freshness(self, properties: Sequence[Mapping[str, Any]]) -> tuple[float | None, str | None]:
        for position, item in enumerate(properties):
            if item.get("property") not in ("freshness", "latency"):
                continue
            factor = HOURS.get(str(item.get("unit", "h")))
            if factor is None or not isinstance(item.get("value"), int | float):
                self._problem(
                    ("slaProperties", str(position)),
                    "A freshness needs a number and a unit",
                    "For example value: 26, unit: h",
                )
                return None, None
            element = str(item.get("element") or "").rpartition(".")[2]
            return float(item["value"]) * factor, element or "_processing_timestamp"
        return None, None

    def _cluster_by(
        self, values: Mapping[str, Any], table: Mapping[str, Any], columns: Sequence[Column]
    ) -> tuple[str, ...]:
        custom = [*(values.get("customProperties") or []), *(table.get("customProperties") or [])]
        given = next((item["value"] for item in custom if item.get("property") == "clusterBy"), ())
        names = tuple([given] if isinstance(given, str) else given)
        for name in names:
            if name not in {column.name for column in columns}:
                self._problem(
                    ("customProperties",),
                    f"clusterBy names {name!r}, which is no column",
                    "Use the table's columns",
                )
        return names

    def _problem(self, at: tuple[str, ...], message: str, hint: str) -> None:
        line = self.source.line_of(at)
        place = f"{self.source.path}:{line}" if line else str(self.source.path)
        self.problems.append(InvalidInput(message, where=f"{place}, key {'.'.join(at)}", hint=hint))


def _dangling_references(contracts: Mapping[str, Contract]) -> list[LakehouseError]:
    problems: list[LakehouseError] = []
    for contract in contracts.values():
        for column in contract.columns:
            if column.reference is None:
                continue
            table, _, target = column.reference.rpartition(".")
            if table not in contracts or target not in contracts[table].column_names:
                hint = (
                    f"Tables: {', '.join(contracts)}"
                    if table not in contracts
                    else f"Columns: {', '.join(contracts[table].column_names)}"
                )
                where = f"{contract.path}, column {column.name}"
                problems.append(InvalidInput(f"{column.reference} does not exist", where=where, hint=hint))
    return problems


def _text(value: object) -> str:
    return " ".join(str(value).split()) if value else ""


def _team(value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", ""))
    return ""
