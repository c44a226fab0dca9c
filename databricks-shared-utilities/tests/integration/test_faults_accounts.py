"""Rows in are valid, in quarantine or known already, and a calendar is Python's own; random cases in one job each."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from little_shop import SHOP, closed, land, landing, opened, succeeded
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from databricks_utils.medallion import Pipeline, calendar_between, run_pipeline, with_calendar_columns

ORDERS = Pipeline("orders", *(node for node in SHOP.nodes if node.table in ("bronze.orders", "silver.orders")))
HEADER = "order_id,customer_id,ordered_on,amount,revision\n"
one = settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])

# Order, customer, day, amount, revision as a file has them: some are none of what the contract asks for.
Line = tuple[str, str, str, str, str]
lines = st.tuples(
    st.sampled_from(["", "x", "1.5", *(str(number) for number in range(12))]),
    st.sampled_from(["", "10", "20", "ten"]),
    st.sampled_from(["2024-02-29", "2023-02-29", "2024-01-05", "", "05.01.2024"]),
    st.sampled_from(["", "0.00", "1.25", "-1.00", "1,00", "100000000.00", "99999999.99"]),
    st.sampled_from(["", "0", "1", "2", "one"]),
)
deliveries = st.lists(st.lists(lines, min_size=40, max_size=80), min_size=2, max_size=2)


def is_valid(line: Line) -> bool:
    """Say whether the contract of silver.orders takes a line."""
    order, customer, day, amount, revision = line
    try:
        date.fromisoformat(day)
        number = Decimal(amount) if amount else Decimal(0)
    except (ValueError, InvalidOperation):
        return False
    whole = order.isdigit() and customer.isdigit() and (not revision or revision.isdigit())
    return whole and 0 <= number < 10**8


@one
@given(days=deliveries)
def test_every_row_is_valid_or_in_quarantine_or_known_already(
    spark: SparkSession, tmp_path: Path, days: list[list[Line]]
) -> None:
    # The first example tried is the simplest, with all lines alike.
    assume(all(len({*delivery}) > 30 for delivery in days))
    shop = opened(spark, tmp_path)
    (landing(shop) / "orders" / "1.csv").unlink()
    received: list[Line] = []
    keys: set[str] = set()
    for number, delivery in enumerate(days, start=2):
        text = "".join('{},{},{},"{}",{}\n'.format(*line) for line in delivery)
        land(landing(shop), {f"orders/{number}.csv": HEADER + text})

        _, silver = succeeded(run_pipeline(shop, ORDERS)).tables

        received += delivery
        keys |= {line[0] for line in delivery if is_valid(line)}
        good = sum(map(is_valid, delivery))
        assert silver.balanced
        assert (silver.rows_read, silver.rows_quarantined) == (len(delivery), len(delivery) - good)
        assert silver.rows_valid + silver.rows_duplicate == good
        assert {str(row.order_id) for row in shop.read("silver.orders").collect()} == keys
        assert shop.read("silver.orders_quarantine").count() == sum(not is_valid(line) for line in received)
    closed(shop)


def fiscal(day: date, start: int) -> tuple[int, int, int]:
    """Return fiscal year, quarter and period of a day; the year is named after the one it ends in."""
    period = (day.month - start) % 12 + 1
    year = day.year + (1 if start > 1 and day.month >= start else 0)
    return year, (period - 1) // 3 + 1, period


@settings(one, max_examples=2)
@given(first=st.dates(date(1900, 1, 1), date(2090, 1, 1)), years=st.integers(0, 9), start=st.integers(1, 12))
def test_every_day_of_the_calendar_is_as_python_knows_it(
    spark: SparkSession, first: date, years: int, start: int
) -> None:
    assume(years and start > 1)
    bounds = spark.createDataFrame([(first, first + timedelta(days=365 * years))], "first_date DATE, last_date DATE")
    span = calendar_between(bounds)
    leap = spark.sql("SELECT explode(array(DATE'1900-02-28', DATE'2000-02-29', DATE'2100-03-01')) AS date")

    rows = with_calendar_columns(span.unionByName(leap), fiscal_year_start_month=start).orderBy(F.col("date")).collect()

    last = first + timedelta(days=365 * years)
    expected = [
        date(first.year, 1, 1) + timedelta(days=n)
        for n in range((date(last.year + 1, 1, 1) - date(first.year, 1, 1)).days)
    ]
    assert [row.date for row in rows] == sorted([*expected, date(1900, 2, 28), date(2000, 2, 29), date(2100, 3, 1)])
    for row in rows:
        day = row.date
        assert (row.date_key, row.year, row.month, row.day) == (int(f"{day:%Y%m%d}"), day.year, day.month, day.day)
        assert (row.iso_year, row.iso_week, row.iso_weekday) == tuple(day.isocalendar())
        assert (row.quarter, row.day_of_year) == ((day.month + 2) // 3, day.timetuple().tm_yday)
        assert (row.fiscal_year, row.fiscal_quarter, row.fiscal_period) == fiscal(day, start)
        assert (row.month_start_date, row.is_weekend) == (day.replace(day=1), day.weekday() >= 5)
        assert row.is_month_end == (day.day == calendar.monthrange(day.year, day.month)[1])
        assert (row.weekday_name, row.month_name) == (calendar.day_name[day.weekday()], calendar.month_name[day.month])
