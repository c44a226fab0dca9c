"""The flow of a pipeline: what it defines, what each definition reads, and the order that follows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from databricks_utils.contracts import Contract
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: A pure function of DataFrames; keyword-only arguments are filled from the configuration's parameters.
Transform = Callable[..., "DataFrame"]
_LIBRARY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Lookup:
    """A table joined by a transformation.

    Args:
        table: `layer.table`.
        on: The column that both the lookup and the table read share, or several. When rows of the lookup change, the
            rows with these values are computed again; without it a change of the lookup has no effect on old rows.
    """

    table: str
    on: str | Sequence[str] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns by which rows are found; none where a change of the lookup has no effect on old rows."""
        return (self.on,) if isinstance(self.on, str) else tuple(self.on or ())


class Definition:
    """What a flow defines by a name, tables it reads and a function."""

    name: str
    #: The table read, or several in the order of the transformation's arguments; none where rows come from outside.
    reads: str | Sequence[str]
    #: Tables that the transformation is given besides the rows.
    lookups: Sequence[Lookup | str]
    transform: Transform | None
    #: File and line of the definition.
    place: str

    def __post_init__(self) -> None:
        """Note where the table is defined, for messages."""
        object.__setattr__(self, "place", _caller())

    @property
    def lookup_tables(self) -> tuple[str, ...]:
        """Tables that the transformation is given besides the rows, in the order of its arguments."""
        return tuple(lookup.table for lookup in as_lookups(self.lookups))


class TableNode(Definition):
    """A table of a flow; each kind of node says in which layer it stands.

    Tables with the same `task` share one task of the job, which spares small tables a start each; by default a table
    has a task of its own.
    """

    layer: str
    task: str | None = None

    @property
    def is_shown(self) -> bool:
        """Whether `status`, `run --show` and the report look at some of its rows; all are read and sorted for it."""
        return False

    @property
    def table(self) -> str:
        """`layer.table`."""
        return f"{self.layer}.{self.name}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Tables that must be ready first, each once: what is read, then the lookups."""
        read = (self.reads,) if isinstance(self.reads, str) else self.reads
        return tuple(dict.fromkeys((*read, *self.lookup_tables)))


def as_lookups(lookups: Sequence[Lookup | str]) -> tuple[Lookup, ...]:
    """Return lookups given as names or objects as objects."""
    return tuple(Lookup(item) if isinstance(item, str) else item for item in lookups)


def quarantine_of(table: str) -> str:
    """Return the name of a silver table's quarantine."""
    return f"{table}_quarantine"


AnyNode = TypeVar("AnyNode", bound=TableNode)


def _caller() -> str:
    """Return file and line of the first call that does not come from this library."""
    frame = inspect.currentframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        # The initializer of a dataclass has no file.
        if path.is_file() and not path.is_relative_to(_LIBRARY):
            return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{frame.f_lineno}"
        frame = frame.f_back
    return "the pipeline definition"


class Flow(Generic[AnyNode]):
    """Tables in the order that follows from what they read. It checks itself when it is made.

    Args:
        name: Name of the flow, as in the project's command.
        nodes: Tables in any order.

    Raises:
        InputProblems: A table is defined twice, reads something that is not defined, or there is a cycle.
    """

    def __init__(self, name: str, *nodes: AnyNode) -> None:
        self.name = name
        self.nodes = nodes
        problems = [*self._duplicates(), *self._unknown_inputs()]
        if problems:
            raise InputProblems(problems)
        self._order = self._sorted()

    def __iter__(self) -> Iterator[AnyNode]:
        return iter(self.node(table) for table in self._order)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self.nodes)} tables)"

    @property
    def definitions(self) -> Sequence[Definition]:
        """Everything that may have a transformation."""
        return self.nodes

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of all tables, each after what it reads."""
        return self._order

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs (table read, table written)."""
        return tuple((source, node.table) for node in self for source in node.inputs)

    def prerequisites(self, node: TableNode, contracts: Mapping[str, Contract]) -> tuple[str, ...]:
        """Return the tables of the flow that are written before a table: what it reads and what its contract refers to.

        A reference is checked when the table has been written, so what it refers to must be there by then.
        """
        contract = contracts.get(node.table)
        referred = contract.references if contract else ()
        known = {other.table for other in self.nodes} - {node.table}
        return tuple(dict.fromkeys((*node.inputs, *(table for table in referred if table in known))))

    def node(self, table: str) -> AnyNode:
        """Return one table's definition.

        Raises:
            InvalidInput: There is no such table; the message lists those there are.
        """
        for node in self.nodes:
            if node.table == table:
                return node
        raise InvalidInput(
            f"The pipeline {self.name} has no table {table!r}",
            hint=f"Tables: {', '.join(sorted(n.table for n in self.nodes))}",
        )

    def selected(self, tables: Sequence[str]) -> tuple[AnyNode, ...]:
        """Return the named tables in running order; all tables when none is named."""
        wanted = {self.node(table).table for table in tables} if tables else set(self._order)
        return tuple(self.node(table) for table in self._order if table in wanted)

    @property
    def _place(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _duplicates(self) -> list[LakehouseError]:
        # A catalog does not tell names apart by the case of their letters.
        aside = {quarantine_of(node.table).lower(): node.table for node in self.nodes if node.layer == "silver"}
        seen: set[str] = set()
        problems: list[LakehouseError] = []
        for node in self.nodes:
            name = node.table.lower()
            if name in seen:
                problems.append(InvalidInput(f"{node.table} is defined twice", where=self._place))
            elif name in aside:
                message = f"{node.table} is where the bad rows of {aside[name]} go"
                problems.append(InvalidInput(message, where=self._place, hint="Give it another name"))
            seen.add(name)
        return problems

    def _unknown_inputs(self) -> list[LakehouseError]:
        known = {node.table for node in self.nodes}
        return [
            InvalidInput(
                f"{node.table} reads {source}, which the pipeline does not define",
                where=self._place,
                hint=f"Defined: {', '.join(sorted(known))}",
            )
            for node in self.nodes
            for source in node.inputs
            if source not in known
        ]

    def _sorted(self) -> tuple[str, ...]:
        graph: dict[str, Any] = {node.table: node.inputs for node in self.nodes}
        try:
            return tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            cycle = " → ".join(error.args[1])
            raise InvalidInput(f"Tables read each other in a circle: {cycle}", where=self._place) from None
