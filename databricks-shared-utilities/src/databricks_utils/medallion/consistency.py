"""A pipeline's definition and its contracts held against each other, before an engine starts."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from databricks_utils.contracts import Contract
from databricks_utils.data_quality.casting import columns_after_cast
from databricks_utils.data_quality.determinism import unrepeatable
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError
from databricks_utils.medallion.column_checks import column_problems
from databricks_utils.medallion.pipeline import Bronze, Gold, Node, Pipeline, Replace, Scd2, Silver, Upsert
from databricks_utils.medallion.scd import CURRENT, END, START
from databricks_utils.medallion.surrogate import natural_key
from databricks_utils.pipeline import technical
from databricks_utils.pipeline.flow import Flow, Lookup, TableNode, as_lookups

#: Types whose values are the same in each of them where both have them.
_FAMILIES = (("TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "BYTE", "SHORT", "LONG"), ("FLOAT", "DOUBLE"))

#: Types of moments from which states can be valid.
_MOMENTS = ("DATE", "TIMESTAMP", "TIMESTAMP_NTZ")


def check_pipeline(pipeline: Flow[Any], contracts: Mapping[str, Contract]) -> None:
    """Compare definition and contracts; nothing is started for it.

    Args:
        pipeline: The definition of a batch or of a streaming project.
        contracts: Contracts by `layer.table`.

    Raises:
        InputProblems: A table has no contract, the definition names a column that is not there, or a column asks for
            what no text can become.
    """
    problems: list[LakehouseError] = [_without_contract(node) for node in pipeline if node.table not in contracts]
    if isinstance(pipeline, Pipeline):
        for node in pipeline:
            if node.table in contracts and all(table in contracts for table in node.inputs):
                problems += _Reading(node, contracts).problems()
    problems += column_problems(pipeline, contracts)
    problems += _circles(pipeline, contracts)
    if problems:
        raise InputProblems(problems)


def _without_contract(node: TableNode) -> LakehouseError:
    return InvalidInput(
        f"{node.table} has no contract",
        where=f"contracts/{node.layer}/{node.name}.yaml",
        hint=f"Write one, or take {node.table} out of the pipeline definition",
    )


def _circles(pipeline: Flow[Any], contracts: Mapping[str, Contract]) -> Iterator[LakehouseError]:
    """Yield what refers to each other in a circle, so that no table can be checked after what it refers to."""
    order: dict[str, Sequence[str]] = {node.table: pipeline.prerequisites(node, contracts) for node in pipeline}
    try:
        TopologicalSorter(order).prepare()
    except CycleError as error:
        yield InvalidInput(
            f"Tables read or refer to each other in a circle: {' → '.join(error.args[1])}",
            where=", ".join(str(contracts[table].path) for table in dict.fromkeys(error.args[1]) if table in contracts),
            hint="A table is checked after those that its contract refers to: take one of the relationships away",
        )


class _Reading:
    """One table's definition beside the contracts of what it reads and of what it gives."""

    def __init__(self, node: Node, contracts: Mapping[str, Contract]) -> None:
        self._node = node
        self._contracts = contracts
        self._contract = contracts[node.table]

    def problems(self) -> Iterator[LakehouseError]:
        """Yield everything that the definition says and the contracts do not."""
        node = self._node
        if isinstance(node, Bronze):
            return
        for lookup in as_lookups(node.lookups):
            yield from self._lookup(node, lookup)
        match node.write:
            case Upsert():
                yield from self._upsert(node, node.write)
            case Replace():
                yield from self._replace(node, node.write)
            case Scd2():
                yield from self._history(node, node.write)

    def _lookup(self, node: Silver | Gold, lookup: Lookup) -> Iterator[LakehouseError]:
        said = f"Lookup({lookup.table!r}, on={lookup.on!r})"
        theirs, ours = self._types(lookup.table), self._read(node)
        for name in lookup.columns:
            if name not in theirs:
                yield self._unknown(f"{said} names {name!r}, which {lookup.table} does not have", name, theirs)
            elif name not in ours:
                what = f"{said} names {name!r}, which {node.reads} does not have when its rows are looked for"
                yield self._unknown(what, name, ours)
            elif "MAP<" in theirs[name].upper():
                yield from self._comparable(said, name, theirs)
            elif not _alike(theirs[name], ours[name]):
                yield self._problem(
                    f"{said} compares {name} {ours[name]} of {node.table} with {theirs[name]} of {lookup.table}",
                    "Give both the same type in their contracts",
                )

    def _upsert(self, node: Silver | Gold, write: Upsert) -> Iterator[LakehouseError]:
        mine = self._types(node.table)
        if not self._contract.key and (isinstance(node, Gold) or write.sequence_by):
            yield self._problem(
                f"{node.table} is written by key, and its contract has none",
                f"Mark the columns that tell rows apart with primaryKey: true in {self._contract.path}"
                + (", or write the table with Replace()" if isinstance(node, Gold) else ", or leave sequence_by out"),
            )
        if write.sequence_by and (isinstance(node, Silver) or node.transform is None):
            known = mine if isinstance(node, Silver) else self._read(node)
            if write.sequence_by not in known:
                yield self._unknown(
                    f"sequence_by names {write.sequence_by!r}, which is not there", write.sequence_by, known
                )
        if isinstance(node, Silver) and (write.surrogate_key or write.unknown_member):
            yield self._problem(f"{node.table} has no surrogate key: only gold gets one", "Leave it out of Upsert")
        elif write.unknown_member and not write.surrogate_key:
            yield self._problem("unknown_member needs a surrogate_key", "Name the column that holds -1 for it")
        elif write.surrogate_key:
            yield from self._surrogate(write.surrogate_key)
            if write.surrogate_key in mine and self._contract.key:
                yield from self._natural(write.surrogate_key)

    def _replace(self, node: Silver | Gold, write: Replace) -> Iterator[LakehouseError]:
        if write.by is None:
            if write.of is not None:
                yield self._problem(f"Replace(of={write.of!r}) names no column", "Name it with by, or leave of out")
            return
        mine = self._contract.column_names
        yield from self._repeatable("of", write.of)
        yield from self._comparable("by", write.by, self._types(node.table))
        if write.by not in mine:
            yield self._unknown(
                f"Replace(by={write.by!r}) names a column that {node.table} does not have", write.by, mine
            )
        read = self._read(node)
        for name in columns_in(write.expression):
            if name.lower() not in {known.lower() for known in read}:
                what = f"of={write.of!r}" if write.of else f"by={write.by!r}"
                suggestion = "" if write.of else f"; or say with of how {write.by} follows from {node.reads}"
                yield self._unknown(
                    f"Replace({what}) reads {name!r}, which {node.reads} does not have", name, read, suggestion
                )

    def _history(self, node: Silver | Gold, write: Scd2) -> Iterator[LakehouseError]:
        mine, read = self._contract.column_names, self._read(node)
        yield from self._surrogate(write.surrogate_key)
        yield from self._repeatable("delete_when", write.delete_when)
        yield from self._moments(node, write)
        for name in write.keys:
            yield from self._comparable("keys", name, self._types(node.reads))
        for name in (*write.keys, START, END, CURRENT):
            if name not in mine:
                yield self._unknown(f"{node.table} has no column {name!r}, which Scd2 fills", name, mine)
        for name in write.keys:
            if name not in read:
                yield self._unknown(f"Scd2(keys=…) names {name!r}, which {node.reads} does not have", name, read)
        if node.transform is None:
            for name in (write.sequence_by, *columns_in(write.delete_when or "")):
                if name.lower() not in {known.lower() for known in read}:
                    yield self._unknown(f"Scd2 reads {name!r}, which {node.reads} does not have", name, read)

    def _moments(self, node: Silver | Gold, write: Scd2) -> Iterator[LakehouseError]:
        """Yield which end of a period cannot hold the moments of states; states of one day would be one."""
        mine, read = self._types(node.table), self._read(node)
        # A transformation may make it anything, above all a DATE.
        given = read.get(write.sequence_by, "") if node.transform is None else ""
        if given and given.upper() not in _MOMENTS:
            message = f"Scd2(sequence_by={write.sequence_by!r}) is {given}, from which no state can be valid"
            yield self._problem(message, "Take a DATE or a TIMESTAMP")
        for name in (START, END):
            kind = mine.get(name, "")
            if kind and kind.upper() not in _MOMENTS:
                yield self._problem(f"{name} is {kind}", "Make it DATE or TIMESTAMP in the contract, as sequence_by is")
            elif kind.upper() == "DATE" and given.upper() in _MOMENTS[1:]:
                what = f"{name} is DATE, and {write.sequence_by}, from which states are valid, is {given}"
                yield self._problem(what, f"Make {name} {given} in the contract: states of one day would begin at once")

    def _repeatable(self, argument: str, expression: str | None) -> Iterator[LakehouseError]:
        if found := unrepeatable(expression or ""):
            what = f"{argument}={expression!r} has {found}, which does not answer the same each time"
            hint = "Rows that are not read again would keep their old answer: let it depend on columns of the rows"
            yield self._problem(what, hint)

    def _comparable(self, argument: str, name: str, types: Mapping[str, str]) -> Iterator[LakehouseError]:
        if "MAP<" in types.get(name, "").upper():
            what = f"{argument} names {name!r}, which is {types[name]}, and maps cannot be compared"
            yield self._problem(what, "Take another column, or the map as text by to_json")

    def _surrogate(self, name: str) -> Iterator[LakehouseError]:
        mine = self._types(self._node.table)
        if name not in mine:
            yield self._unknown(f"surrogate_key names {name!r}, which {self._node.table} does not have", name, mine)
        elif not _alike(mine[name], "BIGINT"):
            yield self._problem(f"The surrogate key {name} is {mine[name]}", "Make it BIGINT in the contract")

    def _natural(self, surrogate: str) -> Iterator[LakehouseError]:
        try:
            natural_key(self._contract, surrogate)
        except InvalidInput as error:
            yield InvalidInput(error.message, where=f"{error.where}, for {self._node.place}", hint=error.hint)

    def _types(self, table: str) -> dict[str, str]:
        contract = self._contracts[table]
        return {column.name: column.data_type for column in contract.columns} | technical.types(contract.layer)

    def _read(self, node: Silver | Gold) -> dict[str, str]:
        """Return the columns of the rows that are looked for, and their types; silver looks at typed rows."""
        read = self._types(node.reads)
        if isinstance(node, Gold):
            return read
        return columns_after_cast(self._contract, read)

    def _unknown(self, message: str, name: str, known: Collection[str], more: str = "") -> LakehouseError:
        close = difflib.get_close_matches(name, list(known), 1)
        listed = ", ".join(column for column in known if not column.startswith("_"))
        return self._problem(message, (f"Did you mean {close[0]}?" if close else f"Columns: {listed}") + more)

    def _problem(self, message: str, hint: str) -> LakehouseError:
        return InvalidInput(message, where=f"{self._node.place}, {self._node.table}", hint=hint)


def columns_in(expression: str) -> tuple[str, ...]:
    """Return the columns that a SQL expression names, each once; none where it cannot be read without Spark."""
    if not expression.strip():
        return ()
    try:
        parsed = sqlglot.parse_one(expression, dialect="databricks")
    except SqlglotError:
        return ()
    return tuple(dict.fromkeys(column.parts[0].name for column in parsed.find_all(exp.Column)))


def _alike(one: str, other: str) -> bool:
    """Say whether values of two types are the same where they look the same."""
    kinds = ["".join(kind.upper().split()) for kind in (one, other)]
    decimals = all(kind.startswith(("DECIMAL", "NUMERIC", "DEC(")) for kind in kinds)
    return kinds[0] == kinds[1] or decimals or any(all(kind in family for kind in kinds) for family in _FAMILIES)
