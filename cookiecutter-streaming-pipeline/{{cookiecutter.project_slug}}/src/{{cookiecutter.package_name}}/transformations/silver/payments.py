"""Payments of sales."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def clean_payments(payments: DataFrame) -> DataFrame:
    """Write the method of payment as all terminals should.

    Args:
        payments: Typed events: method STRING, and technical columns.

    Returns:
        The rows given, with method in small letters without blanks around it.
    """
    return payments.withColumn("method", F.lower(F.trim("method")))
