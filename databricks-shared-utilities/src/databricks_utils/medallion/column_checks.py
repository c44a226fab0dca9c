"""Columns that tables hand on to each other: what no arriving text can become is said before Spark starts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from databricks_utils.config import read_source
from databricks_utils.contracts import Column, Contract
from databricks_utils.data_quality.casting import cast_source
from databricks_utils.data_quality.text_cast import from_text
from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.medallion.pipeline import Bronze, Flow, Silver


def column_problems(pipeline: Flow[Any], contracts: Mapping[str, Contract]) -> list[LakehouseError]:
    """Return what contracts ask for and the text of files and events cannot give."""
    problems: list[LakehouseError] = []
    for node in pipeline:
        contract = contracts.get(node.table)
        if contract is None:
            continue
        if isinstance(node, Bronze):
            problems += _not_text(contract)
        elif isinstance(node, Silver) and node.reads in contracts:
            problems += _misplaced_names(contract)
            problems += _impossible_casts(contract, contracts[node.reads].column_names)
        elif node.layer == "silver":
            problems += _two_keys(contract)
            problems += _impossible_casts(contract, [name for c in contract.columns if (name := cast_source(c))])
    return problems


def _not_text(contract: Contract) -> Iterator[LakehouseError]:
    for column in contract.columns:
        if column.data_type.upper() != "STRING":
            message = f"{contract.name} keeps files as they were received, and {column.name} is {column.data_type}"
            hint = "Write physicalType: STRING; the contract of the silver table gives the type"
            yield InvalidInput(message, where=place_of(contract, column, "physicalType"), hint=hint)


def _misplaced_names(contract: Contract) -> Iterator[LakehouseError]:
    for column in contract.columns:
        if column.received_as is not None:
            hint = "Put the custom property source into the contract of the bronze table, which reads the files"
            message = f"{contract.name} reads a table and no files"
            yield InvalidInput(message, where=place_of(contract, column, "customProperties"), hint=hint)


def _two_keys(contract: Contract) -> Iterator[LakehouseError]:
    """Complain where two columns are cast from one received column and differ in the key of an event."""
    keys: dict[str, str | None] = {}
    for column in contract.columns:
        source = cast_source(column)
        if source and keys.setdefault(source, column.received_as) != column.received_as:
            message = f"{source} is read from two keys, {keys[source]!r} and {column.received_as!r}"
            hint = f"Give every column that is made of {source} the same custom property source"
            yield InvalidInput(message, where=place_of(contract, column), hint=hint)


def _impossible_casts(contract: Contract, received: Collection[str]) -> Iterator[LakehouseError]:
    for column in contract.columns:
        if cast_source(column) not in received:
            continue
        try:
            from_text("text", column, str(contract.path))
        except InvalidInput as error:
            yield InvalidInput(error.message, where=place_of(contract, column), hint=error.hint)


def place_of(contract: Contract, column: Column, *key: str) -> str:
    """Return file, line and key of a column in its contract."""
    path = ("schema", "0", "properties", str(contract.columns.index(column)), *key)
    line = read_source(contract.path).line_of(path) if contract.path.is_file() else None
    return f"{contract.path}{f':{line}' if line else ''}, column {column.name}"
