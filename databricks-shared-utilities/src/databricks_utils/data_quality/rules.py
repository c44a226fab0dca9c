"""Rules as values: what must hold for a row, and what must hold for a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from databricks_utils.contracts import Severity
from databricks_utils.data_quality.determinism import unrepeatable
from databricks_utils.data_quality.limits import check_limits
from databricks_utils.data_quality.results import RuleKind
from databricks_utils.errors import InvalidInput

#: Kinds of rules about how a row arrived. `label` takes them from `_cast_errors` and `_malformed`.
ARRIVAL = ("cast", "malformed")
MALFORMED = "malformed"

#: Name of the rule that a contract's primary key gives.
PRIMARY_KEY = "primary_key"


@dataclass(frozen=True)
class Rule:
    """Something that must hold for each row by itself.

    Args:
        name: Unique within the table; it appears in `_validation_errors` or `_validation_warnings`.
        column: The column the rule is about, or None.
        kind: What sort of rule it is.
        severity: An `error` sends the row to quarantine, a `warning` marks it.
        predicate: Spark SQL, true for a good row. NULL passes, as in a SQL CHECK; only not_null rules catch
            NULL. It must have an answer for every row: write try_divide and try_cast where a plain operator
            would raise. Of the kinds `cast` and `malformed` the predicate reads the labelled row.
        source: The contract's file, for messages.

    Raises:
        InvalidInput: The name cannot be shown, the predicate is empty, or its answer does not depend on the row alone.
    """

    name: str
    column: str | None
    kind: RuleKind
    severity: Severity
    predicate: str
    source: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable():
            hint = "Give it a name of letters that can be seen"
            raise InvalidInput(f"A rule cannot be called {self.name!r}", where=self.source or None, hint=hint)
        if not self.predicate.strip():
            raise InvalidInput(
                "The rule has no predicate", where=self.where, hint="Write a SQL condition good rows meet"
            )
        if found := unrepeatable(self.predicate):
            raise InvalidInput(
                f"The predicate uses {found!r}, so that two readings of a row can differ",
                where=self.where,
                hint="Compare columns of the row with each other or with constants",
            )

    @property
    def where(self) -> str:
        """File, rule and column, for messages."""
        return _place(self.source, self.name, self.column)


@dataclass(frozen=True)
class TableRule:
    """Something that must hold for a table as a whole.

    Args:
        name: Unique within the table.
        kind: `unique`, `reference`, `freshness`, `row_count` or `tolerance`.
        severity: `error` or `warning`.
        columns: The columns concerned: the key, the referring column, the column with the newest value.
        reference: For `reference`: the column referred to, as `layer.table.column`.
        maximum_age_hours: For `freshness`.
        predicate: For `tolerance`: Spark SQL, true for a good row; NULL passes.
        limits: `mustBe…` operators on the surplus rows (`unique`), the rows (`row_count`) or the failing rows
            (`tolerance`).
        source: The contract's file, for messages.

    Raises:
        InvalidInput: Something the kind needs is missing or cannot be compared with.
    """

    name: str
    kind: RuleKind
    severity: Severity
    columns: tuple[str, ...] = ()
    reference: str | None = None
    maximum_age_hours: float | None = None
    predicate: str | None = None
    limits: Mapping[str, object] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        if self.kind in ("unique", "row_count", "tolerance"):
            check_limits(self.limits, self.where)
        if self.kind in ("unique", "reference", "freshness") and not self.columns:
            raise InvalidInput(
                "The rule names no column", where=self.where, hint="Put it under a column, or name columns"
            )
        if self.kind == "reference" and (self.reference or "").count(".") != 2:
            raise InvalidInput(
                "The rule names no column to refer to", where=self.where, hint="Write layer.table.column"
            )

    @property
    def column(self) -> str | None:
        """The column, when the rule is about exactly one."""
        return self.columns[0] if len(self.columns) == 1 else None

    @property
    def where(self) -> str:
        """File, rule and column, for messages."""
        return _place(self.source, self.name, self.column)


def _place(source: str, name: str, column: str | None) -> str:
    return ", ".join([*([source] if source else []), f"rule {name}", *([f"column {column}"] if column else [])])
