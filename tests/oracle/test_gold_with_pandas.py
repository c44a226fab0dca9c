"""The gold oracle on examples small enough to be worked out on paper."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from oracle.gold_with_pandas import (
    aggregate,
    business_metrics,
    date_dimension,
    four_places,
    gold_tables,
    household_versions,
    product_dimension,
    sales_lines,
)
from oracle.silver_with_pandas import ATTRIBUTES

PROJECT = Path(__file__).parents[2] / "cookiecutter-batch-pipeline" / "{{cookiecutter.project_slug}}"


def snapshots(*rows: tuple[str, int, str, str]) -> pd.DataFrame:
    """Make snapshots of (date, household, income, status); the other attributes never change."""
    same = dict.fromkeys(ATTRIBUTES, "same")
    frame = pd.DataFrame(
        [
            {"snapshot_date": day, "household_id": key, **same, "income_band": income, "status": status}
            for day, key, income, status in rows
        ]
    )
    result: pd.DataFrame = frame.assign(snapshot_date=pd.to_datetime(frame["snapshot_date"]))
    return result


def versions(*rows: tuple[str, int, str, str]) -> list[tuple[Any, ...]]:
    frame = household_versions(snapshots(*rows))
    columns = ["household_id", "income_band", "effective_start_date", "effective_end_date", "is_current"]
    short = {name: frame[name].dt.strftime("%m-%d").fillna("") for name in columns[2:4]}
    return [tuple(row) for row in frame.assign(**short)[columns].to_numpy().tolist()]


PRODUCTS = product_dimension(
    pd.DataFrame(
        [
            (10, 1, "GROCERY", "National", "SOUP", "CANNED SOUP", "10 OZ"),
            (20, 1, "MISCELLANEOUS", "National", "COUPON/MISC ITEMS", "GASOLINE-REG UNLEADED", None),
            (30, 1, "GROCERY", "Private", "UNKNOWN", "UNKNOWN", None),
        ],
        columns=[
            "product_id",
            "manufacturer_id",
            "department",
            "brand",
            "product_category",
            "product_type",
            "package_size",
        ],
    )
)


def sales(*lines: tuple[int, int, int, int, int, str]) -> pd.DataFrame:
    """Make fact rows of (basket, product, household, quantity, sales value in cents, UTC time)."""
    frame = pd.DataFrame(
        lines,
        columns=[
            "basket_id",
            "product_id",
            "household_id",
            "quantity",
            "sales_value",
            "transaction_timestamp",
        ],
    )
    frame = frame.assign(
        store_id=1,
        retail_discount=50,
        coupon_discount=25,
        coupon_match_discount=0,
        transaction_timestamp=pd.to_datetime(frame["transaction_timestamp"]),
    )
    register = household_versions(
        snapshots(
            ("2017-01-01", 1, "low", "active"),
            ("2017-02-01", 1, "high", "active"),
            ("2017-03-01", 1, "high", "closed"),
        )
    )
    return sales_lines(frame, PRODUCTS, register, "America/New_York")


FIVE_LINES = (
    (100, 10, 1, 2, 400, "2017-01-05 17:00:00"),
    (100, 30, 1, 1, 100, "2017-01-05 17:00:00"),
    (200, 20, 2, 9000, 2500, "2017-01-05 18:00:00"),
    (300, 10, 1, 1, 200, "2017-02-01 04:59:59"),
    (400, 99, 1, 3, 300, "2017-02-01 05:00:00"),
)


def test_a_version_lasts_until_the_snapshot_that_differs() -> None:
    assert versions(
        ("2017-01-01", 1, "low", "active"),
        ("2017-04-01", 1, "low", "active"),
        ("2017-07-01", 1, "high", "active"),
    ) == [(1, "low", "01-01", "07-01", False), (1, "high", "07-01", "", True)]


def test_a_late_snapshot_takes_its_place_in_time() -> None:
    assert versions(
        ("2017-01-01", 1, "low", "active"),
        ("2017-07-01", 1, "low", "active"),
        ("2017-05-15", 1, "high", "active"),
    ) == [
        (1, "low", "01-01", "05-15", False),
        (1, "high", "05-15", "07-01", False),
        (1, "low", "07-01", "", True),
    ]


def test_a_closed_household_has_no_current_version_and_may_come_back() -> None:
    assert versions(
        ("2017-01-01", 1, "low", "active"),
        ("2017-04-01", 1, "low", "closed"),
        ("2017-07-01", 1, "low", "closed"),
        ("2017-10-01", 1, "low", "active"),
        ("2017-01-01", 2, "low", "active"),
        ("2017-04-01", 2, "low", "closed"),
    ) == [
        (1, "low", "01-01", "04-01", False),
        (1, "low", "10-01", "", True),
        (2, "low", "01-01", "04-01", False),
    ]


def test_a_household_first_seen_closed_has_no_version() -> None:
    assert versions(("2017-01-01", 1, "low", "closed"), ("2017-01-01", 2, "low", "active")) == [
        (2, "low", "01-01", "", True)
    ]


def test_an_unknown_value_that_becomes_known_opens_a_version() -> None:
    changes = snapshots(("2017-01-01", 1, "low", "active"), ("2017-04-01", 1, "low", "active"))
    changes["household_size"] = [None, "2"]

    assert household_versions(changes)["household_size"].fillna("none").tolist() == ["none", "2"]


def test_a_sale_belongs_to_the_date_on_the_stores_wall() -> None:
    fact = sales(*FIVE_LINES)

    assert fact["sale_date"].dt.strftime("%m-%d").tolist() == ["01-05", "01-05", "01-05", "01-31", "02-01"]
    assert fact["date_key"].tolist() == [20170105, 20170105, 20170105, 20170131, 20170201]


def test_a_sale_finds_the_household_version_of_its_day() -> None:
    fact = sales(*FIVE_LINES, (500, 10, 1, 1, 100, "2017-03-01 12:00:00"), (600, 10, 1, 1, 100, "2016-12-31 12:00:00"))

    starts = ["" if pd.isna(day) else f"{day:%m-%d}" for day in fact["household_version_start"]]
    assert starts == ["01-01", "01-01", "", "01-01", "02-01", "", ""]


def test_petrol_counts_no_units_and_an_unknown_product_counts_its_quantity() -> None:
    fact = sales(*FIVE_LINES)

    assert fact["units"].tolist() == [2, 1, 0, 1, 3]
    assert fact["product_is_known"].tolist() == [True, True, True, True, False]
    assert fact["department"].tolist() == ["GROCERY", "GROCERY", "MISCELLANEOUS", "GROCERY", "UNKNOWN"]


def test_the_discount_is_what_lies_between_gross_and_net() -> None:
    fact = sales(*FIVE_LINES)

    assert fact["gross_amount"].tolist() == [450, 150, 2550, 250, 350]
    assert fact["net_amount"].tolist() == [375, 75, 2475, 175, 275]
    assert (fact["gross_amount"] - fact["net_amount"]).tolist() == fact["discount_amount"].tolist()


def test_the_daily_aggregate_counts_a_basket_and_a_household_once() -> None:
    daily = aggregate(sales(*FIVE_LINES), "sale_date").to_dict("records")

    assert daily[0] == {
        "sale_date": pd.Timestamp(2017, 1, 5), "department": "GROCERY",
        "baskets": 1, "households": 1, "lines": 2, "units": 3,
        "gross_amount": Decimal("6.00"), "net_amount": Decimal("4.50"), "discount_amount": Decimal("1.50"),
    }  # fmt: skip
    assert [(row["department"], row["units"]) for row in daily[1:]] == [
        ("MISCELLANEOUS", 0),
        ("GROCERY", 1),
        ("UNKNOWN", 3),
    ]


def test_the_monthly_aggregate_counts_baskets_of_the_whole_month() -> None:
    monthly = aggregate(sales(*FIVE_LINES), "month_start_date")

    january = monthly[(monthly["month_start_date"] == "2017-01-01") & (monthly["department"] == "GROCERY")].iloc[0]
    assert (january["baskets"], january["households"], january["lines"]) == (2, 1, 3)
    assert january["net_amount"] == Decimal("6.25")


def test_the_business_metrics_of_five_lines_are_those_on_paper() -> None:
    metrics = business_metrics(sales(*FIVE_LINES))

    january = metrics[metrics["metric_date"] == "2017-01-01"].set_index("metric_name")["metric_value"].to_dict()
    february = metrics[metrics["metric_date"] == "2017-02-01"].set_index("metric_name")["metric_value"].to_dict()
    assert january == {
        "revenue": Decimal("31.0000"),
        "baskets": Decimal(3),
        "active_households": Decimal(2),
        "average_basket_value": Decimal("10.3333"),
        "discount_rate": Decimal("0.0882"),
        "units_per_basket": Decimal("2.0000"),
        "returning_household_rate": Decimal(0),
    }
    assert february["returning_household_rate"] == Decimal(1)
    assert february["units_per_basket"] == Decimal(3)


def test_a_month_of_petrol_alone_has_no_units_per_basket() -> None:
    metrics = business_metrics(sales(FIVE_LINES[2]))

    assert "units_per_basket" not in set(metrics["metric_name"])


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [("1", 3, "0.3333"), ("2", 3, "0.6667"), ("0.00005", 1, "0.0001"), ("-0.00005", 1, "-0.0001")],
)
def test_a_ratio_is_rounded_half_up(numerator: str, denominator: int, expected: str) -> None:
    assert four_places(Decimal(numerator), denominator) == Decimal(expected)


def test_the_first_day_of_2017_is_the_sunday_of_the_last_iso_week_of_2016() -> None:
    days = date_dimension(pd.Series(pd.to_datetime(["2017-06-01"])))

    first = days.iloc[0]
    assert (first["iso_weekday"], first["iso_year"], first["iso_week"], first["is_weekend"]) == (
        7,
        2016,
        52,
        True,
    )
    assert len(days) == 365


def test_the_tables_of_the_shipped_sample_agree_with_each_other() -> None:
    tables = gold_tables(PROJECT / "data" / "landing")

    fact, monthly = tables["fact_sales"], tables["agg_monthly_sales"]
    revenue = tables["business_metrics"].query("metric_name == 'revenue'")["metric_value"].sum()
    assert len(fact) == monthly["lines"].sum() == tables["agg_daily_sales"]["lines"].sum()
    assert fact["net_amount"].sum() == monthly["net_amount"].sum() == revenue
    assert fact["household_version_start"].isna().any()
    assert not fact["product_is_known"].all()
    assert not fact.duplicated(["basket_id", "product_id"]).any()
