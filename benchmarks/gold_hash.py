"""One hash for each gold table that does not depend on the order of its rows, computed by DuckDB for every competitor.

Surrogate keys are each competitor's own business: the fact is hashed with the first day of the household's version and
with whether its product is known, which are what its keys stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

_MONEY = (
    "sales_value",
    "retail_discount",
    "coupon_discount",
    "coupon_match_discount",
    "gross_amount",
    "net_amount",
    "discount_amount",
)
_MEASURES = ["baskets", "households", "lines", "units", *[f"{name}::DECIMAL(18,2)" for name in _MONEY[4:]]]
_DESCRIBED = (
    "age_band",
    "income_band",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_composition",
    "kids_count",
)
_PRODUCT = ("product_id", "manufacturer_id", "department", "brand", "product_category", "product_type", "package_size")
_ISO = ("iso_weekday", "iso_year", "iso_week", "is_weekend", "month_start_date")
#: Between two columns and in the place of NULL: what no text of the data holds, so that no two rows read alike.
_BETWEEN, _NULL = "chr(31)", "chr(30)"
#: Expressions over each table's columns; all are compared as text.
COLUMNS: Mapping[str, list[str]] = {
    "dim_household": ["household_id", *_DESCRIBED, "effective_start_date", "effective_end_date", "is_current"],
    "dim_product": [*_PRODUCT, "is_fuel"],
    "dim_date": ["date_key", "date", "year", "quarter", "month", "day", *_ISO],
    "fact_sales": [
        *("basket_id", "product_id", "date_key", "household_id", "store_id", "quantity", "units", "sale_date"),
        *[f"{name}::DECIMAL(18,2)" for name in _MONEY],
        "epoch_us(transaction_timestamp)",
        "version_start",
        "product_key <> -1",
    ],
    "agg_daily_sales": ["sale_date", "department", *_MEASURES],
    "agg_monthly_sales": ["month_start_date", "department", *_MEASURES],
    "business_metrics": ["metric_date", "metric_name", "metric_value::DECIMAL(18,4)", "unit"],
}


def gold_hashes(files: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Return the number of rows and the hash of every gold table.

    Args:
        files: Glob of the Parquet files of each table of `COLUMNS`.
    """
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        return {table: _hashed(db, table, files) for table in COLUMNS}


def _hashed(db: duckdb.DuckDBPyConnection, table: str, files: Mapping[str, str]) -> tuple[int, str]:
    rows = f"SELECT * FROM '{files[table]}'"
    if table == "fact_sales":
        versions = (
            "SELECT household_key, CASE WHEN household_key <> -1 THEN effective_start_date END AS version_start "
            f"FROM '{files['dim_household']}'"
        )
        rows = f"SELECT * FROM ({rows}) JOIN ({versions}) USING (household_key)"
    texts = ", ".join(f"coalesce(({expression})::VARCHAR, {_NULL})" for expression in COLUMNS[table])
    total = (
        f"SELECT count(*), coalesce(sum(md5_number_lower(concat_ws({_BETWEEN}, {texts}))::HUGEINT), 0) FROM ({rows})"
    )
    count, hashed = db.execute(total).fetchall()[0]
    return count, f"{int(hashed) % 2**64:016x}"


def parquet_files(folder: Path) -> dict[str, str]:
    """Return where a competitor that writes `gold_<table>.parquet` has its tables."""
    return {table: str(folder / f"gold_{table}.parquet") for table in COLUMNS}
