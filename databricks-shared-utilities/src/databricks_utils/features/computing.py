"""Features of some days from events: the one way they are computed, whoever asks."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, get_args

from pyspark.sql import functions as F

from databricks_utils.data_quality.sql_text import quoted_name, value_literal
from databricks_utils.errors import InvalidInput
from databricks_utils.features.definitions import AVAILABLE_AT
from databricks_utils.features.plan import EPOCH, Plan
from databricks_utils.features.spark_windows import AT, spark_windows
from databricks_utils.features.tiles import daily_tiles

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Engine = Literal["numpy", "spark"]
"""`numpy`: arrays in a function that Spark runs on each partition. `spark`: Spark's own functions only."""


def compute_features(
    events: DataFrame,
    plan: Plan,
    *,
    first_day: date,
    last_day: date,
    engine: Engine = "numpy",
    known_by: datetime | None = None,
) -> DataFrame:
    """Compute the features of some days.

    A day's row is made from the events of that day and those before it, as far back as the longest window reaches:
    computing one day gives the rows that computing all days gives. Both engines give the same bits, whatever the
    order and partitioning of the events.

    Args:
        events: The source's rows of those days and of the longest window and a day before them; more do no harm.
        plan: From the registry.
        first_day: First day wanted.
        last_day: Last day wanted.
        engine: What computes the windows.
        known_by: Take only events that were known before this moment.

    Returns:
        Keys, `available_at` TIMESTAMP, then the plan's columns.

    Raises:
        InvalidInput: The days are in the wrong order, the engine is unknown, or the source does not say when
            its events became known.
    """
    if first_day > last_day:
        hint = "Name the earlier day first"
        raise InvalidInput(f"{first_day} is after {last_day}", where=f"computing {plan.name}", hint=hint)
    if engine not in get_args(Engine):
        hint = f"Write {' or '.join(get_args(Engine))}"
        raise InvalidInput(f"There is no engine {engine!r}", where=f"computing {plan.name}", hint=hint)
    begin, end = (first_day - EPOCH).days, (last_day - EPOCH).days
    known = _known(events, plan, known_by)
    if engine == "spark":
        windows = spark_windows(daily_tiles(known, plan, begin, end), plan, begin, end)
    else:
        from databricks_utils.features.numpy_windows import numpy_windows

        windows = numpy_windows(known, plan, begin, end)
    available_at = F.timestamp_seconds((F.col(AT).cast("bigint") + 1) * 86400).alias(AVAILABLE_AT)
    columns = [quoted_name(output.column) for output in plan.outputs]
    return windows.select(*map(quoted_name, plan.keys), available_at, *columns)


def _known(events: DataFrame, plan: Plan, known_by: datetime | None) -> DataFrame:
    if known_by is None:
        return events
    if plan.known_at is None:
        raise InvalidInput(
            f"The source of {plan.name} does not say when an event became known",
            where=f"computing {plan.name} as known by {known_by}",
            hint="Name the column in known_at of its Events",
        )
    moment = value_literal(known_by, "TIMESTAMP", f"computing {plan.name}")
    return events.where(f"{quoted_name(plan.known_at)} < {moment}")
