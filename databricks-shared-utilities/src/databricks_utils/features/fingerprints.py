"""What the columns of a feature table mean, as fingerprints that change with it.

A column keeps its name when its condition, its source or its formula changes, and so do the rows, the stored copies and
the models that were made before. Each of them keeps the fingerprint of what it was made from, and each step compares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from pyspark.sql.types import StructField

from databricks_utils.contracts import Contract, data_type
from databricks_utils.data_quality.sql_text import value_literal
from databricks_utils.errors import InvalidInput
from databricks_utils.features.definitions import Feature, FeatureTable
from databricks_utils.features.key_types import kind_of
from databricks_utils.features.plan import empty_of, result_type, units_of, value_of, values_wanted

#: Hexadecimal digits of a column's fingerprint: 64 bits.
_DIGITS = 16
#: Names listed in a message before it says how many more there are.
_LISTED = 8


class OtherDefinitions(InvalidInput):
    """Something was made from features that are defined otherwise by now."""


def column_fingerprints(table: FeatureTable, contract: Contract) -> dict[str, str]:
    """Return the fingerprint of each column's values, by column; words for people are no part of it.

    Args:
        table: The definitions.
        contract: That of the source.
    """
    moment = table.source.timestamp
    common = {
        "version": table.version,
        "source": table.source.table,
        "moment": [moment, _type(contract, moment)],
        "entity": [[key, *_kind(contract, key)] for key in table.entity],
    }
    return {
        column: _digest({**common, **_meaning(feature, window, contract)})[:_DIGITS]
        for column, feature, window in table.outputs()
    }


def table_fingerprint(table: FeatureTable, contract: Contract) -> str:
    """Return the fingerprint of a whole table: its columns in their order, with their types."""
    types = [[column, result_type(feature, contract)] for column, feature, _ in table.outputs()]
    return _digest([types, list(column_fingerprints(table, contract).values())])


def served_fingerprint(column: str, table: FeatureTable) -> str:
    """Return the fingerprint of a column as a model sees it: for how long a row is used belongs to it."""
    return _digest([column, table.ttl_days])[:_DIGITS]


def require_same_definitions(made_from: Mapping[str, str], now: Mapping[str, str], *, where: str, hint: str) -> None:
    """Refuse what was made from features that are defined otherwise by now.

    Args:
        made_from: Fingerprint by feature, as noted when it was made; a feature that is not noted is not compared.
        now: Fingerprint by feature of the definitions.
        where: What was made, for the message.
        hint: What to compute again.

    Raises:
        OtherDefinitions: A feature has another fingerprint.
    """
    changed = [name for name, mark in made_from.items() if name in now and now[name] != mark]
    if changed:
        said = f"{named(changed)} {'is' if len(changed) == 1 else 'are'} defined otherwise by now"
        raise OtherDefinitions(said, where=where, hint=hint)


def named(columns: Sequence[str]) -> str:
    """Return names as a list for people, the first of them where there are many."""
    more = len(columns) - _LISTED
    return ", ".join(columns[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _meaning(feature: Feature, window: int, contract: Contract) -> dict[str, object]:
    # Neither the order of conditions nor that of their values makes a difference.
    conditions = [
        [
            column,
            sorted({value_literal(item, contract.column(column).data_type, column) for item in values_wanted(wanted)}),
        ]
        for column, wanted in feature.where.items()
    ]
    return {
        "aggregation": feature.aggregation,
        "value": value_of(feature, contract, filtered=False),
        "where": sorted(conditions),
        "window": window,
        "units": units_of(feature, contract),
        "type": result_type(feature, contract),
        "empty": empty_of(feature),
    }


def _kind(contract: Contract, key: str) -> list[object]:
    """Return a key's kind: a wider whole number is the same entity."""
    return list(kind_of(StructField(key, data_type(contract.column(key).data_type))))


def _type(contract: Contract, column: str) -> str:
    # Bronze's technical columns are in no contract.
    known = column in contract.column_names
    return data_type(contract.column(column).data_type).simpleString() if known else ""


def _digest(said: object) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
