"""The pipeline definition: which tables there are, what they read, how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from databricks_utils.errors import InvalidInput
from databricks_utils.pipeline.flow import Flow, Lookup, TableNode, Transform

if TYPE_CHECKING:
    pass


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
        if len(self.delimiter) != 1 or self.delimiter in '"\\\r\n\0':
            hint = r'Write one character, for example ";" or "\t"'
            raise InvalidInput(f"{self.delimiter!r} cannot separate fields", where=where, hint=hint)


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


@dataclass(frozen=True)
class Bronze(TableNode):
    """A table of rows as received."""

    name: str
    source: Files
    task: str | None = None

    layer: str = field(default="bronze", init=False)
    reads: tuple[()] = field(default=(), init=False, repr=False)
    lookups: tuple[()] = field(default=(), init=False, repr=False)
    transform: None = field(default=None, init=False, repr=False)


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
    """A table for readers: a dimension, a fact, an aggregate.

    Args:
        name: Name of the table.
        reads: The table whose rows the transformation is given.
        transform: Pure function of the rows, the lookups and, by name, parameters.
        lookups: Tables given beside the rows.
        write: How its rows are written.
        shown: Whether reports show some of its rows; by default those of tables with `Replace`, which are aggregates.
    """

    name: str
    reads: str
    transform: Transform | None = None
    lookups: Sequence[Lookup | str] = ()
    write: Write = field(default_factory=Upsert)
    shown: bool | None = None
    task: str | None = None

    layer: str = field(default="gold", init=False)

    @property
    def is_shown(self) -> bool:
        """Whether reports look at some of its rows."""
        return isinstance(self.write, Replace) if self.shown is None else self.shown


Node = Bronze | Silver | Gold


class Pipeline(Flow[Node]):
    """The whole flow of a batch project: a name and its tables, each `Bronze`, `Silver` or `Gold`."""
