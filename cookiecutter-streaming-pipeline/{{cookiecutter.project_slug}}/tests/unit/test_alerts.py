from __future__ import annotations

from databricks_utils.testing.frames import frame
from pyspark.sql import DataFrame, SparkSession

from {{ cookiecutter.package_name }}.transformations.gold.alerts import unusual_minutes

SCHEMA = "store_id INT, minute_start TIMESTAMP, sales BIGINT, amount DECIMAL(18,2)"
QUIET = """
| store_id | minute_start        | sales | amount |
| 1        | 2024-01-05 10:00:00 | 2     | 20.00  |
| 1        | 2024-01-05 10:01:00 | 3     | 30.00  |
| 1        | 2024-01-05 10:02:00 | 2     | 20.00  |
| 1        | 2024-01-05 10:03:00 | 3     | 30.00  |
"""


def found(spark: SparkSession, changed: str, past: str = QUIET) -> DataFrame:
    rows, minutes = frame(spark, changed, SCHEMA), frame(spark, past, SCHEMA)
    alerts = unusual_minutes(rows, minutes, baseline_minutes=15, least_minutes=3, alert_score=5.0)
    return alerts.select("alert_id", "observed", "expected", "score")


def test_a_minute_with_far_more_sales_is_an_alert_with_a_name_that_stays(spark: SparkSession) -> None:
    changed = """
    | store_id | minute_start        | sales | amount |
    | 1        | 2024-01-05 10:04:00 | 20    | 90.00  |
    """

    (row,) = found(spark, changed).collect()

    assert tuple(row) == ("1|2024-01-05T10:04|rate", 20.0, 2.5, 8.75)


def test_a_minute_worth_far_more_is_an_alert_of_its_own_kind(spark: SparkSession) -> None:
    changed = """
    | store_id | minute_start        | sales | amount |
    | 1        | 2024-01-05 10:04:00 | 3     | 900.00 |
    """

    (row,) = found(spark, changed).collect()

    assert row.alert_id == "1|2024-01-05T10:04|amount"
    assert (row.observed, row.expected) == (900.0, 25.0)


def test_an_ordinary_minute_is_none(spark: SparkSession) -> None:
    changed = """
    | store_id | minute_start        | sales | amount |
    | 1        | 2024-01-05 10:04:00 | 5     | 60.00  |
    """

    assert found(spark, changed).count() == 0


def test_without_a_past_nothing_is_unusual(spark: SparkSession) -> None:
    changed = """
    | store_id | minute_start        | sales | amount |
    | 1        | 2024-01-05 10:02:00 | 99    | 999.00 |
    | 1        | 2024-01-05 11:00:00 | 99    | 999.00 |
    """

    assert found(spark, changed).count() == 0


def test_a_store_that_was_silent_is_compared_with_no_sales(spark: SparkSession) -> None:
    changed = """
    | store_id | minute_start        | sales | amount |
    | 2        | 2024-01-05 10:04:00 | 11    | 10.00  |
    """

    (row,) = found(spark, changed).collect()

    assert (row.alert_id, row.expected) == ("2|2024-01-05T10:04|rate", 0.0)
