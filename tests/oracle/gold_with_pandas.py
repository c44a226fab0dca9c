"""Compute every gold table of the demo project from its landing files, to compare the real run with.

  PYTHONPATH=tests python -m oracle.gold_with_pandas --landing <project>/data/landing --output <folder>

Nothing here shares code with the library, and money is counted in whole cents until the last step. Surrogate
keys are the runner's own business: instead of them `fact_sales` names the household version by its first day
(`household_version_start`) and says whether `product_is_known`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd

from oracle.silver_with_pandas import ATTRIBUTES, HOUSEHOLDS, PRODUCTS, TRANSACTIONS, read_silver

TIME_ZONE = "America/New_York"
MONEY = [
    "sales_value", "retail_discount", "coupon_discount", "coupon_match_discount",
    "gross_amount", "net_amount", "discount_amount",
]  # fmt: skip
TRACKED = list(ATTRIBUTES)
VERSION_COLUMNS = ["household_id", *TRACKED, "effective_start_date", "effective_end_date", "is_current"]
FACT_COLUMNS = [
    "basket_id", "product_id", "date_key", "product_is_known", "household_version_start", "household_id",
    "store_id", "quantity", "units", *MONEY, "transaction_timestamp", "sale_date",
]  # fmt: skip


def gold_tables(landing: Path, time_zone: str = TIME_ZONE) -> dict[str, pd.DataFrame]:
    """Compute all gold tables.

    Args:
        landing: the folder with the four landing folders.
        time_zone: the zone of the stores; a sale belongs to the date on their wall.

    Returns:
        A frame for each table name. Dates are `datetime64` at midnight, money is `Decimal` with two decimals.
    """
    versions = household_versions(read_silver(landing, HOUSEHOLDS).table)
    products = product_dimension(read_silver(landing, PRODUCTS).table)
    sales = sales_lines(read_silver(landing, TRANSACTIONS).table, products, versions, time_zone)
    return {
        "dim_household": with_unknown_household(versions),
        "dim_product": with_unknown_product(products),
        "dim_date": date_dimension(sales["sale_date"]),
        "fact_sales": in_dollars(sales, MONEY)[FACT_COLUMNS],
        "agg_daily_sales": aggregate(sales, "sale_date"),
        "agg_monthly_sales": aggregate(sales, "month_start_date"),
        "business_metrics": business_metrics(sales),
    }


def household_versions(snapshots: pd.DataFrame) -> pd.DataFrame:
    """Turn snapshots into versions, each valid from its first day up to, not including, its end date."""
    versions: list[dict[str, object]] = []
    for household_id, history in snapshots.sort_values("snapshot_date").groupby("household_id"):
        open_version: dict[str, object] | None = None
        for snapshot in history.to_dict("records"):
            values = {name: None if pd.isna(snapshot[name]) else snapshot[name] for name in TRACKED}
            is_active = snapshot["status"] == "active"
            if open_version and (not is_active or any(open_version[name] != values[name] for name in TRACKED)):
                open_version["effective_end_date"] = snapshot["snapshot_date"]
                open_version = None
            if is_active and open_version is None:
                open_version = {
                    "household_id": household_id,
                    **values,
                    "effective_start_date": snapshot["snapshot_date"],
                    "effective_end_date": pd.NaT,
                }
                versions.append(open_version)
    frame = pd.DataFrame(versions, columns=VERSION_COLUMNS[:-1])
    for column in ("effective_start_date", "effective_end_date"):
        frame[column] = pd.to_datetime(frame[column])
    result: pd.DataFrame = frame.assign(is_current=frame["effective_end_date"].isna())
    return result


def product_dimension(products: pd.DataFrame) -> pd.DataFrame:
    """Mark petrol, whose quantity is in thousandths of a gallon."""
    result: pd.DataFrame = products.assign(is_fuel=products["product_type"].str.startswith("GASOLINE"))
    return result


def with_unknown_household(versions: pd.DataFrame) -> pd.DataFrame:
    """Add the member that stands for a household the register does not know."""
    unknown = {
        "household_id": -1,
        **dict.fromkeys(TRACKED, "UNKNOWN"),
        "effective_start_date": pd.Timestamp(1900, 1, 1),
        "effective_end_date": pd.NaT,
        "is_current": True,
    }
    result: pd.DataFrame = pd.concat([pd.DataFrame([unknown]), versions], ignore_index=True)
    return result


def with_unknown_product(products: pd.DataFrame) -> pd.DataFrame:
    """Add the member that stands for a product the catalogue does not know."""
    texts = dict.fromkeys(["department", "brand", "product_category", "product_type", "package_size"], "UNKNOWN")
    unknown = pd.DataFrame([{"product_id": -1, "manufacturer_id": None, **texts, "is_fuel": False}])
    result: pd.DataFrame = pd.concat(
        [unknown.astype({"product_id": "Int64", "manufacturer_id": "Int64"}), products], ignore_index=True
    )
    return result


def date_dimension(sale_dates: pd.Series) -> pd.DataFrame:
    """Return one row for each day of the years in which something was sold."""
    first, last = sale_dates.min().year, sale_dates.max().year
    days = pd.Series(pd.date_range(f"{first}-01-01", f"{last}-12-31"))
    iso = days.dt.isocalendar()
    result: pd.DataFrame = pd.DataFrame(
        {
            "date_key": date_key(days),
            "date": days,
            "year": days.dt.year,
            "quarter": days.dt.quarter,
            "month": days.dt.month,
            "day": days.dt.day,
            "iso_weekday": iso["day"].astype(int),
            "iso_year": iso["year"].astype(int),
            "iso_week": iso["week"].astype(int),
            "is_weekend": days.dt.day_of_week >= 5,
            "month_start_date": month_start(days),
        }
    )
    return result


def date_key(days: pd.Series) -> pd.Series:
    """Return a date as the number yyyymmdd."""
    result: pd.Series = days.dt.year * 10_000 + days.dt.month * 100 + days.dt.day
    return result


def month_start(days: pd.Series) -> pd.Series:
    """Return the first day of each date's month."""
    result: pd.Series = days - pd.to_timedelta(days.dt.day - 1, unit="D")
    return result


def sales_lines(
    transactions: pd.DataFrame, products: pd.DataFrame, versions: pd.DataFrame, time_zone: str
) -> pd.DataFrame:
    """Return the fact's rows, money in cents, with the columns that the aggregates need as well."""
    known = products[["product_id", "department", "is_fuel"]].assign(product_is_known=True)
    sales = transactions.merge(known, on="product_id", how="left", validate="many_to_one")
    sales["product_is_known"] = sales["product_is_known"].notna()
    sales["is_fuel"] = sales["is_fuel"].eq(True).fillna(False).astype(bool)
    sales["department"] = sales["department"].fillna("UNKNOWN")
    local = sales["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert(time_zone).dt.tz_localize(None)
    sales["sale_date"] = local.dt.normalize()
    sales["month_start_date"] = month_start(sales["sale_date"])
    sales["date_key"] = date_key(sales["sale_date"])
    sales["units"] = sales["quantity"].where(~sales["is_fuel"], 0)
    sales["gross_amount"] = sales["sales_value"] + sales["retail_discount"] + sales["coupon_match_discount"]
    sales["net_amount"] = sales["sales_value"] - sales["coupon_discount"]
    sales["discount_amount"] = sales["retail_discount"] + sales["coupon_discount"] + sales["coupon_match_discount"]
    result: pd.DataFrame = sales.assign(household_version_start=version_starts(sales, versions))
    return result


def version_starts(sales: pd.DataFrame, versions: pd.DataFrame) -> pd.Series:
    """Return the first day of the household version valid on the sale's date, `NaT` when there is none."""
    dates = sales[["household_id", "sale_date"]].reset_index(names="line")
    pairs = dates.merge(versions[["household_id", "effective_start_date", "effective_end_date"]], on="household_id")
    started = pairs["effective_start_date"] <= pairs["sale_date"]
    not_ended = pairs["effective_end_date"].isna() | (pairs["sale_date"] < pairs["effective_end_date"])
    valid = pairs[started & not_ended]
    if valid["line"].duplicated().any():
        raise ValueError("two versions of one household are valid on the same day")
    result: pd.Series = valid.set_index("line")["effective_start_date"].reindex(sales.index)
    return result


def aggregate(sales: pd.DataFrame, period: str) -> pd.DataFrame:
    """Return the measures of each period (`sale_date` or `month_start_date`) and department."""
    totals = sales.groupby([period, "department"], as_index=False).agg(
        baskets=("basket_id", "nunique"),
        households=("household_id", "nunique"),
        lines=("product_id", "size"),
        units=("units", "sum"),
        gross_amount=("gross_amount", "sum"),
        net_amount=("net_amount", "sum"),
        discount_amount=("discount_amount", "sum"),
    )
    return in_dollars(totals, ["gross_amount", "net_amount", "discount_amount"])


def business_metrics(sales: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each month and metric; a metric whose denominator is zero has no row."""
    rows: list[tuple[object, str, Decimal, str]] = []
    seen: set[int] = set()
    for month, lines in sales.groupby("month_start_date"):
        baskets = int(lines["basket_id"].nunique())
        active = {int(household) for household in lines["household_id"].unique()}
        pieces = lines[~lines["is_fuel"]]
        dollars = Decimal(int(lines["net_amount"].sum())) / 100
        candidates = [
            ("revenue", dollars, 1, "USD"),
            ("baskets", Decimal(baskets), 1, "count"),
            ("active_households", Decimal(len(active)), 1, "count"),
            ("average_basket_value", dollars, baskets, "USD"),
            (
                "discount_rate",
                Decimal(int(lines["discount_amount"].sum())),
                int(lines["gross_amount"].sum()),
                "ratio",
            ),
            (
                "units_per_basket",
                Decimal(int(pieces["units"].sum())),
                int(pieces["basket_id"].nunique()),
                "ratio",
            ),
            ("returning_household_rate", Decimal(len(active & seen)), len(active), "ratio"),
        ]
        rows += [(month, name, four_places(top, bottom), unit) for name, top, bottom, unit in candidates if bottom]
        seen |= active
    result: pd.DataFrame = pd.DataFrame(rows, columns=["metric_date", "metric_name", "metric_value", "unit"])
    return result


def four_places(numerator: Decimal, denominator: int) -> Decimal:
    """Divide and round half up to four decimals."""
    return (numerator / denominator).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def in_dollars(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return the frame with whole cents turned into `Decimal` dollars with two decimals."""
    dollars = {column: [Decimal(int(cents)).scaleb(-2) for cents in frame[column]] for column in columns}
    result: pd.DataFrame = frame.assign(
        **{column: pd.Series(values, index=frame.index, dtype=object) for column, values in dollars.items()}
    )
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Write every gold table as a CSV file."""
    parser = argparse.ArgumentParser(description="Compute the demo's gold tables with pandas.")
    parser.add_argument("--landing", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--time-zone", default=TIME_ZONE)
    options = parser.parse_args(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    for name, table in gold_tables(options.landing, options.time_zone).items():
        table.to_csv(options.output / f"{name}.csv", index=False, lineterminator="\n")
        print(f"{name}: {len(table)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
