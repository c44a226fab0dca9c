"""Every transformation of a run, tried on tables without rows before anything is written.

Where definition, contracts and transformations do not fit each other, Spark's analysis of the frames to be computed
says so. It also says what an incremental run must know: on which rows each row depends.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, PySparkException

from databricks_utils.contracts import struct_type
from databricks_utils.data_quality.analysis import first_line
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError
from databricks_utils.medallion.dependence import Dependence, Gathering, dependence_of, empty
from databricks_utils.medallion.gold import computed
from databricks_utils.medallion.pipeline import Bronze, Gold, Node, Silver, Upsert
from databricks_utils.medallion.silver import prepare, typed
from databricks_utils.pipeline import technical
from databricks_utils.pipeline.lakehouse import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def rehearse(lakehouse: Lakehouse, nodes: Sequence[Node]) -> Mapping[str, Dependence]:
    """Try the transformations of tables on no rows; nothing is read or written.

    Args:
        lakehouse: The open lakehouse; its tables need not exist.
        nodes: Definitions of the tables to be run.

    Returns:
        What the rows of each silver and gold table depend on.

    Raises:
        InputProblems: A transformation does not fit its contract, or would give other rows in an incremental run than
            in a full refresh.
    """
    found: dict[str, Dependence] = {}
    problems: list[LakehouseError] = []
    for node in nodes:
        if isinstance(node, Bronze):
            continue
        try:
            found[node.table] = _tried(lakehouse, node)
        except InputProblems as error:
            problems += error.problems
        except InvalidInput as error:
            problems.append(error)
    if problems:
        raise InputProblems(problems)
    return found


def _tried(lakehouse: Lakehouse, node: Silver | Gold) -> Dependence:
    session = (lakehouse.spark, lakehouse.configuration, lakehouse.contracts, lakehouse.secrets)
    try:
        dependence = _rehearsed(_Unfilled(*session), node)
    except AnalysisException as error:
        # A table may still have a column that its contract has no longer.
        if not all(lakehouse.exists(table) for table in node.inputs):
            raise _misfit(node, error) from error
        try:
            dependence = _rehearsed(_Emptied(*session), node)
        except AnalysisException as error:
            raise _misfit(node, error) from error
    if dependence.gatherings and isinstance(node.write, Upsert):
        raise _refusal(node, dependence.gatherings[0])
    if dependence.dropping and isinstance(node, Silver):
        raise InvalidInput(
            f"{node.table} has a row for each row read, and its transformation {dependence.dropping}",
            where=place_of(node),
            hint="Put bad rows aside with a rule of the contract, or filter and explode in a gold table",
        )
    return dependence


class _Unfilled(Lakehouse):
    """Tables as their contracts say, without rows."""

    def read(self, table: str) -> DataFrame:
        """Return no rows with the columns that a table is going to have."""
        schema = struct_type(self.contract(table))
        for column in technical.columns(table.partition(".")[0]):
            schema = schema.add(column)
        return empty(self.spark, schema)


class _Emptied(Lakehouse):
    """Tables as they are, without rows."""

    def read(self, table: str) -> DataFrame:
        """Return no rows with the columns that a table has."""
        return empty(self.spark, super().read(table).schema)


def _rehearsed(lakehouse: Lakehouse, node: Silver | Gold) -> Dependence:
    contract = lakehouse.contract(node.table)
    read = lakehouse.read(node.reads)
    received = lakehouse.contract(node.reads).column_names
    rows = typed(read, contract, received) if isinstance(node, Silver) else read
    try:
        dependence = dependence_of(
            empty(lakehouse.spark, rows.schema), lambda given: lakehouse.transformed(node, given), contract.column_names
        )
    except (InvalidInput, PySparkException):
        raise
    except Exception as error:  # what a team has written may raise anything, above all where it asks for rows
        return Dependence((Gathering(f"fails without rows ({type(error).__name__}: {error})"),))
    given = (
        prepare(read, contract, received, lakehouse, node)
        if isinstance(node, Silver)
        else computed(lakehouse, node, read)
    )
    _ = given.schema  # Spark Connect analyzes a frame only when it is asked
    return dependence


def _misfit(node: Silver | Gold, error: AnalysisException) -> InvalidInput:
    return InvalidInput(
        f"{node.table} cannot be computed: {first_line(error)}",
        where=place_of(node),
        hint="Compare the transformation with the contracts of what it reads and of what it must give"
        + (" (columns that begin with _ must stay: use withColumns)" if isinstance(node, Silver) else ""),
    )


def _refusal(node: Silver | Gold, gathering: Gathering) -> InvalidInput:
    what = f"{node.table} is written by key, and its transformation {gathering.words}"
    if isinstance(node, Silver):
        hint = "A run gives it new rows alone: let each row follow from one, and do this in a gold table with Replace()"
    else:
        hint = (
            "A run gives it changed rows alone: write the table with Replace(), which computes all rows, or with "
            "Replace(by=…) for slices"
        )
    return InvalidInput(what, where=place_of(node), hint=gathering.hint or hint)


def place_of(node: Silver | Gold) -> str:
    """Return where a table is defined, and the function that computes it with its file and line."""
    defined = f"{node.place}, {type(node).__name__}({node.name!r})"
    function = inspect.unwrap(getattr(node.transform, "func", node.transform)) if node.transform else None
    code = getattr(function, "__code__", None)
    if code is None:
        return defined
    path = Path(code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{defined}, {getattr(function, '__name__', 'its transformation')} in {shown}:{code.co_firstlineno}"
