"""Reading contracts: ODCS v3 YAML to `Contract`, with every problem found at once.

The standard: Open Data Contract Standard, bitol-io, version 3. Its JSON Schema, which the package
`open-data-contract-standard` carries, catches misspelt keys and wrong values; what it cannot know is checked here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from databricks_utils.config import Source, read_source
from databricks_utils.contracts.columns import TABLE_NAME, check_columns, received_name
from databricks_utils.contracts.model import Column, Contract, Severity
from databricks_utils.contracts.odcs_schema import schema_problems
from databricks_utils.contracts.quality import QualityReading, one_line
from databricks_utils.contracts.references import dangling_references
from databricks_utils.contracts.spark_types import LOGICAL, data_type
from databricks_utils.contracts.unsupported import CLUSTER_BY, check_column_keys, check_table_keys
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError

LAYERS = ("bronze", "silver", "gold")
#: Versions of the standard in which a reference is table.column only.
OLDER_VERSIONS = frozenset(
    {"v2.2.0", "v2.2.1", "v2.2.2", "v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0"},
)
#: Delta's limit for liquid clustering.
MOST_CLUSTER_COLUMNS = 4
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
    places: dict[tuple[str, str], str] = {}
    problems: list[LakehouseError] = []
    for layer in LAYERS:
        problems += [_misnamed(path) for path in sorted((folder / layer).glob("*.yml"))]
        for path in sorted((folder / layer).glob("*.yaml")):
            try:
                contract, source = _read(path)
            except InputProblems as error:
                problems += error.problems
            else:
                contracts[contract.name] = contract
                places.update(_places(contract, source))
    problems += dangling_references(contracts, folder, places)
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
    return _read(path)[0]


def _read(path: Path) -> tuple[Contract, Source]:
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
    return contract, source


def _misnamed(path: Path) -> LakehouseError:
    return InvalidInput(f"{path.name} is not read", where=str(path), hint=f"Name it {path.with_suffix('.yaml').name}")


def _places(contract: Contract, source: Source) -> dict[tuple[str, str], str]:
    """Return where each reference stands, by table and column."""
    found = {}
    for position, column in enumerate(contract.columns):
        if column.reference:
            at = ("schema", "0", "properties", str(position), "relationships", "0", "to")
            found[contract.name, column.name] = _place(source, at)
    return found


def _place(source: Source, at: tuple[str, ...]) -> str:
    line = source.line_of(at)
    return f"{source.path}{f':{line}' if line else ''}, key {'.'.join(at)}"


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
        name = self._name(table)
        columns = tuple(self._column(position, item) for position, item in enumerate(table.get("properties") or []))
        self._check_names(columns)
        check_table_keys(self.layer, values, table, self._problem)
        freshness = self._freshness(values.get("slaProperties") or [], columns)
        cluster_by = self._cluster_by(values, table, columns)
        check_columns(columns, cluster_by, self._problem)
        rules, statements = QualityReading(self._problem).read(table)
        return Contract(
            layer=self.layer,
            table=name,
            version=str(values["version"]),
            status=str(values.get("status", "active")),
            description=one_line(table.get("description"))
            or one_line((values.get("description") or {}).get("purpose")),
            owner=_team(values.get("team")),
            columns=columns,
            key=self._key(table.get("properties") or []),
            declared_rules=rules,
            freshness_hours=freshness[0],
            freshness_column=freshness[1],
            cluster_by=cluster_by,
            tags=tuple(str(tag) for tag in [*(values.get("tags") or []), *(table.get("tags") or [])]),
            path=self.source.path,
            statements=statements,
        )

    def _name(self, table: Mapping[str, Any]) -> str:
        name = str(table.get("physicalName") or table.get("name", ""))
        at = ("schema", "0", "name")
        if name != self.source.path.stem:
            hint = f"Name it like the file: {self.source.path.stem}"
            self._problem(at, f"The table is called {name!r}", hint)
        if not TABLE_NAME.fullmatch(name):
            self._problem(at, f"No table can be called {name!r}", "Take letters, digits and _ only")
        return name

    def _column(self, position: int, item: Mapping[str, Any]) -> Column:
        at = ("schema", "0", "properties", str(position))
        check_column_keys(position, item, self._problem)
        physical = item.get("physicalType") or LOGICAL.get(str(item.get("logicalType")), "")
        try:
            data_type(str(physical))
        except InvalidInput as error:
            hint = error.hint or "For example STRING, BIGINT, DECIMAL(10,2)"
            self._problem((*at, "physicalType"), f"{physical!r} is not a Spark type", hint)
        sources = tuple(str(text) for text in item.get("transformSourceObjects") or [])
        cast_from = sources[0].rpartition(".")[2] if len(sources) == 1 and not item.get("transformLogic") else None
        return Column(
            name=str(item.get("name", "")),
            data_type=str(physical),
            required=bool(item.get("required", False)),
            primary_key=bool(item.get("primaryKey", False)),
            unique=bool(item.get("unique", False)),
            description=one_line(item.get("description")),
            classification=item.get("classification"),
            source_column=cast_from,
            sources=sources,
            transform=item.get("transformLogic"),
            reference=self._reference(at, item.get("relationships") or []),
            reference_severity=self._reference_severity(at, item.get("relationships") or []),
            options=dict(item.get("logicalTypeOptions") or {}),
            examples=tuple(item.get("examples") or ()),
            received_as=received_name(position, self.layer, item, self._problem),
        )

    def _reference(self, at: tuple[str, ...], relationships: Sequence[Mapping[str, Any]]) -> str | None:
        if not relationships:
            return None
        if len(relationships) > 1:
            hint = "Keep one; the others would be passed over"
            self._problem((*at, "relationships"), "A column refers to one column", hint)
        target = relationships[0].get("to")
        if not isinstance(target, str) or target.count(".") != 2:
            place = (*at, "relationships", "0", "to")
            self._problem(place, f"{target!r} names no column", "Write layer.table.column")
            return None
        if self.source.values.get("apiVersion") in OLDER_VERSIONS:
            message = f"apiVersion {self.source.values['apiVersion']} cannot refer to another layer's table"
            self._problem(("apiVersion",), message, "Write apiVersion: v3.2.0")
        return target

    def _reference_severity(self, at: tuple[str, ...], relationships: Sequence[Mapping[str, Any]]) -> Severity:
        given = [
            ((*at, "relationships", "0", "customProperties", str(position)), item)
            for position, item in enumerate((relationships[0].get("customProperties") if relationships else None) or [])
        ]
        severity: Severity = "error"
        for place, item in given:
            if item.get("property") != "severity":
                self._problem((*place, "property"), f"{item.get('property')!r} has no effect here", "Write severity")
            elif item.get("value") not in ("error", "warning"):
                self._problem((*place, "value"), f"{item.get('value')!r} is no severity", "Write error or warning")
            else:
                severity = item["value"]
        return severity

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

    def _freshness(
        self, properties: Sequence[Mapping[str, Any]], columns: Sequence[Column]
    ) -> tuple[float | None, str | None]:
        given = [(n, item) for n, item in enumerate(properties) if item.get("property") in ("freshness", "latency")]
        for position, _ in given[1:]:
            hint = "Keep one; the others would be passed over"
            self._problem(("slaProperties", str(position)), "A table has one freshness", hint)
        for position, item in given[:1]:
            factor = HOURS.get(str(item.get("unit", "h")))
            if factor is None or not isinstance(item.get("value"), int | float):
                self._problem(
                    ("slaProperties", str(position)),
                    "A freshness needs a number and a unit",
                    "For example value: 26, unit: h",
                )
                return None, None
            element = str(item.get("element") or "").rpartition(".")[2] or "_processing_timestamp"
            if element not in {column.name for column in columns} and not element.startswith("_"):
                hint = "Name a date or time of the table, or _processing_timestamp"
                self._problem(("slaProperties", str(position), "element"), f"{element!r} is no column", hint)
            return float(item["value"]) * factor, element
        return None, None

    def _cluster_by(
        self, values: Mapping[str, Any], table: Mapping[str, Any], columns: Sequence[Column]
    ) -> tuple[str, ...]:
        given = [
            ((*prefix, "customProperties", str(position)), item["value"])
            for prefix, holder in (((), values), (("schema", "0"), table))
            for position, item in enumerate(holder.get("customProperties") or [])
            if item.get("property") == CLUSTER_BY
        ]
        for at, _ in given[1:]:
            self._problem(at, f"{CLUSTER_BY} is there twice", "Remove one; the second would be passed over")
        if not given:
            return ()
        at, value = given[0]
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self._problem((*at, "value"), f"{CLUSTER_BY}: {value!r} is no list of columns", "Write [column, column]")
            return ()
        if len(names) > MOST_CLUSTER_COLUMNS:
            hint = "Keep those that readers filter by most"
            self._problem((*at, "value"), f"{CLUSTER_BY} takes at most {MOST_CLUSTER_COLUMNS} columns", hint)
        known = [column.name for column in columns]
        for name in names:
            if name not in known and not name.startswith("_"):
                close = difflib.get_close_matches(name, known, 1)
                hint = f"Did you mean {close[0]}?" if close else f"Columns: {', '.join(known)}"
                # Technical columns begin with _; which of them a table has is known where the pipeline is.
                self._problem((*at, "value"), f"{CLUSTER_BY} names {name!r}, which is no column", hint)
        return tuple(names)

    def _problem(self, at: tuple[str, ...], message: str, hint: str) -> None:
        self.problems.append(InvalidInput(message, where=_place(self.source, at), hint=hint))


def _team(value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", ""))
    return ""
