"""The pipeline definition: which tables there are, what they read, how they are written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from databricks_utils.contracts import Contract
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: A pure function of DataFrames; keyword-only arguments are filled from the configuration's parameters.
Transform = Callable[..., "DataFrame"]
_LIBRARY = Path(__file__).parents[1]


#: Formats of delivered files.
FORMATS = ("csv", "json")


@dataclass(frozen=True)
class Files:
    """Files of one kind below a folder of the landing zone.

    A file is read once, as it is then, so it must be whole when it gets its name: write it elsewhere and move it, or
    under a name that is passed over (one that begins with `_` or a dot, or ends in `.tmp`, `.part` and the like).

    Args:
        folder: Sub-folder of `storage.landing`.
        format: `csv` (with a header line) or `json` (one object a line).
        glob: Which file names count.
        delimiter: Field separator of CSV files, one character.
        system: Name of the system that delivers the files; it becomes `_source_system`.

    Raises:
        InvalidInput: The format is none of these, or the delimiter cannot be one.
    """

    folder: str
    format: Literal["csv", "json"] = "csv"
    glob: str = "*"
    delimiter: str = ","
    system: str = "files"

    def __post_init__(self) -> None:
        where = f"Files({self.folder!r})"
        if self.format not in FORMATS:
            hint = f"Write {' or '.join(FORMATS)}; other files must be turned into one of these before they are landed"
            raise InvalidInput(f"Files of format {self.format!r} are not read", where=where, hint=hint)
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n\0':
            hint = r'Write one character, for example ";" or "\t"'
            raise InvalidInput(f"{self.delimiter!r} cannot separate fields", where=where, hint=hint)


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


@dataclass(frozen=True)
class Upsert:
    """Write by the contract's key: new keys are inserted, changed rows updated.

    Args:
        sequence_by: Column that orders versions of a row; a row with a smaller value never replaces a greater one.
            NULL comes before every value. Of rows with the same value, and without this column, the one ingested
            last wins, so that the table does not depend on how deliveries were shared out among runs.
        surrogate_key: Column of the contract to fill with a hash of the contract's other key columns.
        unknown_member: Keep a row with surrogate key -1 that facts without a match can point to.
    """

    sequence_by: str | None = None
    surrogate_key: str | None = None
    unknown_member: bool = False


@dataclass(frozen=True)
class Replace:
    """Write whole slices of the table.

    Args:
        by: Column of the table whose touched values are recomputed; None recomputes the whole table.
        of: SQL expression over the table read that gives `by`; the column itself by default.
    """

    by: str | None = None
    of: str | None = None

    @property
    def expression(self) -> str:
        """SQL over the table read that gives `by`."""
        return self.of or f"`{self.by}`"


@dataclass(frozen=True)
class Scd2:
    """Keep history: one row for each state of a member, valid from its start until before its end.

    The table read must hold every state ever received, as a silver table keyed by member and sequence does; the
    history of touched members is then rebuilt from it, whatever order the states arrived in.

    Args:
        keys: Natural key of a member.
        sequence_by: DATE or TIMESTAMP column from which a state is valid.
        delete_when: SQL condition over the table read that says the member left.
        surrogate_key: BIGINT column to fill; every version has its own.
        unknown_member: Keep a row with surrogate key -1 that facts without a match can point to.
    """

    keys: Sequence[str]
    sequence_by: str
    surrogate_key: str
    delete_when: str | None = None
    unknown_member: bool = True


Write = Upsert | Replace | Scd2


class TableNode:
    """A table of a flow; each kind of node says in which layer it stands and what it reads.

    Tables with the same `task` share one task of the job, which spares small tables a start each; by default a table
    has a task of its own.
    """

    name: str
    layer: str
    #: File and line of the definition.
    place: str

    def __post_init__(self) -> None:
        """Note where the table is defined, for messages."""
        object.__setattr__(self, "place", _caller())

    @property
    def table(self) -> str:
        """`layer.table`."""
        return f"{self.layer}.{self.name}"

    @property
    def lookup_tables(self) -> tuple[str, ...]:
        """Tables that the transformation is given besides the rows, in the order of its arguments."""
        # Not every kind has lookups, nor reads a table: bronze does neither.
        return tuple(lookup.table for lookup in as_lookups(getattr(self, "lookups", ())))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Tables that must be ready first, each once: what is read, then the lookups."""
        reads: str | Sequence[str] = getattr(self, "reads", ())
        read = (reads,) if isinstance(reads, str) else reads
        return tuple(dict.fromkeys((*read, *self.lookup_tables)))


@dataclass(frozen=True)
class Bronze(TableNode):
    """A table of rows as received."""

    name: str
    source: Files
    task: str | None = None

    layer: str = field(default="bronze", init=False)


@dataclass(frozen=True)
class Silver(TableNode):
    """A table of typed, cleaned and checked rows, one for each key."""

    name: str
    reads: str
    transform: Transform | None = None
    lookups: Sequence[Lookup | str] = ()
    write: Upsert = field(default_factory=Upsert)
    task: str | None = None

    layer: str = field(default="silver", init=False)


@dataclass(frozen=True)
class Gold(TableNode):
    """A table for readers: a dimension, a fact, an aggregate."""

    name: str
    reads: str
    transform: Transform | None = None
    lookups: Sequence[Lookup | str] = ()
    write: Write = field(default_factory=Upsert)
    task: str | None = None

    layer: str = field(default="gold", init=False)


Node = Bronze | Silver | Gold


def as_lookups(lookups: Sequence[Lookup | str]) -> tuple[Lookup, ...]:
    """Return lookups given as names or objects as objects."""
    return tuple(Lookup(item) if isinstance(item, str) else item for item in lookups)


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
        seen: set[str] = set()
        problems: list[LakehouseError] = []
        for node in self.nodes:
            if node.table in seen:
                problems.append(InvalidInput(f"{node.table} is defined twice", where=self._place))
            seen.add(node.table)
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


class Pipeline(Flow[Node]):
    """The whole flow of a batch project: a name and its tables, each `Bronze`, `Silver` or `Gold`."""
