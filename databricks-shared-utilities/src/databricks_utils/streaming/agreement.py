"""Whether the definition of streams and their contracts agree, before Spark starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from databricks_utils.contracts import Contract
from databricks_utils.data_quality import row_rules
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError
from databricks_utils.medallion.column_checks import technical_problems
from databricks_utils.pipeline import technical
from databricks_utils.streaming.definition import StreamBronze, StreamGold, StreamNode, StreamPipeline, StreamSilver
from databricks_utils.streaming.events import bronze_columns, names_of_time_rules, silver_columns
from databricks_utils.streaming.source import NEEDED, RECEIVED

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

#: Types of columns that can bear a watermark.
OF_TIME = ("TIMESTAMP", "TIMESTAMP_NTZ")


def check_streams(pipeline: StreamPipeline, contracts: Mapping[str, Contract]) -> None:
    """Find what a run would fail at: columns that bronze lacks, keys, watermarks, names of rules.

    Args:
        pipeline: The definition; tables without a contract are passed over.
        contracts: Contracts by `layer.table`.

    Raises:
        InputProblems: Everything that does not agree.
    """
    found = [
        problem
        for node in pipeline
        if node.table in contracts
        for problem in _problems(pipeline, node, contracts[node.table])
    ]
    if found:
        raise InputProblems(found)


def _problems(pipeline: StreamPipeline, node: StreamNode, contract: Contract) -> Iterator[LakehouseError]:
    where = str(contract.path)
    yield from technical_problems(contract, _technical_columns(node))
    if isinstance(node, StreamBronze):
        missing = [name for name in NEEDED if name not in contract.column_names]
        if missing:
            hint = f"Bronze of a stream has {RECEIVED}"
            yield InvalidInput(f"{node.table} lacks {', '.join(missing)}", where=where, hint=hint)
        return
    if not contract.key:
        hint = "Mark the columns that tell two rows apart with primaryKey: true"
        yield InvalidInput(f"{node.table} has no key, so that repeated rows cannot be told", where=where, hint=hint)
    if isinstance(node, StreamSilver):
        yield from _watermark_problems(node, contract)
    if isinstance(node, StreamGold):
        others = [table for table in node.inputs if not isinstance(pipeline.node(table), StreamSilver)]
        if others:
            hint = "Streams with state read silver; a StreamAlerts reads gold"
            message = f"{node.table} reads {', '.join(others)}"
            yield InvalidInput(message, where=f"StreamGold({node.name!r})", hint=hint)


def _technical_columns(node: StreamNode) -> StructType:
    if isinstance(node, StreamBronze):
        return bronze_columns()
    return silver_columns() if isinstance(node, StreamSilver) else technical.columns("gold")


def _watermark_problems(node: StreamSilver, contract: Contract) -> Iterator[InvalidInput]:
    name, where = node.watermark.column, str(contract.path)
    kinds = {column.name: column.data_type.upper() for column in contract.columns}
    if kinds.get(name) not in OF_TIME:
        said = f"is {kinds[name]}" if name in kinds else "is not there"
        yield InvalidInput(
            f"The watermark of {node.table} needs a TIMESTAMP, and {name} {said}",
            where=where,
            hint=f"StreamSilver({node.name!r}, watermark=Watermark(<one of its columns>, …))",
        )
        return
    own = {rule.name for rule in row_rules(contract)}
    for taken in sorted(own & set(names_of_time_rules(contract, node))):
        message = f"A rule is called {taken!r}, as one that every stream has"
        yield InvalidInput(message, where=where, hint="Give the declared rule another name")
