"""What each row that a transformation gives depends on: one row read, the rows that share a value, or any rows.

An incremental run hands a transformation some rows of a table only. The result is that of all rows where each row given
depends on one row read, or on rows that are handed over together. Spark's analyzed plan tells; what it does not tell is
taken to depend on everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from pyspark.sql import functions as F

from databricks_utils.data_quality.determinism import CALLS, CLOCKS, MOMENTS
from databricks_utils.delta import quoted
from databricks_utils.medallion.logical_plan import Operator, analyzed_plan, column, definitions, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

#: Operators that give each row they are given.
_PASSING = frozenset(
    (
        *("CTERelationDef", "CollectMetrics", "Project", "RebalancePartitions", "Repartition"),
        *("RepartitionByExpression", "ResolvedHint", "Sort", "SubqueryAlias", "View", "WithCTE"),
    )
)
#: Operators that look at a row by itself and may give no row for it, or several.
_CHANGING_NUMBER = frozenset(("Expand", "Filter", "Generate", "Union"))
#: Operators that look at rows together which share what stands in a list of theirs.
_KEYED = {
    "Aggregate": "groups rows",
    "Deduplicate": "keeps one of several rows",
    "Window": "computes over a window of rows",
}
_WORDS = {
    "Distinct": "keeps one of several rows",
    "GlobalLimit": "keeps a number of rows (limit)",
    "Sample": "keeps a sample of the rows",
    "Intersect": "compares whole sets of rows (intersect)",
    "Except": "compares whole sets of rows (subtract or exceptAll)",
    "MapInPandas": "hands rows to Python, which cannot be seen through (mapInPandas)",
    "MapInArrow": "hands rows to Python, which cannot be seen through (mapInArrow)",
    "FlatMapGroupsInPandas": "hands groups of rows to Python (applyInPandas)",
    "FlatMapGroupsInArrow": "hands groups of rows to Python (applyInArrow)",
}
_CALL = re.compile(rf"\b(?P<name>{CALLS}|{CLOCKS})\(", re.IGNORECASE)
#: A text that Spark reads as a moment, as it stands in a plan, without quotes.
_MOMENT = re.compile(
    rf"\b(?:cast|date|timestamp|to_date|to_timestamp\w*|try_cast)\((?P<name>{MOMENTS})\b"
    r"[^#(),]*(?:,| as (?:date|timestamp))",
    re.IGNORECASE,
)
#: Tables and files, which nothing that is handed to a transformation in its trial is.
_STORED = re.compile(r"(?:Relation|RelationV2|StreamingRelation|DataSourceV2Relation)\b\s*(?P<name>[^\[]*)")
_ORDERED = re.compile(r" (ASC|DESC) NULLS (FIRST|LAST)$")
_VALUE = "_value"
_REPEATABLE = (
    "Rows that are not read again would keep their old answer: take a column of the rows, or a parameter of the "
    "configuration; _processing_timestamp says when a row was written"
)
_DECLARED = (
    "No run would know when that changes: have the table handed over, lookups=[Lookup('layer.table', on=…)]; files "
    "become a table of the pipeline first"
)
#: The sides from which a join gives rows of the table read alone, and whether it gives each of them.
_LEFT = {"LeftOuter": True, "Inner": False, "Cross": False, "LeftSemi": False, "LeftAnti": False}
_RIGHT = {"RightOuter": True, "Inner": False, "Cross": False}


@dataclass(frozen=True)
class Gathering:
    """Something a transformation does to rows together.

    Args:
        words: What it does, as words that complete "it …".
        keys: What the rows share, written with the columns read; None where that is not understood.
        hint: What its author can do, where that is something else than to compute all rows in each run.
        alone: Whether rows may come out otherwise though nothing has changed that a run knows of.
    """

    words: str
    keys: tuple[str, ...] | None = None
    hint: str | None = None
    alone: bool = False


@dataclass(frozen=True)
class Dependence:
    """What the rows given by a transformation depend on.

    Args:
        gatherings: What is done to rows together; none where each row given depends on one row read.
        keeps_rows: Each row read gives a row.
        computed: Expression of each column given, written with the columns read.
        types: Types of the columns given.
        dropping: By what rows go for which no others come, as words that complete "it …"; None where nothing shows it.
    """

    gatherings: tuple[Gathering, ...] = ()
    keeps_rows: bool = True
    computed: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    dropping: str | None = None

    @property
    def obstacle(self) -> str | None:
        """What is done to rows together, as words that complete "it …"; None where nothing is."""
        return self.gatherings[0].words if self.gatherings else None

    @property
    def changing(self) -> Gathering | None:
        """What may make rows come out otherwise though nothing has changed that a run knows of."""
        return next((gathering for gathering in self.gatherings if gathering.alone), None)

    def passes(self, names: Iterable[str]) -> bool:
        """Say whether columns are given as the columns of the same names were read."""
        return all(self.computed.get(name) == f"⟨{name}⟩" for name in names)

    def stays_within(self, expressions: Sequence[str]) -> bool:
        """Say whether rows are only looked at together that share the values of expressions over the columns read."""
        return all(
            gathering.keys is not None and all(_follows(expression, gathering.keys) for expression in expressions)
            for gathering in self.gatherings
        )

    def cast(self, name: str, data_type: str) -> str:
        """Return the expression of a column once it is cast to a type."""
        return cast(self.computed.get(name, "#"), self.types.get(name, ""), data_type)


def cast(expression: str, data_type: str, wanted: str) -> str:
    """Return an expression as Spark writes it once it is cast; a cast to its own type adds nothing."""
    return expression if data_type == wanted else f"cast({expression} as {wanted})"


def dependence_of(
    rows: DataFrame, transform: Callable[[DataFrame], DataFrame], wanted: Sequence[str] | None
) -> Dependence:
    """Look at the plan of a transformation; nothing runs.

    Args:
        rows: A frame with the columns read, as of `empty`.
        transform: Gives the rows computed from those read; lookups may be empty.
        wanted: Columns given that matter; those that are not given are passed over. None for all.

    Raises:
        AnalysisException: Spark cannot resolve what the transformation says.
    """
    mark = f"_read_{uuid4().hex}"
    given = transform(rows.alias(mark))
    present = [name for name in given.columns if wanted is None or name in wanted]
    chosen = given.select(*[quoted(name) for name in present])
    view = _View(analyzed_plan(chosen), mark)
    types = {item.name: item.dataType.simpleString() for item in chosen.schema}
    return Dependence(tuple(view.gatherings()), view.keeps_rows(), view.computed(), types, view.dropping())


def meaning_of(rows: DataFrame, expression: str) -> tuple[str, str]:
    """Return a SQL expression over the columns of `empty` rows, as `Dependence` writes what it computes, and its type.

    Raises:
        AnalysisException: Spark cannot resolve the expression.
    """
    found = dependence_of(rows, lambda read: read.select(F.expr(expression).alias(_VALUE)), [_VALUE])
    return found.computed.get(_VALUE, "#"), found.types[_VALUE]


def empty(spark: SparkSession, schema: StructType) -> DataFrame:
    """Return a frame of these columns without a row; nothing is read for it."""
    return spark.range(0).select(*[F.lit(None).cast(item.dataType).alias(item.name) for item in schema])


class _View:
    """The operators of a plan through which rows of the table read come."""

    def __init__(self, plan: Operator, mark: str) -> None:
        self.plan = plan
        self._mark = f"SubqueryAlias {mark}"
        self._shared = {_number(item): item for item in plan.walk() if item.name == "CTERelationDef"}
        self._sources = {
            identity: name
            for alias in plan.walk()
            if self._is_source(alias)
            for item in (item for group in alias.children[0].lists()[:1] for item in group)
            if (found := column(item))
            for name, identity in [found]
        }
        # Only of what is computed from rows read: a lookup's columns stay unknown, though an empty one is all NULL.
        self._named = definitions(self._path(plan))

    def gatherings(self) -> Iterator[Gathering]:
        """Yield what is done to rows together, from the last step to the first."""
        if not self._reads(self.plan):
            yield Gathering("gives rows that do not come from the table read")
            yield from self._changing()
            return
        for operator in self._path(self.plan):
            if any(self._reads(subquery) for subquery in operator.subqueries):
                yield Gathering("reads its table once more in a subquery")
            yield from self._gathering(operator)
        yield from self._changing()

    def _changing(self) -> Iterator[Gathering]:
        """Yield what makes rows come out otherwise by itself: tables and files that no run knows of, clocks, chance."""
        for operator in self.plan.walk():
            if found := _STORED.match(operator.text):
                name = found["name"].strip()
                words = f"reads {name or 'files'} by itself"
                yield Gathering(words, hint=_DECLARED, alone=True)
                break
        for operator in self.plan.walk():
            if found := _CALL.search(operator.text):
                words = f"calls {found['name']}, which does not answer the same each time"
            elif found := _MOMENT.search(operator.text):
                words = f"reads the clock ({found['name']})"
            else:
                continue
            yield Gathering(words, hint=_REPEATABLE, alone=True)
            return

    def keeps_rows(self) -> bool:
        """Say whether each row read gives at least one row."""
        return all(self._keeps(operator) for operator in self._path(self.plan))

    def dropping(self) -> str | None:
        """Say by what rows go; nothing of branches that are united again, since one may have what another lacks."""
        path = list(self._path(self.plan))
        if any(operator.name == "Union" for operator in path):
            return None
        if any(operator.name == "Filter" for operator in path):
            return "filters rows"
        lost = any(operator.name == "Generate" and not self._keeps(operator) for operator in path)
        return "gives no row for an empty list (explode)" if lost else None

    def computed(self) -> Mapping[str, str]:
        """Return the expressions of the columns given."""
        if any(operator.name == "Union" for operator in self.plan.walk()):
            return {}  # its columns are named after those of its first branch alone
        columns = [found for group in self.plan.lists()[:1] for item in group if (found := column(item))]
        return {name: self._resolved(f"{name}#{identity}") for name, identity in columns}

    def _path(self, operator: Operator) -> Iterator[Operator]:
        if not self._reads(operator) or self._is_source(operator):
            return
        yield operator
        for below in operator.children:
            yield from self._path(below)

    def _gathering(self, operator: Operator) -> Iterator[Gathering]:
        name, words = operator.name, _WORDS.get(operator.name)
        reading = [self._reads(child) for child in operator.children]
        if name == "Join":
            side = operator.text.removeprefix("Join ").partition(",")[0]
            if all(reading):
                yield Gathering("joins its table with itself")
            elif side not in (_LEFT if reading[0] else _RIGHT):
                yield Gathering(f"gives rows of a lookup that no row of its table matches ({side})")
        elif name in _KEYED:
            keys = tuple(self._resolved(item) for item in _keys(operator))
            by = ", ".join(key.replace("⟨", "").replace("⟩", "") for key in keys)
            yield Gathering(f"{_KEYED[name]}{f' ({by})' if by and '#' not in by else ''}", keys)
        elif name not in _PASSING and name not in _CHANGING_NUMBER and name != "CTERelationRef":
            yield Gathering(words or f"uses {name}, which cannot be seen through")

    def _keeps(self, operator: Operator) -> bool:
        if operator.name == "Join":
            side = operator.text.removeprefix("Join ").partition(",")[0]
            return (_LEFT if self._reads(operator.children[0]) else _RIGHT).get(side, False)
        if operator.name == "Generate":
            return ", true, [" in operator.text
        return operator.name in _PASSING or operator.name in ("CTERelationRef", "Expand")

    def _reads(self, operator: Operator) -> bool:
        if self._is_source(operator):
            return True
        if operator.name == "CTERelationRef":
            shared = self._shared.get(_number(operator))
            return shared is None or self._reads(shared)
        return any(self._reads(below) for below in (*operator.subqueries, *operator.children))

    def _is_source(self, operator: Operator) -> bool:
        return operator.text == self._mark

    def _resolved(self, expression: str) -> str:
        return resolve(expression, self._named, self._sources)


def _keys(operator: Operator) -> list[str]:
    """Return what rows share that an operator looks at together; Spark leaves an empty list out of its text."""
    lists = operator.lists()
    if operator.name == "Window":
        keys = lists[1] if len(lists) > 1 else []
        return [] if any(_ORDERED.search(item) for item in keys) else keys
    if operator.name == "Aggregate":
        return lists[0] if len(lists) > 1 else []
    return lists[0] if lists else []


def _number(operator: Operator) -> str:
    found = re.match(r"\w+ (\d+)", operator.text)
    return found[1] if found else ""


def _follows(expression: str, keys: Sequence[str]) -> bool:
    """Say whether rows that share the values of keys share that of an expression."""
    for key in sorted(keys, key=len, reverse=True):
        if "#" not in key:
            expression = expression.replace(key, "")
    return "⟨" not in expression and "#" not in expression
