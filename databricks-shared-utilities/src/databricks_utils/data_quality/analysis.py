"""Asking Spark about a frame without running it, and reading its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from databricks_utils.logging.redaction import concealed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

#: Spark's answer inside a function of a declarative pipeline, where no frame may be looked at.
_NOT_NOW = "ATTEMPT_ANALYSIS_IN_PIPELINE_QUERY_FUNCTION"


def visible_schema(df: DataFrame) -> StructType | None:
    """Return a frame's schema; None where Spark forbids to look, as while a pipeline is declared."""
    try:
        return df.schema
    except PySparkException as error:
        if condition_of(error) == _NOT_NOW:
            return None
        raise


def condition_of(error: PySparkException) -> str:
    """Return the name of an error condition, which Spark 4 and 3.5 keep under different names."""
    ask = getattr(error, "getCondition", None) or error.getErrorClass
    return str(ask() or "")


def first_line(error: Exception) -> str:
    """Return what an error of Spark says, without its condition, its state and the plan below it."""
    said = concealed(str(error)).strip()  # before it is cut: half a secret would not be found any more
    text = said.splitlines()[0] if said else type(error).__name__
    return text.partition("] ")[2].partition(" SQLSTATE")[0] if text.startswith("[") else text
