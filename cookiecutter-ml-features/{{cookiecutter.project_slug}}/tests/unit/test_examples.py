from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.models.definitions import HORIZON_DAYS
from {{ cookiecutter.package_name }}.models.examples import examples, moments, population

JUNE = datetime(2017, 6, 1, tzinfo=timezone.utc)
SCHEMA = "household_id BIGINT, transaction_timestamp TIMESTAMP, sales_value DECIMAL(10,2)"
LINES = """
| household_id | transaction_timestamp | sales_value |
| 1            | 2017-05-31 23:59:59   | 1.00        |
| 1            | 2017-06-01 00:00:00   | 2.00        |
| 1            | 2017-06-30 23:59:59   | 3.00        |
| 2            | 2017-03-03 00:00:00   | 4.00        |
| 2            | 2017-07-01 00:00:00   | 5.00        |
| 3            | 2017-03-02 23:59:59   | 6.00        |
| 4            | 2017-06-01 00:00:00   | 7.00        |
"""


def test_moments_have_a_full_past_before_and_a_full_future_after_them() -> None:
    found = moments(date(2017, 1, 1), date(2017, 12, 31))

    assert [f"{moment:%m-%d}" for moment in found] == [f"{month:02}-01" for month in range(4, 13)]
    assert moments(date(2017, 1, 1), date(2017, 12, 29))[-1].month == 11
    assert moments(date(2017, 1, 2), date(2017, 12, 31))[0].month == 5


@pytest.mark.parametrize(
    ("year", "moved"), [(2018, ["03-03", "04-02", "05-02"]), (2020, ["03-02"]), (2100, ["03-03", "04-02", "05-02"])]
)
def test_no_future_reaches_into_the_next_moment_whatever_the_months_lengths(year: int, moved: list[str]) -> None:
    found = moments(date(year - 1, 1, 1), date(year, 12, 31))

    ends = [moment + timedelta(HORIZON_DAYS) for moment in found]
    assert all(end <= following for end, following in zip(ends, found[1:], strict=False))
    assert [f"{moment:%Y-%m}" for moment in found] == [
        *(f"{year - 1}-{month:02}" for month in range(4, 13)),
        *(f"{year}-{month:02}" for month in range(1, 13)),
    ]
    assert [f"{moment:%m-%d}" for moment in found if moment.day != 1] == moved


@pytest.mark.parametrize("first", [date(2017, 1, 1), date(2017, 11, 3), date(2019, 10, 30)])
def test_every_moment_has_its_past_and_its_future_however_long_the_data_is(first: date) -> None:
    for days in range(60, 500, 7):
        last = first + timedelta(days)
        for moment in moments(first, last):
            assert first + timedelta(90) <= moment.date() <= last + timedelta(1 - HORIZON_DAYS)


def test_a_household_counts_that_bought_in_the_ninety_days_before(spark: SparkSession) -> None:
    active = population(frame(spark, LINES, SCHEMA), [JUNE]).select("household_id")

    assert sorted(row.household_id for row in active.collect()) == [1, 2]


def test_an_example_says_what_happened_in_the_thirty_days_from_its_moment_on(spark: SparkSession) -> None:
    found = examples(frame(spark, LINES, SCHEMA), [JUNE]).select("household_id", "churned", "next_spend")

    assert_frame(
        found,
        """
        | household_id | churned | next_spend |
        | 1            | 0       | 5.0        |
        | 2            | 1       | 0.0        |
        """,
    )
