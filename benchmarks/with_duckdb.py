"""The competitor that sets the limit: the same gold tables by DuckDB, every layer stored as Parquet.

It casts, sets aside what cannot be cast or breaks a rule, notes warnings, keeps one row for each key and computes all
seven gold tables. It has no transactions, no history of versions, no increments, and stores no record of its runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import duckdb

TIME_ZONE = "America/New_York"
WARNINGS = {
    "quantity_above_zero": "quantity > 0",
    "value_above_zero": "sales_value > 0",
    "coupon_within_value": "coupon_discount <= sales_value",
    "match_within_coupon": "coupon_match_discount <= coupon_discount",
    "week_number": "week_number IS NULL OR week_number BETWEEN 1 AND 53",
}
MEASURES = """count(DISTINCT basket_id) AS baskets, count(DISTINCT household_id) AS households, count(*) AS lines,
    sum(units)::BIGINT AS units, sum(gross_amount)::DECIMAL(18,2) AS gross_amount,
    sum(net_amount)::DECIMAL(18,2) AS net_amount, sum(discount_amount)::DECIMAL(18,2) AS discount_amount"""
DESCRIPTIONS = {
    "age": "age_band",
    "income": "income_band",
    "home_ownership": "home_ownership",
    "marital_status": "marital_status",
    "household_size": "household_size",
    "household_comp": "household_composition",
    "kids_count": "kids_count",
}


def run(landing: Path, output: Path, *, cores: int, memory: str) -> None:
    """Compute all layers from the landing files.

    Args:
        landing: Folder with the four landing folders.
        output: Folder for the layers: `<layer>_<table>.parquet`.
        cores: Threads.
        memory: Limit, as in `4GB`.
    """
    output.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": cores, "memory_limit": memory}) as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute("SET preserve_insertion_order = false")
        for name, query in layers(landing).items():
            file = output / f"{name}.parquet"
            db.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
            db.execute(f"CREATE VIEW {name} AS FROM '{file}'")


def layers(landing: Path) -> dict[str, str]:
    """Return the query of every table, in an order in which each finds what it reads."""
    bronze = {
        f"bronze_{name}": f"SELECT *, now() AS _ingested_at FROM read_csv('{landing}/{name}/*.csv', "
        f"all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"', filename = '_source_file')"
        for name in ("transactions", "households", "campaigns")
    }
    kinds = ", ".join(f"'{name}': 'VARCHAR'" for name in _PRODUCT_COLUMNS)
    bronze["bronze_products"] = (
        f"SELECT *, now() AS _ingested_at FROM read_json('{landing}/products/*.jsonl', format = 'newline_delimited', "
        f"columns = {{{kinds}}}, filename = '_source_file')"
    )
    return bronze | _silver() | _gold()


_PRODUCT_COLUMNS = (
    "product_id",
    "manufacturer_id",
    "department",
    "brand",
    "product_category",
    "product_type",
    "package_size",
)


def _silver() -> dict[str, str]:
    described = ", ".join(f"coalesce(nullif(trim({name}), ''), 'UNKNOWN') AS {name}" for name in _PRODUCT_COLUMNS[2:-1])
    states = ", ".join(
        f"coalesce(nullif(trim({source}), ''), 'UNKNOWN') AS {name}" for source, name in DESCRIPTIONS.items()
    )
    warnings = ", ".join(f"CASE WHEN NOT ({rule}) THEN '{name}' END" for name, rule in WARNINGS.items())
    checked = f"""
        SELECT *, (basket_id IS NOT NULL AND product_id IS NOT NULL AND household_id IS NOT NULL
            AND store_id IS NOT NULL AND coalesce(quantity >= 0, false) AND coalesce(sales_value >= 0, false)
            AND coalesce(retail_discount >= 0, false) AND coalesce(coupon_discount >= 0, false)
            AND coalesce(coupon_match_discount >= 0, false)
            AND coalesce(year(transaction_timestamp) BETWEEN 2000 AND 2099, false)
            AND (week_number IS NOT NULL OR coalesce(trim(week), '') = '')) AS _is_valid,
            list_filter([{warnings}], lambda name: name IS NOT NULL) AS _warnings
        FROM (SELECT try_cast(basket_id AS BIGINT) AS basket_id, try_cast(product_id AS BIGINT) AS product_id,
            try_cast(household_id AS BIGINT) AS household_id, try_cast(store_id AS BIGINT) AS store_id,
            try_cast(quantity AS INT) AS quantity, try_cast(sales_value AS DECIMAL(10,2)) AS sales_value,
            try_cast(retail_disc AS DECIMAL(10,2)) AS retail_discount,
            try_cast(coupon_disc AS DECIMAL(10,2)) AS coupon_discount,
            try_cast(coupon_match_disc AS DECIMAL(10,2)) AS coupon_match_discount,
            try_cast(week AS INT) AS week_number, week,
            try_cast(transaction_timestamp AS TIMESTAMP) AS transaction_timestamp, _source_file, _ingested_at
            FROM bronze_transactions)"""
    return {
        "silver_products": f"""
            SELECT try_cast(product_id AS BIGINT) AS product_id, try_cast(manufacturer_id AS BIGINT) AS manufacturer_id,
                {described}, nullif(trim(package_size), '') AS package_size, _source_file
            FROM bronze_products WHERE try_cast(product_id AS BIGINT) IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY try_cast(product_id AS BIGINT) ORDER BY _source_file DESC) = 1""",
        "silver_households": f"""
            SELECT try_cast(household_id AS BIGINT) AS household_id, try_cast(snapshot_date AS DATE) AS snapshot_date,
                {states}, lower(trim(status)) AS status, _source_file
            FROM bronze_households
            WHERE try_cast(household_id AS BIGINT) IS NOT NULL AND try_cast(snapshot_date AS DATE) IS NOT NULL
                AND lower(trim(status)) IN ('active', 'closed')
            QUALIFY row_number() OVER (PARTITION BY try_cast(household_id AS BIGINT), try_cast(snapshot_date AS DATE)
                ORDER BY _source_file DESC) = 1""",
        "silver_campaigns": """
            SELECT try_cast(campaign_id AS INT) AS campaign_id, try_cast(household_id AS BIGINT) AS household_id,
                trim(campaign_type) AS campaign_type, try_cast(start_date AS DATE) AS start_date,
                try_cast(end_date AS DATE) AS end_date, _source_file
            FROM bronze_campaigns
            WHERE try_cast(campaign_id AS INT) IS NOT NULL AND try_cast(household_id AS BIGINT) IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY campaign_id, household_id ORDER BY _source_file DESC) = 1""",
        "silver_checked": checked,
        "silver_transactions_quarantine": "SELECT * FROM silver_checked WHERE NOT _is_valid",
        "silver_transactions": f"""
            SELECT t.* EXCLUDE (week, _is_valid),
                (timezone('{TIME_ZONE}', timezone('UTC', transaction_timestamp)))::DATE AS transaction_date,
                (sales_value + retail_discount + coupon_match_discount)::DECIMAL(12,2) AS gross_amount,
                (sales_value - coupon_discount)::DECIMAL(12,2) AS net_amount,
                coalesce(p.department, 'UNKNOWN') AS department, coalesce(p.brand, 'UNKNOWN') AS brand
            FROM silver_checked t
                LEFT JOIN (SELECT product_id, department, brand FROM silver_products) p USING (product_id)
            WHERE _is_valid
            QUALIFY row_number() OVER (PARTITION BY basket_id, product_id ORDER BY t._source_file DESC) = 1""",
    }


def _gold() -> dict[str, str]:
    tracked = ", ".join(DESCRIPTIONS.values())
    unknown = ", ".join(f"'UNKNOWN' AS {name}" for name in DESCRIPTIONS.values())
    texts = ", ".join(_PRODUCT_COLUMNS[2:])
    with_department = "gold_fact_sales JOIN (SELECT product_key, department FROM gold_dim_product) USING (product_key)"
    return {
        "gold_dim_household": f"""
            WITH marked AS (
                SELECT *, CASE WHEN status = 'active' THEN md5(concat_ws('|', {tracked})) END AS state
                FROM silver_households),
            changes AS (
                SELECT *, lag(state) OVER (PARTITION BY household_id ORDER BY snapshot_date) AS before FROM marked),
            boundaries AS (
                SELECT *, lead(snapshot_date) OVER (PARTITION BY household_id ORDER BY snapshot_date) AS ended
                FROM changes WHERE state IS DISTINCT FROM before)
            SELECT (hash(household_id, snapshot_date) >> 1)::BIGINT AS household_key, household_id, {tracked},
                snapshot_date AS effective_start_date, ended AS effective_end_date, ended IS NULL AS is_current
            FROM boundaries WHERE state IS NOT NULL
            UNION ALL SELECT -1, -1, {unknown}, DATE '1900-01-01', NULL, true""",
        "gold_dim_product": f"""
            SELECT (hash(product_id) >> 1)::BIGINT AS product_key, product_id, manufacturer_id, {texts},
                starts_with(product_type, 'GASOLINE') AS is_fuel
            FROM silver_products
            UNION ALL SELECT -1, -1, NULL, {", ".join("'UNKNOWN'" for _ in _PRODUCT_COLUMNS[2:])}, false""",
        "gold_dim_date": """
            SELECT strftime(day, '%Y%m%d')::INT AS date_key, day AS date, year(day) AS year, quarter(day) AS quarter,
                month(day) AS month, day(day) AS day, isodow(day) AS iso_weekday, isoyear(day) AS iso_year,
                weekofyear(day) AS iso_week, isodow(day) >= 6 AS is_weekend, date_trunc('month', day)::DATE
                AS month_start_date
            FROM (SELECT unnest(generate_series(date_trunc('year', min(transaction_date)),
                date_trunc('year', max(transaction_date)) + INTERVAL 1 YEAR - INTERVAL 1 DAY,
                INTERVAL 1 DAY))::DATE AS day
                FROM silver_transactions)""",
        "gold_fact_sales": """
            SELECT basket_id, t.product_id, strftime(transaction_date, '%Y%m%d')::INT AS date_key,
                coalesce(p.product_key, -1) AS product_key, coalesce(h.household_key, -1) AS household_key,
                t.household_id, store_id, quantity,
                CASE WHEN coalesce(p.is_fuel, false) THEN 0 ELSE quantity END AS units,
                sales_value, retail_discount, coupon_discount, coupon_match_discount, gross_amount, net_amount,
                (gross_amount - net_amount)::DECIMAL(12,2) AS discount_amount, transaction_timestamp,
                transaction_date AS sale_date
            FROM silver_transactions t
                LEFT JOIN gold_dim_product p ON t.product_id = p.product_id
                LEFT JOIN gold_dim_household h ON t.household_id = h.household_id
                    AND t.transaction_date >= h.effective_start_date
                    AND (h.effective_end_date IS NULL OR t.transaction_date < h.effective_end_date)""",
        "gold_agg_daily_sales": f"SELECT sale_date, department, {MEASURES} FROM {with_department} GROUP BY ALL",
        "gold_agg_monthly_sales": f"""
            SELECT date_trunc('month', sale_date)::DATE AS month_start_date, department, {MEASURES}
            FROM {with_department} GROUP BY ALL""",
        "gold_business_metrics": _METRICS,
    }


_METRICS = """
    WITH sales AS (
        SELECT f.*, is_fuel, date_trunc('month', sale_date)::DATE AS metric_date
        FROM gold_fact_sales f JOIN (SELECT product_key, is_fuel FROM gold_dim_product) USING (product_key)),
    active AS (SELECT DISTINCT metric_date, household_id FROM sales),
    activity AS (
        SELECT metric_date, count(*) AS households, count(*) FILTER (first_month < metric_date) AS returning_households
        FROM active JOIN (SELECT household_id, min(metric_date) AS first_month FROM sales GROUP BY ALL)
            USING (household_id) GROUP BY ALL),
    totals AS (
        SELECT metric_date, sum(net_amount) AS revenue, count(DISTINCT basket_id) AS baskets,
            sum(discount_amount) AS discount, sum(gross_amount) AS gross, sum(units) AS units,
            count(DISTINCT CASE WHEN NOT is_fuel THEN basket_id END) AS unit_baskets
        FROM sales GROUP BY ALL),
    shares AS (
        SELECT metric_date, unnest([
            {'name': 'revenue', 'top': revenue::DECIMAL(28,2), 'bottom': 1::HUGEINT, 'unit': 'USD'},
            {'name': 'baskets', 'top': baskets, 'bottom': 1, 'unit': 'count'},
            {'name': 'active_households', 'top': households, 'bottom': 1, 'unit': 'count'},
            {'name': 'average_basket_value', 'top': revenue, 'bottom': baskets, 'unit': 'USD'},
            {'name': 'discount_rate', 'top': discount * 100, 'bottom': (gross * 100)::HUGEINT, 'unit': 'ratio'},
            {'name': 'units_per_basket', 'top': units, 'bottom': unit_baskets, 'unit': 'ratio'},
            {'name': 'returning_household_rate', 'top': returning_households, 'bottom': households, 'unit': 'ratio'}
        ]) AS metric FROM totals JOIN activity USING (metric_date))
    -- Whole numbers only, so that halves are rounded up exactly: (2 * 10000 * top + bottom) / (2 * bottom).
    SELECT metric_date, metric.name AS metric_name, (((metric.top * 100)::HUGEINT * 200 + metric.bottom)
        // (2 * metric.bottom) / 10000.0)::DECIMAL(18,4) AS metric_value, metric.unit AS unit
    FROM shares WHERE metric.bottom <> 0"""


def main() -> None:
    """Run once, as a process to be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landing", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default="4GB")
    options = parser.parse_args()
    run(options.landing, options.output, cores=options.cores, memory=options.memory)


if __name__ == "__main__":
    main()
