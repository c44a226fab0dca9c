"""The competitor without SQL: the same gold tables by polars, every layer stored as Parquet.

Like the DuckDB one it casts, sets broken rows aside, notes warnings, keeps one row for each key and computes all seven
gold tables; it has no transactions, no increments and no record of its runs.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import polars as pl

TIME_ZONE = "America/New_York"
MONEY = pl.Decimal(12, 2)
DESCRIPTIONS = {
    "age": "age_band",
    "income": "income_band",
    "home_ownership": "home_ownership",
    "marital_status": "marital_status",
    "household_size": "household_size",
    "household_comp": "household_composition",
    "kids_count": "kids_count",
}
TEXTS = ["department", "brand", "product_category", "product_type"]
NUMBERS = {"basket_id": pl.Int64, "product_id": pl.Int64, "household_id": pl.Int64, "store_id": pl.Int64}
AMOUNTS = {
    "sales_value": "sales_value",
    "retail_disc": "retail_discount",
    "coupon_disc": "coupon_discount",
    "coupon_match_disc": "coupon_match_discount",
}
WARNINGS = {
    "quantity_above_zero": pl.col("quantity") > 0,
    "value_above_zero": pl.col("sales_value") > 0,
    "coupon_within_value": pl.col("coupon_discount") <= pl.col("sales_value"),
    "match_within_coupon": pl.col("coupon_match_discount") <= pl.col("coupon_discount"),
}


class Layers:
    """The tables computed so far, each stored when it is made.

    Args:
        output: Folder for `<layer>_<table>.parquet`.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        output.mkdir(parents=True, exist_ok=True)

    def save(self, name: str, rows: pl.LazyFrame) -> None:
        """Compute and store a table."""
        rows.sink_parquet(self.output / f"{name}.parquet", compression="zstd")

    def read(self, name: str) -> pl.LazyFrame:
        """Return a stored table."""
        return pl.scan_parquet(self.output / f"{name}.parquet")


def run(landing: Path, output: Path) -> None:
    """Compute all layers from the landing files."""
    layers = Layers(output)
    for name in ("transactions", "households", "campaigns"):
        files = pl.scan_csv(landing / name / "*.csv", infer_schema=False, include_file_paths="_source_file")
        layers.save(f"bronze_{name}", files)
    kinds = dict.fromkeys(["product_id", "manufacturer_id", *TEXTS, "package_size"], pl.String)
    layers.save("bronze_products", pl.scan_ndjson(landing / "products" / "*.jsonl", schema=kinds))
    _silver(layers)
    _gold(layers)


def _described(source: str, name: str) -> pl.Expr:
    text = pl.col(source).str.strip_chars()
    return pl.when(text != "").then(text).otherwise(pl.lit("UNKNOWN")).alias(name)


def _silver(layers: Layers) -> None:
    products = layers.read("bronze_products").select(
        pl.col("product_id", "manufacturer_id").cast(pl.Int64, strict=False),
        *[_described(name, name) for name in TEXTS],
        pl.col("package_size").str.strip_chars().replace("", None),
    )
    layers.save("silver_products", products.drop_nulls("product_id").unique("product_id", keep="last"))
    households = layers.read("bronze_households").select(
        pl.col("household_id").cast(pl.Int64, strict=False),
        pl.col("snapshot_date").str.to_date(strict=False),
        *[_described(source, name) for source, name in DESCRIPTIONS.items()],
        pl.col("status").str.strip_chars().str.to_lowercase(),
    )
    known = households.drop_nulls(["household_id", "snapshot_date"]).filter(
        pl.col("status").is_in(["active", "closed"])
    )
    layers.save("silver_households", known.unique(["household_id", "snapshot_date"], keep="last"))
    campaigns = layers.read("bronze_campaigns").with_columns(
        pl.col("campaign_id", "household_id").cast(pl.Int64, strict=False),
        pl.col("start_date", "end_date").str.to_date(strict=False),
    )
    keys = ["campaign_id", "household_id"]
    layers.save("silver_campaigns", campaigns.drop_nulls(keys).unique(keys, keep="last"))
    _transactions(layers)


def _transactions(layers: Layers) -> None:
    typed = (
        layers.read("bronze_transactions")
        .with_columns(
            *[pl.col(name).cast(kind, strict=False) for name, kind in NUMBERS.items()],
            pl.col("quantity").cast(pl.Int32, strict=False),
            pl.col("week").cast(pl.Int32, strict=False).alias("week_number"),
            *[pl.col(source).cast(MONEY, strict=False).alias(name) for source, name in AMOUNTS.items()],
            pl.col("transaction_timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False),
        )
        .with_columns(
            is_valid=pl.all_horizontal(
                *[pl.col(name).is_not_null() for name in NUMBERS],
                *[(pl.col(name) >= 0).fill_null(False) for name in ("quantity", *AMOUNTS.values())],
                pl.col("transaction_timestamp").dt.year().is_between(2000, 2099).fill_null(False),
            ),
            warnings=pl.concat_list(
                [pl.when(~rule).then(pl.lit(name)) for name, rule in WARNINGS.items()]
            ).list.drop_nulls(),
        )
    )
    layers.save("silver_checked", typed)
    checked = layers.read("silver_checked")
    layers.save("silver_transactions_quarantine", checked.filter(~pl.col("is_valid")))
    local = pl.col("transaction_timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone(TIME_ZONE)
    sales = (
        checked.filter("is_valid")
        .unique(["basket_id", "product_id"], keep="last")
        .join(layers.read("silver_products").select("product_id", "department", "brand"), on="product_id", how="left")
        .with_columns(
            pl.col("department", "brand").fill_null("UNKNOWN"),
            transaction_date=local.dt.date(),
            gross_amount=pl.col("sales_value") + pl.col("retail_discount") + pl.col("coupon_match_discount"),
            net_amount=pl.col("sales_value") - pl.col("coupon_discount"),
        )
    )
    layers.save("silver_transactions", sales)


def _gold(layers: Layers) -> None:
    layers.save("gold_dim_household", _household_versions(layers.read("silver_households")))
    products = layers.read("silver_products").with_columns(
        is_fuel=pl.col("product_type").str.starts_with("GASOLINE"),
        product_key=pl.col("product_id"),
    )
    unknown = {"product_id": -1, "manufacturer_id": None, **dict.fromkeys([*TEXTS, "package_size"], "UNKNOWN")}
    member = pl.LazyFrame([{**unknown, "is_fuel": False, "product_key": -1}], schema=products.collect_schema())
    layers.save("gold_dim_product", pl.concat([products, member]))
    layers.save("gold_dim_date", _calendar(layers.read("silver_transactions")))
    layers.save("gold_fact_sales", _fact(layers))
    departments = layers.read("gold_dim_product").select("product_key", "department", "is_fuel")
    sales = layers.read("gold_fact_sales").join(departments, on="product_key")
    layers.save("gold_agg_daily_sales", sales.group_by("sale_date", "department").agg(*_measures()))
    monthly = sales.with_columns(month_start_date=pl.col("sale_date").dt.truncate("1mo"))
    layers.save("gold_agg_monthly_sales", monthly.group_by("month_start_date", "department").agg(*_measures()))
    layers.save("gold_business_metrics", _metrics(monthly.rename({"month_start_date": "metric_date"})))


def _household_versions(states: pl.LazyFrame) -> pl.LazyFrame:
    tracked = list(DESCRIPTIONS.values())
    state = pl.when(pl.col("status") == "active").then(pl.concat_str(tracked, separator="|"))
    by_time = states.sort("household_id", "snapshot_date").with_columns(state=state)
    changes = by_time.with_columns(before=pl.col("state").shift(1).over("household_id"))
    boundaries = changes.filter(pl.col("state").ne_missing(pl.col("before"))).with_columns(
        effective_end_date=pl.col("snapshot_date").shift(-1).over("household_id")
    )
    members = boundaries.filter(pl.col("state").is_not_null()).select(
        (pl.struct("household_id", "snapshot_date").hash() // 2).cast(pl.Int64).alias("household_key"),
        "household_id",
        *tracked,
        pl.col("snapshot_date").alias("effective_start_date"),
        "effective_end_date",
        pl.col("effective_end_date").is_null().alias("is_current"),
    )
    unknown = {"household_key": -1, "household_id": -1, **dict.fromkeys(tracked, "UNKNOWN")}
    first = {**unknown, "effective_start_date": date(1900, 1, 1), "effective_end_date": None, "is_current": True}
    return pl.concat([members, pl.LazyFrame([first], schema=members.collect_schema())])


def _calendar(sales: pl.LazyFrame) -> pl.LazyFrame:
    first, last = (
        sales.select(pl.col("transaction_date").min().alias("first"), pl.col("transaction_date").max().alias("last"))
        .collect()
        .row(0)
    )
    days = pl.LazyFrame().select(date=pl.date_range(pl.date(first.year, 1, 1), pl.date(last.year, 12, 31), "1d"))
    day = pl.col("date").dt
    return days.with_columns(
        date_key=day.year() * 10_000 + day.month().cast(pl.Int32) * 100 + day.day().cast(pl.Int32),
        year=day.year(),
        quarter=day.quarter(),
        month=day.month(),
        day=day.day(),
        iso_weekday=day.weekday(),
        iso_year=day.iso_year(),
        iso_week=day.week(),
        is_weekend=day.weekday() >= 6,
        month_start_date=day.month_start(),
    )


def _fact(layers: Layers) -> pl.LazyFrame:
    sales = layers.read("silver_transactions")
    versions = layers.read("gold_dim_household").select(
        "household_id", "household_key", "effective_start_date", "effective_end_date"
    )
    ended = pl.col("effective_end_date")
    # The last version that began by the day of the sale is the one, unless it had ended.
    found = sales.sort("transaction_date").join_asof(
        versions.sort("effective_start_date"),
        left_on="transaction_date",
        right_on="effective_start_date",
        by="household_id",
        strategy="backward",
    )
    valid = ended.is_null() | (pl.col("transaction_date") < ended)
    products = layers.read("gold_dim_product").select("product_id", "product_key", "is_fuel")
    day = pl.col("transaction_date").dt
    return found.join(products, on="product_id", how="left").select(
        "basket_id",
        "product_id",
        (day.year() * 10_000 + day.month().cast(pl.Int32) * 100 + day.day().cast(pl.Int32)).alias("date_key"),
        pl.col("product_key").fill_null(-1),
        pl.when(valid).then("household_key").fill_null(-1).alias("household_key"),
        "household_id",
        "store_id",
        "quantity",
        pl.when(pl.col("is_fuel").fill_null(False)).then(0).otherwise("quantity").alias("units"),
        *AMOUNTS.values(),
        "gross_amount",
        "net_amount",
        (pl.col("gross_amount") - pl.col("net_amount")).alias("discount_amount"),
        "transaction_timestamp",
        pl.col("transaction_date").alias("sale_date"),
    )


def _measures() -> list[pl.Expr]:
    return [
        pl.col("basket_id").n_unique().alias("baskets"),
        pl.col("household_id").n_unique().alias("households"),
        pl.len().alias("lines"),
        pl.col("units").cast(pl.Int64).sum(),
        pl.col("gross_amount", "net_amount", "discount_amount").sum(),
    ]


def _metrics(sales: pl.LazyFrame) -> pl.LazyFrame:
    first = sales.group_by("household_id").agg(pl.col("metric_date").min().alias("first_month"))
    active = sales.select("metric_date", "household_id").unique().join(first, on="household_id")
    activity = active.group_by("metric_date").agg(
        pl.len().cast(pl.Int64).alias("active"),
        (pl.col("first_month") < pl.col("metric_date")).sum().cast(pl.Int64).alias("returning"),
    )
    cents = [
        (pl.col(name).sum() * 100).cast(pl.Int64).alias(name)
        for name in ("net_amount", "discount_amount", "gross_amount")
    ]
    totals = sales.group_by("metric_date").agg(
        *cents,
        pl.col("basket_id").n_unique().cast(pl.Int64).alias("baskets"),
        pl.col("units").cast(pl.Int64).sum(),
        pl.col("basket_id").filter(~pl.col("is_fuel")).n_unique().cast(pl.Int64).alias("unit_baskets"),
    )
    months = totals.join(activity, on="metric_date")
    shares = {
        "revenue": ("net_amount", pl.lit(100), "USD"),
        "baskets": ("baskets", pl.lit(1), "count"),
        "active_households": ("active", pl.lit(1), "count"),
        "average_basket_value": ("net_amount", pl.col("baskets") * 100, "USD"),
        "discount_rate": ("discount_amount", pl.col("gross_amount"), "ratio"),
        "units_per_basket": ("units", pl.col("unit_baskets"), "ratio"),
        "returning_household_rate": ("returning", pl.col("active"), "ratio"),
    }
    parts = [
        months.filter(bottom != 0).select(
            "metric_date",
            pl.lit(name).alias("metric_name"),
            # Whole numbers only, so that halves are rounded up exactly.
            ((pl.col(top) * 20_000 + bottom) // (2 * bottom) / 10_000).alias("metric_value"),
            pl.lit(unit).alias("unit"),
        )
        for name, (top, bottom, unit) in shares.items()
    ]
    return pl.concat(parts)


def main() -> None:
    """Run once, as a process to be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landing", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    run(options.landing, options.output)


if __name__ == "__main__":
    main()
