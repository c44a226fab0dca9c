"""A table's contract as plain, frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from databricks_utils.errors import InvalidInput

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class DeclaredRule:
    """A quality rule as the contract states it.

    Args:
        name: Name of the rule, unique within the contract.
        column: The column it belongs to, or None for the table.
        metric: ODCS metric (`nullValues`, `invalidValues`, `duplicateValues`, `rowCount`, …), or `row` for a predicate.
        severity: `error` or `warning`.
        arguments: Arguments of the metric.
        operators: The `mustBe…` entries.
        predicate: SQL predicate of a row rule; true means good.
        description: For people.
    """

    name: str
    column: str | None
    metric: str
    severity: Severity = "error"
    arguments: Mapping[str, object] = field(default_factory=dict)
    operators: Mapping[str, object] = field(default_factory=dict)
    predicate: str | None = None
    description: str = ""


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        name: Its name.
        data_type: Spark DDL type, for example `DECIMAL(10,2)`.
        required: It may not be NULL.
        primary_key: It belongs to the key.
        unique: No two rows share a value.
        description: For people.
        classification: For example `confidential`.
        source_column: The column of the table read that it is cast from, where the contract names exactly one.
        sources: Everything it is made from, as `layer.table.column`.
        reference: The column it refers to, as `layer.table.column`.
        options: ODCS `logicalTypeOptions`.
        examples: Sample values.
        received_as: Its name in files and events, where that is another one.
        reference_severity: What a value is that the column referred to does not have: a breach, or worth a warning.
    """

    name: str
    data_type: str
    required: bool = False
    primary_key: bool = False
    unique: bool = False
    description: str = ""
    classification: str | None = None
    source_column: str | None = None
    sources: tuple[str, ...] = ()
    transform: str | None = None
    reference: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    examples: tuple[object, ...] = ()
    received_as: str | None = None
    reference_severity: Severity = "error"


@dataclass(frozen=True)
class Contract:
    """What a table is.

    Args:
        layer: bronze, silver or gold.
        table: Name without the layer.
        version: Version of the contract.
        status: For example `active`.
        description: For people.
        owner: The team that answers for it.
        columns: In their order.
        key: Key columns in their order.
        declared_rules: Rules stated under `quality`.
        freshness_hours: Greatest age, or None.
        freshness_column: The column whose newest value tells the age.
        cluster_by: Columns of liquid clustering.
        tags: Free words.
        path: The file.
        statements: What `quality` says in words only; people read it, nothing checks it.
    """

    layer: str
    table: str
    version: str
    status: str
    description: str
    owner: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    declared_rules: tuple[DeclaredRule, ...] = ()
    freshness_hours: float | None = None
    freshness_column: str | None = None
    cluster_by: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    path: Path = Path()
    statements: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`layer.table`."""
        return f"{self.layer}.{self.table}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def references(self) -> tuple[str, ...]:
        """The other tables that its columns refer to, as `layer.table`, each once."""
        referred = (column.reference.rpartition(".")[0] for column in self.columns if column.reference)
        return tuple(dict.fromkeys(table for table in referred if table != self.name))

    @property
    def received_names(self) -> Mapping[str, str]:
        """The name in files or events of each column, by the column's own name, in their order."""
        return {column.name: column.received_as or column.name for column in self.columns}

    def column(self, name: str) -> Column:
        """Return a column.

        Raises:
            InvalidInput: There is none of this name.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise InvalidInput(
            f"{self.name} has no column {name!r}",
            where=str(self.path),
            hint=f"Columns: {', '.join(self.column_names)}",
        )
