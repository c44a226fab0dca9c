"""The offline plan of a feature table: what is added up for a day, and which column comes from what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from databricks_utils.contracts import Contract
from databricks_utils.data_quality.sql_text import quoted_name, value_literal
from databricks_utils.features.aggregations import KINDS, Part
from databricks_utils.features.definitions import Aggregation, ByAggregation, Feature, FeatureTable

INTEGERS = frozenset({"TINYINT", "BYTE", "SMALLINT", "SHORT", "INT", "INTEGER", "BIGINT", "LONG", "BOOLEAN"})
FLOATS = frozenset({"FLOAT", "REAL", "DOUBLE"})
EPOCH = date(1970, 1, 1)
#: A decimal of more digits does not fit a BIGINT.
MOST_DIGITS = 18
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?")
#: Order in which the parts of a measure are kept.
_PARTS: tuple[Part, ...] = ("n", "s", "q", "low", "high", "set", "days", "last")


@dataclass(frozen=True)
class Measure:
    """What an event adds to its day.

    Args:
        value: SQL over the source; NULL where the event does not count. A BIGINT, unless only counted.
        parts: What is kept of it, in a fixed order.
    """

    value: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Output:
    """A column of the feature table.

    Args:
        column: Its name.
        data_type: BIGINT or DOUBLE.
        aggregation: What is said of the measure.
        window: Days.
        measure: Position among the measures.
        everything: Position of the measure that `share` divides by.
        units: 10^scale of the measure's values.
        empty: The value where there is nothing to say it of.
    """

    column: str
    data_type: str
    aggregation: Aggregation
    window: int
    measure: int
    everything: int
    units: int
    empty: int | float | None


@dataclass(frozen=True)
class Plan:
    """How a feature table is computed.

    Args:
        name: `layer.table` of the feature table.
        keys: Entity columns.
        timestamp: Column with an event's moment.
        whole_days: Whether it is a DATE.
        known_at: Column with the moment at which an event became known, or None.
        measures: What is kept of a day.
        outputs: The feature columns.
        longest: Days of the longest window.
    """

    name: str
    keys: tuple[str, ...]
    timestamp: str
    whole_days: bool
    known_at: str | None
    measures: tuple[Measure, ...]
    outputs: tuple[Output, ...]
    longest: int

    @property
    def windows(self) -> tuple[int, ...]:
        """The different lengths, ascending."""
        return tuple(sorted({output.window for output in self.outputs}))

    @property
    def day(self) -> str:
        """SQL of an event's day, counted from 1970-01-01 UTC."""
        column = quoted_name(self.timestamp)
        # Not to_date, which asks the session for its time zone.
        return f"unix_date({column})" if self.whole_days else f"CAST(floor(unix_seconds({column}) / 86400) AS INT)"

    def between(self, first_day: int, last_day: int) -> str:
        """Return SQL that holds for the events of some days; a table's files can be skipped by it."""
        column, begin, end = quoted_name(self.timestamp), EPOCH + timedelta(first_day), EPOCH + timedelta(last_day + 1)
        if self.whole_days:
            return f"{column} >= DATE '{begin}' AND {column} < DATE '{end}'"
        return f"{column} >= TIMESTAMP '{begin} 00:00:00Z' AND {column} < TIMESTAMP '{end} 00:00:00Z'"


def plan_of(table: FeatureTable, contract: Contract) -> Plan:
    """Return the plan of a table that a registry has checked.

    Args:
        table: The definitions.
        contract: That of the source.
    """
    wanted: dict[str, set[Part]] = {}
    drafts = []
    for column, feature, window in table.outputs():
        kind = KINDS[feature.aggregation]
        value, everything = value_of(feature, contract), value_of(feature, contract, filtered=False)
        wanted.setdefault(value, set()).update(kind.parts)
        if feature.aggregation == "share":
            wanted.setdefault(everything, set()).update(kind.parts)
        drafts.append((column, feature, window, value, everything))
    places = {value: position for position, value in enumerate(wanted)}
    outputs = [
        Output(
            column=column,
            data_type=result_type(feature, contract),
            aggregation=feature.aggregation,
            window=window,
            measure=places[value],
            everything=places[everything if feature.aggregation == "share" else value],
            units=units_of(feature, contract),
            empty=empty_of(feature),
        )
        for column, feature, window, value, everything in drafts
    ]
    measures = [Measure(value, tuple(part for part in _PARTS if part in parts)) for value, parts in wanted.items()]
    return Plan(
        name=table.name,
        keys=tuple(table.entity),
        timestamp=table.source.timestamp,
        whole_days=contract.column(table.source.timestamp).data_type.strip().upper() == "DATE",
        known_at=table.source.known_at,
        measures=tuple(measures),
        outputs=tuple(outputs),
        longest=table.longest_window,
    )


def value_of(feature: Feature, contract: Contract, *, filtered: bool = True) -> str:
    """Return SQL of what an event adds to a feature; NULL where it adds nothing."""
    conditions = [condition(column, wanted, contract) for column, wanted in feature.where.items()] if filtered else []
    kind = KINDS[feature.aggregation].column
    if feature.of is None:
        value = "1"
    elif kind == "numeric":
        value = _units(feature, contract.column(feature.of).data_type)
    elif kind == "countable":
        value = quoted_name(feature.of)
    else:
        value = "1"
        conditions += [] if feature.nulls == "zero" else [f"{quoted_name(feature.of)} IS NOT NULL"]
    return f"CASE WHEN {' AND '.join(conditions)} THEN {value} END" if conditions else value


def condition(column: str, wanted: object, contract: Contract) -> str:
    """Return SQL that holds where a column has one of the values wanted.

    Raises:
        InvalidInput: A value is not one of the column's type.
    """
    data_type = contract.column(column).data_type
    literals = [value_literal(value, data_type, f"where: {column}") for value in values_wanted(wanted)]
    return f"{quoted_name(column)} IN ({', '.join(literals)})"


def result_type(feature: Feature, contract: Contract) -> str:
    """Return the type of a feature's columns."""
    result = KINDS[feature.aggregation].result
    if result == "units":
        return "BIGINT" if units_of(feature, contract) == 1 else "DOUBLE"
    return result


def units_of(feature: Feature, contract: Contract) -> int:
    """Return how many units one of the feature's column has: 100 for cents of a DECIMAL(10,2)."""
    if feature.of is None or KINDS[feature.aggregation].column != "numeric":
        return 1
    data_type = contract.column(feature.of).data_type
    places = decimal_digits(data_type)
    return int(10 ** (places[1] if places else feature.scale or 0))


def decimal_digits(data_type: str) -> tuple[int, int] | None:
    """Return precision and scale of a DECIMAL, None for other types."""
    match = _DECIMAL.fullmatch(data_type.strip().upper())
    return (int(match[1] or 10), int(match[2] or 0)) if match else None


def empty_of(feature: Feature) -> int | float | None:
    """Return what a feature is where there is nothing to say it of."""
    return KINDS[feature.aggregation].empty if isinstance(feature.empty, ByAggregation) else feature.empty


def meaning(feature: Feature, window: int) -> str:
    """Return a feature's definition in words."""
    days = "the day" if window == 1 else f"the last {window} days"
    of = f" of `{feature.of}`" if feature.of else ""
    filters = " and ".join(f"`{column}` in {_listed(wanted)}" for column, wanted in feature.where.items())
    return f"{KINDS[feature.aggregation].words}{of} over {days}" + (f" where {filters}" if filters else "")


def values_wanted(wanted: object) -> list[object]:
    """Return the values that a condition allows, in an order that every process has."""
    # The order of a set changes from process to process, and with it the text of the definition.
    if isinstance(wanted, set | frozenset):
        return sorted(wanted, key=repr)
    return list(wanted) if isinstance(wanted, list | tuple) else [wanted]


def _listed(wanted: object) -> str:
    return ", ".join(str(value) for value in values_wanted(wanted))


def _units(feature: Feature, data_type: str) -> str:
    name, kind = quoted_name(feature.of or ""), data_type.strip().upper()
    digits = decimal_digits(data_type)
    if digits:
        # No more digits than it needs: up to 18 in all, Spark multiplies as it does whole numbers.
        value = f"CAST({name} * CAST({10 ** digits[1]} AS DECIMAL({digits[1] + 1},0)) AS BIGINT)"
    elif kind in FLOATS:
        # NaN, infinities and what no BIGINT holds become NULL.
        value = f"try_cast(round(CAST({name} AS DOUBLE) * {10 ** (feature.scale or 0)}D) AS BIGINT)"
    elif kind == "BOOLEAN":
        value = f"CAST(CAST({name} AS INT) AS BIGINT)"
    else:
        value = f"CAST({name} AS BIGINT)"
    return f"coalesce({value}, 0L)" if feature.nulls == "zero" else value
