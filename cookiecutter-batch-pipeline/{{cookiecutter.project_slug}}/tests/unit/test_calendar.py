from __future__ import annotations

import pytest
from databricks_utils.errors import InvalidInput
from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from {{ cookiecutter.package_name }}.transformations.gold.calendar import calendar

SALES = "transaction_date DATE"


@pytest.fixture(scope="module")
def days(spark: SparkSession) -> DataFrame:
    sales = frame(spark, "| transaction_date |\n| 2017-12-31 |\n| null |\n| 2016-05-04 |", SALES)
    return calendar(sales, fiscal_year_start_month=2, holiday_country="US").persist()


def test_the_calendar_holds_each_day_of_the_years_with_sales_once(days: DataFrame) -> None:
    bounds = days.agg(
        F.min("date").alias("first"),
        F.max("date").alias("last"),
        F.count("date").alias("days"),
        F.countDistinct("date_key").alias("keys"),
    )

    assert_frame(bounds, "| first | last | days | keys |\n| 2016-01-01 | 2017-12-31 | 731 | 731 |")


def test_years_quarters_and_weeks_follow_the_calendar_and_iso_8601(days: DataFrame) -> None:
    names = ("date_key", "year", "quarter", "month", "day", "iso_weekday", "iso_year", "iso_week", "is_weekend")
    chosen = days.where("date IN ('2016-01-01', '2016-02-29', '2017-01-01', '2017-12-31')").select(*names)

    assert_frame(
        chosen,
        """
        | date_key | year | quarter | month | day | iso_weekday | iso_year | iso_week | is_weekend |
        | 20160101 | 2016 | 1       | 1     | 1   | 5           | 2015     | 53       | false      |
        | 20160229 | 2016 | 1       | 2     | 29  | 1           | 2016     | 9        | false      |
        | 20170101 | 2017 | 1       | 1     | 1   | 7           | 2016     | 52       | true       |
        | 20171231 | 2017 | 4       | 12    | 31  | 7           | 2017     | 52       | true       |
        """,
    )


def test_the_fiscal_year_starts_in_the_month_the_configuration_says(days: DataFrame) -> None:
    names = ("date_key", "fiscal_year", "fiscal_quarter", "fiscal_period")
    chosen = days.where("date IN ('2017-01-31', '2017-02-01', '2017-05-01')").select(*names)

    assert_frame(
        chosen,
        """
        | date_key | fiscal_year | fiscal_quarter | fiscal_period |
        | 20170131 | 2017        | 4              | 12            |
        | 20170201 | 2018        | 1              | 1             |
        | 20170501 | 2018        | 2              | 4             |
        """,
    )


def test_public_holidays_are_those_of_the_configured_country(days: DataFrame) -> None:
    chosen = days.where("date IN ('2017-07-04', '2017-07-05')").select("date_key", "is_holiday", "holiday_name")

    assert_frame(
        chosen,
        """
        | date_key | is_holiday | holiday_name     |
        | 20170704 | true       | Independence Day |
        | 20170705 | false      | null             |
        """,
    )


def test_no_sale_gives_an_empty_calendar(spark: SparkSession) -> None:
    nothing = frame(spark, "| transaction_date |", SALES)

    assert calendar(nothing, fiscal_year_start_month=1, holiday_country="DE").isEmpty()


def test_a_country_or_month_that_does_not_exist_is_refused_before_anything_runs(spark: SparkSession) -> None:
    sales = frame(spark, "| transaction_date |\n| 2017-12-31 |", SALES)

    with pytest.raises(InvalidInput, match="'XX'"):
        calendar(sales, fiscal_year_start_month=2, holiday_country="XX")
    with pytest.raises(InvalidInput, match="month 13"):
        calendar(sales, fiscal_year_start_month=13, holiday_country="US")
