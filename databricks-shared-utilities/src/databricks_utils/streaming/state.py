"""What streams remember between batches, as text: a change that an old checkpoint would not fit is seen in a diff."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from databricks_utils.contracts import Contract, struct_type
from databricks_utils.errors import InvalidInput
from databricks_utils.pipeline import Lakehouse
from databricks_utils.streaming.definition import StreamGold, StreamPipeline, StreamSilver, with_watermark
from databricks_utils.streaming.events import bronze_columns, silver_columns
from databricks_utils.streaming.queries import gold_rows, silver_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

#: Operators of a plan that take each row as it comes.
_STATELESS = frozenset(
    (
        *("CollectMetrics", "Expand", "Filter", "Generate", "Project", "Repartition", "RepartitionByExpression"),
        *("ResolvedHint", "StreamingRelation", "StreamingRelationV2", "SubqueryAlias", "Union", "View"),
    )
)
#: How Spark writes a window of time: microseconds on both sides of a conversion.
_OF_TIME = "precisetimestampconversion"
_MICROSECONDS = re.compile(r"\b(\d{4,})L?\b")
_INTERVAL = re.compile(r"(?:INTERVAL )?'([^']+)' AS INTERVAL|INTERVAL ('[^']+' [A-Z]+(?: TO [A-Z]+)?)")


@dataclass(frozen=True)
class StreamState:
    """What one stream remembers.

    Args:
        table: The table it writes, `layer.table`.
        version: Version of its definition, a part of its checkpoint's path.
        remembers: A line for what it reads, for each watermark, and for each operator that keeps state.
    """

    table: str
    version: int
    remembers: tuple[str, ...]


def stream_states(lakehouse: Lakehouse, pipeline: StreamPipeline) -> tuple[StreamState, ...]:
    """Return what the silver and gold streams of a pipeline remember, read from their plans; no stream is started.

    Bronze and alerts keep positions in their source alone, which Spark checks by itself. The lines name keys with
    types, windows, aggregates, conditions of joins and the columns that a join keeps. They leave out what a stream may
    change and go on: columns that pass through, and what is computed after the state.

    Args:
        lakehouse: An open lakehouse; its tables need not exist.
        pipeline: The definition.

    Raises:
        InvalidInput: The session is a client of Spark Connect, which keeps plans to itself.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        streams = _Streams(lakehouse, pipeline, folder)
        for node in pipeline:
            if isinstance(node, StreamSilver):
                rows = silver_rows(lakehouse, node, streams.bronze(node.reads))
                lines = [f"reads {node.reads}"]
            elif isinstance(node, StreamGold):
                rows = gold_rows(lakehouse, node, [streams.silver(table) for table in node.inputs])
                lines = [f"reads {', '.join(node.inputs)}", f"gives {node.emits}"]
            else:
                continue
            found.append(StreamState(node.table, node.version, (*lines, *_remembered(rows))))
    return tuple(found)


@dataclass(frozen=True)
class _Streams:
    """Streams without events that have the columns of the pipeline's tables."""

    lakehouse: Lakehouse
    pipeline: StreamPipeline
    folder: str

    def bronze(self, table: str) -> DataFrame:
        return self._empty(self.lakehouse.contract(table), bronze_columns())

    def silver(self, table: str) -> DataFrame:
        rows = self._empty(self.lakehouse.contract(table), silver_columns())
        slack = self.lakehouse.configuration.streaming.future_minutes
        return with_watermark(rows, self.pipeline.silver(table).watermark, slack)

    def _empty(self, contract: Contract, more: StructType) -> DataFrame:
        schema = struct_type(contract)
        for column in more:
            schema = schema.add(column)
        return self.lakehouse.spark.readStream.schema(schema).format("parquet").load(self.folder)


def _remembered(rows: DataFrame) -> list[str]:
    frame: Any = rows
    if not hasattr(frame, "_jdf"):
        raise InvalidInput(
            "What streams remember is read from a plan, and Spark Connect does not show it",
            where="spark.mode",
            hint="Take a local session",
        )
    plan = frame._jdf.queryExecution().analyzed()
    return list(_lines(plan, {_identity(column) for column in _items(plan.output())}))


def _lines(plan: Any, needed: set[int]) -> Iterator[str]:
    """Yield the lines of a plan from its sources up; `needed` are the columns that the operators above it read."""
    if not plan.isStreaming():
        return
    below = _needed_below(plan, needed)
    for child in _items(plan.children()):
        yield from _lines(child, below)
    name = str(plan.nodeName())
    if name == "EventTimeWatermark":
        yield f"watermark of {plan.eventTime().sql()}: {plan.delay().toString()}"
    elif name.startswith("Deduplicate"):
        yield f"one row for each {_typed(plan.keys())}"
    elif name == "Aggregate":
        yield from _aggregate(plan)
    elif name == "Join":
        yield from _join(plan, below)
    elif name not in _STATELESS:
        yield f"{name}: {_typed(plan.output())}"


def _needed_below(plan: Any, needed: set[int]) -> set[int]:
    if str(plan.nodeName()) != "Project":
        return needed | {_identity(column) for column in _items(plan.references().toSeq())}
    used = [item for item in _items(plan.projectList()) if _identity(item) in needed]
    return {_identity(column) for item in used for column in _items(item.references().toSeq())}


def _aggregate(plan: Any) -> Iterator[str]:
    definitions = dict(_definitions(plan.children().apply(0)))
    windows = sorted({text for text in _windows(plan.children().apply(0))})
    keys = []
    for key in _items(plan.groupingExpressions()):
        # The fields of a window are the same in all windows, and their types are written in more than one way.
        typed = key.sql() if windows and _type(key).startswith("STRUCT<start") else f"{key.sql()} {_type(key)}"
        named = str(key.nodeName()) == "AttributeReference"
        keys.append(typed + (definitions.get(_identity(key), "") if named else ""))
    functions = {
        f"{function.sql()} {_type(function)}": None
        for item in _items(plan.aggregateExpressions())
        for function in _functions(item)
    }
    yield f"groups by {', '.join(keys)}"
    if windows:
        yield f"windows of {', '.join(windows)}"
    yield f"keeps {', '.join(functions) or 'the keys alone'}"


def _join(plan: Any, needed: set[int]) -> Iterator[str]:
    sides = list(_items(plan.children()))
    if not all(side.isStreaming() for side in sides):
        return
    conditions = _conditions(plan.condition().get()) if plan.condition().isDefined() else ["nothing"]
    yield f"joins {plan.joinType().sql()} on {' AND '.join(conditions)}"
    for name, side in zip(("left", "right"), sides, strict=True):
        kept = [column for column in _items(side.output()) if _identity(column) in needed]
        yield f"keeps of the {name} {', '.join(sorted(f'{column.sql()} {_type(column)}' for column in kept))}"


def _conditions(expression: Any) -> Iterator[str]:
    """Yield what has to hold, part by part; BETWEEN is two comparisons, as which Spark 3.5 writes it."""
    name = str(expression.nodeName())
    if name == "And":
        for child in _items(expression.children()):
            yield from _conditions(child)
    elif name == "Between":
        value, lower, upper = (part.sql() for part in (expression.input(), expression.lower(), expression.upper()))
        yield f"({value} >= {lower})"
        yield f"({value} <= {upper})"
    else:
        yield str(expression.sql())


def _definitions(plan: Any) -> Iterator[tuple[int, str]]:
    """Yield how columns are computed, by identity, from an operator down to the next one with state."""
    if str(plan.nodeName()) not in _STATELESS:
        return
    if str(plan.nodeName()) == "Project":
        for item in _items(plan.projectList()):
            text = str(item.sql())
            if str(item.nodeName()) == "Alias" and _OF_TIME not in text:
                yield _identity(item), f" ({text.rpartition(' AS ')[0]})"
    for child in _items(plan.children()):
        yield from _definitions(child)


def _windows(plan: Any) -> Iterator[str]:
    """Yield the spans of time that make the windows below an aggregate: length, pace, distances of overlaps."""
    name = str(plan.nodeName())
    if name not in _STATELESS:
        return
    made = _items(plan.projectList()) if name == "Project" else _of_each(plan) if name == "Expand" else iter(())
    for text in (str(item.sql()) for item in made):
        if _OF_TIME in text:
            yield from (f"{int(number) / 1e6:g} seconds" for number in _MICROSECONDS.findall(text))
            yield from (given or literal for given, literal in _INTERVAL.findall(text))
    for child in _items(plan.children()):
        yield from _windows(child)


def _of_each(expand: Any) -> Iterator[Any]:
    return (item for row in _items(expand.projections()) for item in _items(row))


def _functions(expression: Any) -> Iterator[Any]:
    if str(expression.nodeName()) == "AggregateExpression":
        yield expression
        return
    for child in _items(expression.children()):
        yield from _functions(child)


def _typed(columns: Any) -> str:
    return ", ".join(f"{column.sql()} {_type(column)}" for column in _items(columns))


def _type(expression: Any) -> str:
    return str(expression.dataType().sql())


def _identity(column: Any) -> int:
    return int(column.exprId().id())


def _items(sequence: Any) -> Iterator[Any]:
    """Yield the items of a Scala sequence."""
    return (sequence.apply(number) for number in range(sequence.size()))
