"""Columns that tables hand on to each other: what no arriving text can become is said before Spark starts."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from databricks_utils.config import read_source
from databricks_utils.contracts import Column, Contract
from databricks_utils.contracts.columns import WITH_STATISTICS
from databricks_utils.contracts.unsupported import CLUSTER_BY
from databricks_utils.data_quality.casting import cast_source
from databricks_utils.data_quality.text_cast import from_text
from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.medallion.pipeline import Bronze, Gold, Silver
from databricks_utils.pipeline import technical
from databricks_utils.pipeline.flow import Flow

if TYPE_CHECKING:
    from pyspark.sql.types import StructType


def column_problems(pipeline: Flow[Any], contracts: Mapping[str, Contract]) -> list[LakehouseError]:
    """Return what contracts ask for and the text of files and events cannot give."""
    problems: list[LakehouseError] = []
    for node in pipeline:
        contract = contracts.get(node.table)
        if contract is None:
            continue
        if isinstance(node, Bronze | Silver | Gold):
            problems += technical_problems(contract, technical.columns(node.layer))
        if isinstance(node, Bronze):
            problems += _not_text(contract)
        elif isinstance(node, Silver) and node.reads in contracts:
            problems += _misplaced_names(contract)
            problems += _impossible_casts(contract, contracts[node.reads].column_names)
        elif node.layer == "silver":
            problems += _two_keys(contract)
            problems += _impossible_casts(contract, [name for c in contract.columns if (name := cast_source(c))])
    return problems


def technical_problems(contract: Contract, technical: StructType) -> Iterator[LakehouseError]:
    """Yield what a contract says of technical columns that its table has not, or cannot be clustered or aged by.

    Args:
        contract: The table's contract.
        technical: The columns its table has besides the contract's, in their order.
    """
    kinds = {item.name: item.dataType.simpleString() for item in technical}
    before = sum(column.data_type.count(":") or 1 for column in contract.columns)
    for name in contract.cluster_by:
        if not name.startswith("_"):
            continue
        message, hint = "", "Take another column"
        if name not in kinds:
            message, hint = f"{CLUSTER_BY} names {name!r}, which is no column", _nearest(name, kinds)
        elif kinds[name].partition("<")[0] in ("array", "boolean"):
            message = f"A table cannot be clustered by {name}, which is {kinds[name].upper()}"
        elif before + list(kinds).index(name) >= WITH_STATISTICS:
            message = f"A table is clustered only by columns with statistics, and {name} has none: it comes after "
            message += f"{before} columns, fields of structs counted"
            hint = f"Take one of the first {WITH_STATISTICS} columns of the contract"
        if message:
            yield InvalidInput(message, where=_line(contract, _clustering(contract)), hint=hint)
    element = contract.freshness_column or ""
    if element.startswith("_") and kinds.get(element) not in ("timestamp", "date"):
        times = {key: kind for key, kind in kinds.items() if kind in ("timestamp", "date")}
        message = f"The freshness names {element!r}, which is no date or time of {contract.name}"
        yield InvalidInput(message, where=_line(contract, ("slaProperties",)), hint=_nearest(element, times))


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"Did you mean {close[0]}?" if close else f"Technical columns: {', '.join(known)}"


def _clustering(contract: Contract) -> tuple[str, ...]:
    """Return the path of the custom property that names the columns of the clustering."""
    values = read_source(contract.path).values if contract.path.is_file() else {}
    tables = values.get("schema") or [{}]
    for prefix, holder in (((), values), (("schema", "0"), tables[0])):
        for position, item in enumerate(holder.get("customProperties") or []):
            if item.get("property") == CLUSTER_BY:
                return (*prefix, "customProperties", str(position), "value")
    return ()


def _line(contract: Contract, path: tuple[str, ...]) -> str:
    line = read_source(contract.path).line_of(path) if contract.path.is_file() else None
    return f"{contract.path}{f':{line}' if line else ''}"


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
