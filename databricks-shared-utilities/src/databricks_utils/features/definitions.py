"""Features as values: what they are made from, over which days, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from databricks_utils.errors import InvalidInput

Aggregation = Literal[
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "std",
    "share",
    "count_distinct",
    "active_days",
    "days_since_last",
]
"""What is said of the events in a window."""

#: The column of every feature table that says from when a row may be used.
AVAILABLE_AT = "available_at"


@dataclass(frozen=True)
class ByAggregation:
    """Stands for "as the aggregation has it": 0 for counts and sums, NULL for everything else."""


@dataclass(frozen=True)
class Feature:
    """One thing said about an entity, over one or several windows of days.

    Args:
        name: Lower-case letters, digits and _; each window makes a column, as in `spend_7d`.
        aggregation: What is said of the events. `share` is the part that events meeting `where` have in the sum
            of all; `std` is the sample's standard deviation; `days_since_last` counts from the last event.
        of: The column of the source; `count`, `active_days` and `days_since_last` can do without.
        windows: Lengths in days. A window of 7 on day d covers d-6 to d.
        description: For people; a feature without one is refused.
        where: Column to value, or to a list of values: only events that have them count.
        nulls: Whether a NULL in `of` does not count (`skip`) or counts as 0 (`zero`).
        empty: What a column holds where there is nothing to say it of.
        scale: Decimal places kept of a FLOAT or DOUBLE column. Sums of floating point depend on the order of
            rows; whole numbers of 10^-scale do not.
        unit: For people, as in `EUR`.
        owner: Who answers for it, where it is not the table's owner.
        tags: Free words.
    """

    name: str
    aggregation: Aggregation
    of: str | None = None
    windows: Sequence[int] = (1,)
    description: str = ""
    where: Mapping[str, object] = field(default_factory=dict)
    nulls: Literal["skip", "zero"] = "skip"
    empty: int | float | ByAggregation | None = field(default_factory=ByAggregation)
    scale: int | None = None
    unit: str = ""
    owner: str = ""
    tags: Sequence[str] = ()

    def column(self, window: int) -> str:
        """Return the name of the column that holds the feature over a window."""
        return f"{self.name}_{window}d"


@dataclass(frozen=True)
class Events:
    """The table whose rows are the events.

    Args:
        table: `layer.table`, which has a contract.
        timestamp: When an event happened, TIMESTAMP or DATE. Days are those of UTC.
        known_at: When it became known, TIMESTAMP; needed to compute features as they were known at a moment.
    """

    table: str
    timestamp: str
    known_at: str | None = None


@dataclass(frozen=True)
class FeatureTable:
    """Features of one entity from one source; a row for an entity and a day.

    The row of day d has `available_at` = d+1 00:00 UTC, since a day is known when it is over. An entity has rows as
    long as the longest window holds one of its events, and one more that says that nothing is left.

    Args:
        name: `layer.table`.
        source: Where the events are.
        entity: Key columns of the source; events with a NULL in one are left out.
        features: What is said of the entity.
        description: For people.
        owner: The team that answers for it.
        ttl_days: A row is used for so many days after `available_at`; an older one counts as unknown. None: for ever.
        tags: Free words.
        version: Raised by whoever changes what a column means.
    """

    name: str
    source: Events
    entity: Sequence[str]
    features: Sequence[Feature]
    description: str = ""
    owner: str = ""
    ttl_days: int | None = None
    tags: Sequence[str] = ()
    version: int = 1

    @property
    def longest_window(self) -> int:
        """Days of the longest window."""
        return max(window for feature in self.features for window in feature.windows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the feature columns in their order."""
        return tuple(column for column, _, _ in self.outputs())

    @property
    def key(self) -> tuple[str, ...]:
        """Key of the feature table: the entity and `available_at`."""
        return (*self.entity, AVAILABLE_AT)

    def outputs(self) -> Iterator[tuple[str, Feature, int]]:
        """Yield column, feature and window in the order of the columns."""
        for feature in self.features:
            for window in feature.windows:
                yield feature.column(window), feature, window


def ttl_problems(days: object, *, where: str) -> list[InvalidInput]:
    """Return why a row cannot be used for so many days: of 0 or fewer none ever is, and NaN would let all pass."""
    if days is None or (isinstance(days, int) and not isinstance(days, bool) and days >= 1):
        return []
    hint = "Write a whole number, at least 1, or leave it out for values that never grow too old"
    return [InvalidInput(f"Rows cannot be used for {days!r} days (ttl_days)", where=where, hint=hint)]
