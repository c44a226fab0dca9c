"""References between contracts: what a column refers to must be there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from databricks_utils.contracts.model import Column, Contract
from databricks_utils.errors import InvalidInput, LakehouseError

#: Finds the line of a column's reference.
Places = Mapping[tuple[str, str], str]


def dangling_references(contracts: Mapping[str, Contract], folder: Path, places: Places) -> list[LakehouseError]:
    """Return a problem for each table without contract and each column that is referred to and is not there.

    A table whose contract is there but could not be read gives none: what is wrong with the file is said already.

    Args:
        contracts: The contracts that could be read, by `layer.table`.
        folder: The folder of the contracts.
        places: File, line and key of each reference, by table and column.
    """
    missing: dict[str, list[str]] = {}
    problems: list[LakehouseError] = []
    for contract, column, table, target in _references(contracts):
        place = places[contract.name, column.name]
        if table not in contracts:
            if not _file_of(table, folder).is_file():
                missing.setdefault(table, []).append(place)
        elif target not in contracts[table].column_names:
            close = difflib.get_close_matches(target, contracts[table].column_names, 1)
            hint = f"Did you mean {close[0]}?" if close else f"Columns: {', '.join(contracts[table].column_names)}"
            problems.append(InvalidInput(f"{column.reference} does not exist", where=place, hint=hint))
    return [*(_without_contract(table, found, contracts, folder) for table, found in missing.items()), *problems]


def _references(contracts: Mapping[str, Contract]) -> Iterator[tuple[Contract, Column, str, str]]:
    for contract in contracts.values():
        for column in contract.columns:
            if column.reference:
                table, _, target = column.reference.rpartition(".")
                yield contract, column, table, target


def _without_contract(table: str, places: list[str], contracts: Mapping[str, Contract], folder: Path) -> LakehouseError:
    close = difflib.get_close_matches(table, contracts, 1, cutoff=0.8)
    write = f"Write {_file_of(table, folder)}, or remove the reference"
    return InvalidInput(
        f"{table} has no contract, and is referred to",
        where="\n         ".join(places),
        hint=f"Did you mean {close[0]}? If not: {write[0].lower()}{write[1:]}" if close else write,
    )


def _file_of(table: str, folder: Path) -> Path:
    layer, _, name = table.partition(".")
    return folder / layer / f"{name}.yaml"
