"""Alerts follow from single rows: a batch has whatever has changed since the one before, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from databricks_utils.contracts import struct_type
from databricks_utils.data_quality.analysis import first_line
from databricks_utils.errors import InvalidInput
from databricks_utils.medallion.dependence import dependence_of, empty
from databricks_utils.pipeline import Lakehouse, technical
from databricks_utils.streaming.definition import EventAlerts, StreamAlerts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def check_single_rows(lakehouse: Lakehouse, alerts: StreamAlerts | EventAlerts, lookups: Sequence[str] = ()) -> None:
    """Try the transformation of alerts on no rows, and look whether it would count what a batch happens to hold.

    Args:
        lakehouse: The open lakehouse.
        alerts: The definition.
        lookups: Tables that the transformation is given beside the rows, `layer.table`.

    Raises:
        InvalidInput: It does not fit the table read, or looks at several rows of it together.
    """
    contract = lakehouse.contract(alerts.reads)
    known = [_unfilled(lakehouse, table) for table in lookups]
    given = lakehouse.parameters_for(alerts)
    where = f"{type(alerts).__name__}({alerts.name!r})"
    wanted = lakehouse.contract(alerts.table).column_names if isinstance(alerts, StreamAlerts) else None
    try:
        rows = empty(lakehouse.spark, struct_type(contract))
        dependence = dependence_of(rows, lambda given_rows: alerts.transform(given_rows, *known, **given), wanted)
    except AnalysisException as error:
        hint = f"Compare the transformation with the contract of {alerts.reads}"
        raise InvalidInput(f"{alerts.name} cannot be computed: {first_line(error)}", where=where, hint=hint) from error
    # A row that has changed several times is there once, so that its key tells single rows.
    own = [f"⟨{name}⟩" for name in contract.key]
    together = [found for found in dependence.gatherings if found.hint is None and not _of_one_row(found.keys, own)]
    if together:
        raise InvalidInput(
            f"{alerts.name} {together[0].words}, of which a batch has only those that have just changed",
            where=where,
            hint=f"Let {alerts.reads} or a table before it hold what is counted, and alert by its rows",
        )


def _of_one_row(keys: Sequence[str] | None, own: Sequence[str]) -> bool:
    return keys is not None and bool(own) and set(own) <= set(keys)


def _unfilled(lakehouse: Lakehouse, table: str) -> DataFrame:
    schema = struct_type(lakehouse.contract(table))
    for column in technical.columns("gold"):
        schema = schema.add(column)
    return empty(lakehouse.spark, schema)
