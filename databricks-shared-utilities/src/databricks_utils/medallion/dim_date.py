"""The calendar dimension: ISO weeks, fiscal periods and public holidays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.errors import InvalidInput, MissingTool

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def calendar_between(first_and_last: DataFrame) -> DataFrame:
    """Return every day of the years touched.

    Args:
        first_and_last: One row with the columns first_date DATE and last_date DATE.

    Returns:
        Column date DATE, one row a day from 1 January of the first year to 31 December of the last; no row when
        either bound is NULL.
    """
    start = F.trunc("first_date", "YEAR")
    end = F.date_sub(F.add_months(F.trunc("last_date", "YEAR"), 12), 1)
    return first_and_last.where("first_date IS NOT NULL AND last_date IS NOT NULL").select(
        F.explode(F.sequence(start, end, F.expr("INTERVAL 1 DAY"))).alias("date")
    )


def with_calendar_columns(days: DataFrame, *, fiscal_year_start_month: int = 1) -> DataFrame:
    """Add the columns of a calendar dimension.

    Weeks and weekdays follow ISO 8601: Monday is 1, week 1 holds the year's first Thursday. A fiscal year is named
    after the calendar year it ends in, and equals it when it starts in January.

    Args:
        days: Column date DATE.
        fiscal_year_start_month: First month of the fiscal year, 1 to 12.

    Returns:
        date_key INT (yyyymmdd), date DATE, year, quarter, month, day INT, day_of_year INT, iso_weekday INT (1 Monday),
        weekday_name STRING, month_name STRING, iso_year INT, iso_week INT, month_start_date DATE, fiscal_year INT,
        fiscal_quarter INT, fiscal_period INT (1 to 12), is_weekend BOOLEAN, is_month_end BOOLEAN.

    Raises:
        InvalidInput: The month is not between 1 and 12.
    """
    if not 1 <= fiscal_year_start_month <= 12:
        raise InvalidInput(
            f"A fiscal year cannot start in month {fiscal_year_start_month}",
            where="config: parameters.fiscal_year_start_month",
            hint="Use a number from 1 to 12",
        )
    date = F.col("date")
    weekday = ((F.dayofweek(date) + 5) % 7 + 1).cast("int")
    thursday = F.date_add(F.trunc(date, "WEEK"), 3)
    fiscal_date = F.add_months(date, (13 - fiscal_year_start_month) % 12)
    return days.select(
        F.date_format(date, "yyyyMMdd").cast("int").alias("date_key"),
        date,
        F.year(date).alias("year"),
        F.quarter(date).alias("quarter"),
        F.month(date).alias("month"),
        F.dayofmonth(date).alias("day"),
        F.dayofyear(date).alias("day_of_year"),
        weekday.alias("iso_weekday"),
        F.date_format(date, "EEEE").alias("weekday_name"),
        F.date_format(date, "MMMM").alias("month_name"),
        F.year(thursday).alias("iso_year"),
        F.weekofyear(date).alias("iso_week"),
        F.trunc(date, "MONTH").alias("month_start_date"),
        F.year(fiscal_date).alias("fiscal_year"),
        F.quarter(fiscal_date).alias("fiscal_quarter"),
        F.month(fiscal_date).alias("fiscal_period"),
        (weekday >= 6).alias("is_weekend"),
        (date == F.last_day(date)).alias("is_month_end"),
    )


def with_holidays(days: DataFrame, *, country: str, years: tuple[int, int] = (1990, 2050)) -> DataFrame:
    """Add public holidays from the `holidays` package.

    Args:
        days: Column date DATE.
        country: ISO 3166-1 alpha-2 code, such as US.
        years: First and last year for which holidays are looked up.

    Returns:
        The columns given, is_holiday BOOLEAN and holiday_name STRING (NULL on ordinary days; several names on one
        day are joined by "; ").

    Raises:
        MissingTool: The package `holidays` is not installed.
        InvalidInput: The package does not know the country.
    """
    names = _holiday_names(country, years)
    return days.withColumn(
        "holiday_name", F.coalesce(names[F.date_format("date", "yyyyMMdd")], F.lit(None))
    ).withColumn("is_holiday", F.col("holiday_name").isNotNull())


def _holiday_names(country: str, years: tuple[int, int]) -> Column:
    try:
        import holidays
    except ImportError:
        raise MissingTool(
            "The package holidays is not installed",
            hint="Add the extra: databricks-shared-utilities[holidays]",
        ) from None
    try:
        found = holidays.country_holidays(country, years=range(years[0], years[1] + 1))
    except NotImplementedError:
        raise InvalidInput(
            f"No holidays are known for the country {country!r}",
            where="config: parameters.holiday_country",
            hint="Use an ISO 3166-1 code such as US, DE or BR",
        ) from None
    pairs = [f"{day:%Y%m%d}={name.replace('=', ' ').replace('|', ' ')}" for day, name in sorted(found.items())]
    # One literal keeps the plan small; a map of literals would be an expression for each of 600 holidays.
    return F.str_to_map(F.lit("|".join(pairs)), F.lit("\\|"), F.lit("="))
