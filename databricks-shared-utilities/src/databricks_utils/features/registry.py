"""All feature tables of a project, checked as a whole."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from databricks_utils.contracts import Contract
from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.features.checks import problems_of
from databricks_utils.features.definitions import FeatureTable
from databricks_utils.features.fingerprints import column_fingerprints, served_fingerprint
from databricks_utils.features.plan import Plan, plan_of


@dataclass(frozen=True)
class FeatureRegistry:
    """Feature tables and the contracts of their sources.

    Args:
        tables: In the order of the documentation.
        contracts: Contracts by `layer.table`.

    Raises:
        InputProblems: Everything wrong with any of the definitions.
    """

    tables: Sequence[FeatureTable]
    contracts: Mapping[str, Contract]

    def __post_init__(self) -> None:
        problems = list(problems_of(self.tables, self.contracts))
        if problems:
            raise InputProblems(problems)

    def table(self, name: str) -> FeatureTable:
        """Return a feature table.

        Raises:
            InvalidInput: None has the name.
        """
        for table in self.tables:
            if table.name == name:
                return table
        raise _unregistered("feature table", name, [table.name for table in self.tables])

    def source(self, table: FeatureTable) -> Contract:
        """Return the contract of a table's source."""
        return self.contracts[table.source.table]

    def plan(self, name: str) -> Plan:
        """Return how a feature table is computed.

        Raises:
            InvalidInput: None has the name.
        """
        table = self.table(name)
        return plan_of(table, self.source(table))

    def definitions(self, name: str) -> dict[str, str]:
        """Return the fingerprint of what each column of a feature table holds, by column.

        Raises:
            InvalidInput: None has the name.
        """
        table = self.table(name)
        return column_fingerprints(table, self.source(table))

    def fingerprints(self, features: Sequence[str]) -> dict[str, str]:
        """Return the fingerprints that a training set, and a model made from it, keeps of its features.

        Args:
            features: As of `locate`.

        Returns:
            Fingerprint by `layer.table.column`; how long a row is used is part of it.

        Raises:
            InputProblems: As of `locate`.
        """
        found = {}
        for name, columns in self.locate(features).items():
            marks = self.definitions(name)
            for column in columns:
                found[f"{name}.{column}"] = served_fingerprint(marks[column], self.table(name))
        return found

    def locate(self, features: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Find the tables of feature columns.

        Args:
            features: Columns as `spend_7d`, or as `customer_features.spend_7d` where several tables have one.

        Returns:
            Columns by table; tables in the order of their first column.

        Raises:
            InputProblems: Columns that no table has, or several, or that are wanted twice.
        """
        found: dict[str, tuple[str, ...]] = {}
        problems: list[InvalidInput] = []
        wanted: set[str] = set()
        for feature in features:
            table, _, column = feature.rpartition(".")
            homes = [
                item.name
                for item in self.tables
                if column in item.columns and table in ("", item.name, item.name.rpartition(".")[2])
            ]
            if len(homes) > 1:
                names = ", ".join(f"{home.rpartition('.')[2]}.{column}" for home in homes)
                problems.append(
                    InvalidInput(f"Several tables have {column!r}", where=f"feature {feature}", hint=f"Write {names}")
                )
            elif not homes:
                known = [name for item in self.tables for name in item.columns]
                problems.append(_unregistered("feature", feature, known))
            elif column in wanted:
                hint = "Ask for it once; a frame cannot hold two columns of one name"
                problems.append(InvalidInput(f"{column!r} is asked for twice", where=f"feature {feature}", hint=hint))
            else:
                wanted.add(column)
                found[homes[0]] = (*found.get(homes[0], ()), column)
        if problems:
            raise InputProblems(problems)
        return found


def _unregistered(noun: str, name: str, known: Sequence[str]) -> InvalidInput:
    close = difflib.get_close_matches(name.rpartition(".")[2] if noun == "feature" else name, known, 3)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Registered: {', '.join(known) or 'none'}"
    return InvalidInput(f"The {noun} {name!r} is not registered", where=f"{noun} {name}", hint=hint)
