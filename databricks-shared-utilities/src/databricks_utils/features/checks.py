"""What can be wrong with feature definitions, found before Spark starts."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from databricks_utils.contracts import Contract
from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.features.aggregations import KINDS
from databricks_utils.features.definitions import Aggregation, ByAggregation, Feature, FeatureTable, ttl_problems
from databricks_utils.features.plan import FLOATS, INTEGERS, MOST_DIGITS, condition, decimal_digits, result_type

#: Longest window in days. Together with the largest total of a day it keeps every sum within a BIGINT.
LONGEST_WINDOW = 730
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TABLE = re.compile(r"[A-Za-z0-9_]+\.[A-Za-z0-9_]+")


def problems_of(tables: Sequence[FeatureTable], contracts: Mapping[str, Contract]) -> Iterator[LakehouseError]:
    """Yield everything wrong with the definitions.

    Args:
        tables: All feature tables.
        contracts: Contracts of the sources by `layer.table`.
    """
    for name in _twice(table.name.lower() for table in tables):
        yield InvalidInput(
            "Two feature tables have the same name", where=f"feature table {name}", hint="Rename one, or join them"
        )
    for table in tables:
        yield from _table_problems(table, contracts)


def _table_problems(table: FeatureTable, contracts: Mapping[str, Contract]) -> Iterator[LakehouseError]:
    where = f"feature table {table.name}"
    if not _TABLE.fullmatch(table.name):
        hint = "Write layer.table, as in gold.customer_features"
        yield InvalidInput(f"{table.name!r} is not a table name", where=where, hint=hint)
    if not table.description.strip():
        yield InvalidInput("The table is not documented", where=where, hint="Say in description what a row is")
    if not table.owner.strip():
        yield InvalidInput("The table has no owner", where=where, hint="Name the team that answers for it in owner")
    yield from ttl_problems(table.ttl_days, where=where)
    if not table.entity:
        yield InvalidInput("The table has no entity", where=where, hint="Name the key columns in entity")
    if not table.features:
        yield InvalidInput("The table has no features", where=where, hint="Add a Feature to features")
    for name in _twice(str(column).lower() for column in table.entity):
        yield InvalidInput(f"The entity names {name!r} twice", where=where, hint="Remove one")
    yield from _double_columns(table, where)
    contract = contracts.get(table.source.table)
    if contract is None:
        known = _suggestion(table.source.table, contracts)
        yield InvalidInput(f"The source {table.source.table!r} has no contract", where=where, hint=known)
    else:
        yield from _source_problems(table, contract, where)
    for feature in table.features:
        yield from _feature_problems(feature, contract, f"{where}, feature {feature.name}")


def _double_columns(table: FeatureTable, where: str) -> Iterator[LakehouseError]:
    columns = [column.lower() for column, _, _ in table.outputs()]
    for name in _twice([*table.key, *columns]):
        hint = "Rename a feature, or join their windows"
        yield InvalidInput(f"The column {name!r} would be there twice", where=where, hint=hint)


def _source_problems(table: FeatureTable, contract: Contract, where: str) -> Iterator[LakehouseError]:
    for name in table.entity:
        yield from _unknown(name, contract, f"{where}, entity")
        if name in contract.column_names and _kind(contract, name) in FLOATS:
            hint = "Cast it to a whole number or a text in the source"
            yield InvalidInput(f"Floating point {name!r} cannot be a key", where=f"{where}, entity", hint=hint)
    moments: list[tuple[str, str, tuple[str, ...]]]
    moments = [("timestamp", table.source.timestamp, ("TIMESTAMP", "DATE"))]
    if table.source.known_at is not None and not table.source.known_at.startswith("_"):
        moments.append(("known_at", table.source.known_at, ("TIMESTAMP",)))
    for argument, name, kinds in moments:
        yield from _unknown(name, contract, f"{where}, {argument}")
        if name in contract.column_names and _kind(contract, name) not in kinds:
            message = f"{name!r} is {contract.column(name).data_type}, which is no moment in UTC"
            hint = f"Name a column of type {' or '.join(kinds)}"
            yield InvalidInput(message, where=f"{where}, {argument}", hint=hint)


def _feature_problems(feature: Feature, contract: Contract | None, where: str) -> Iterator[LakehouseError]:
    if not _NAME.fullmatch(feature.name):
        hint = "Begin with a lower-case letter; then lower-case letters, digits and _"
        yield InvalidInput(f"{feature.name!r} cannot name a column", where=where, hint=hint)
    if not feature.description.strip():
        yield InvalidInput("The feature is not documented", where=where, hint="Say in description what it tells")
    yield from _window_problems(feature, where)
    if feature.aggregation not in KINDS:
        hint = _suggestion(feature.aggregation, get_args(Aggregation))
        yield InvalidInput(f"Unknown aggregation {feature.aggregation!r}", where=where, hint=hint)
        return
    if feature.nulls not in ("skip", "zero"):
        yield InvalidInput(f"nulls is {feature.nulls!r}", where=where, hint="Write skip or zero")
    if feature.aggregation == "share" and not feature.where:
        hint = "Say in where which events are the part"
        yield InvalidInput("A share of everything is always 1", where=where, hint=hint)
    if feature.of is None and KINDS[feature.aggregation].column in ("numeric", "countable"):
        yield InvalidInput(f"{feature.aggregation} of what?", where=where, hint="Name a column in of")
    if contract is None:
        return
    if feature.of is not None:
        yield from _unknown(feature.of, contract, where)
        if feature.of in contract.column_names:
            yield from _type_problems(feature, contract, where)
    for name, wanted in feature.where.items():
        yield from _unknown(name, contract, f"{where}, where")
        if name in contract.column_names:
            yield from _condition_problems(name, wanted, contract, where)
    if feature.of is None or feature.of in contract.column_names:
        yield from _empty_problems(feature, contract, where)


def _window_problems(feature: Feature, where: str) -> Iterator[LakehouseError]:
    if not feature.windows:
        yield InvalidInput("The feature has no window", where=where, hint="For example windows=(7, 30)")
    for window in feature.windows:
        if isinstance(window, bool) or not isinstance(window, int) or not 1 <= window <= LONGEST_WINDOW:
            hint = f"Write whole days from 1 to {LONGEST_WINDOW}"
            yield InvalidInput(f"A window cannot be {window!r} days long", where=where, hint=hint)


def _type_problems(feature: Feature, contract: Contract, where: str) -> Iterator[LakehouseError]:
    kind, column = _kind(contract, feature.of or ""), f"{feature.of!r}"
    digits = decimal_digits(kind)
    needed = KINDS[feature.aggregation].column
    if needed == "countable" and kind in FLOATS:
        hint = "Count a whole number, a DECIMAL or a text"
        yield InvalidInput(f"Different values of floating point {column} cannot be told apart", where=where, hint=hint)
    if needed != "numeric":
        return
    if kind in FLOATS:
        if feature.scale is None or not 0 <= feature.scale <= 9:
            message = f"Sums of floating point {column} depend on the order of rows"
            yield InvalidInput(message, where=where, hint="Say with scale how many decimal places count, 0 to 9")
        return
    if digits is None and kind not in INTEGERS:
        message = f"{feature.aggregation} needs a number, and {column} is {kind}"
        yield InvalidInput(message, where=where, hint="Name a numeric column, or count it")
    elif digits is not None and digits[0] > MOST_DIGITS:
        hint = f"Make it DECIMAL({MOST_DIGITS},{min(digits[1], MOST_DIGITS)}) in the source"
        yield InvalidInput(f"{column} has {digits[0]} digits, and a BIGINT holds {MOST_DIGITS}", where=where, hint=hint)
    if feature.scale is not None:
        hint = "Leave it out; whole numbers and decimals have their own"
        yield InvalidInput(f"scale has no effect on {column}", where=where, hint=hint)


def _condition_problems(name: str, wanted: object, contract: Contract, where: str) -> Iterator[LakehouseError]:
    if isinstance(wanted, list | tuple | set | frozenset) and not wanted:
        yield InvalidInput(f"No value of {name!r} is wanted", where=f"{where}, where", hint="List one or more")
        return
    try:
        condition(name, wanted, contract)
    except InvalidInput as error:
        yield InvalidInput(error.message, where=f"{where}, where: {name}", hint=error.hint)


def _empty_problems(feature: Feature, contract: Contract, where: str) -> Iterator[LakehouseError]:
    empty = feature.empty
    if isinstance(empty, ByAggregation) or empty is None:
        return
    number = isinstance(empty, int | float) and not isinstance(empty, bool)
    if not number or (isinstance(empty, float) and result_type(feature, contract) == "BIGINT"):
        message = f"empty is {empty!r}, and the columns are {result_type(feature, contract)}"
        yield InvalidInput(message, where=where, hint="Write a number of that type, or None")


def _unknown(name: str, contract: Contract, where: str) -> Iterator[LakehouseError]:
    if name not in contract.column_names:
        hint = _suggestion(name, contract.column_names)
        yield InvalidInput(f"{contract.name} has no column {name!r}", where=where, hint=hint)


def _kind(contract: Contract, name: str) -> str:
    return contract.column(name).data_type.strip().upper()


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(str(name), names, 1)
    return f"Did you mean {close[0]}?" if close else f"Known: {', '.join(names) or 'none'}"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
