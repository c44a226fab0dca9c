"""The whole flow on one screen. What a table is stands in its contract; how it is computed, in its function."""

from __future__ import annotations

from databricks_utils.medallion import Bronze, Files, Gold, Lookup, Pipeline, Replace, Scd2, Silver, Upsert

from {{ cookiecutter.package_name }}.transformations.gold.business_metrics import business_metrics
from {{ cookiecutter.package_name }}.transformations.gold.calendar import calendar
from {{ cookiecutter.package_name }}.transformations.gold.products import product_members
from {{ cookiecutter.package_name }}.transformations.gold.sales import daily_sales, monthly_sales, sales_fact
from {{ cookiecutter.package_name }}.transformations.silver.campaigns import clean_campaigns
from {{ cookiecutter.package_name }}.transformations.silver.households import clean_households
from {{ cookiecutter.package_name }}.transformations.silver.products import clean_products
from {{ cookiecutter.package_name }}.transformations.silver.transactions import clean_transactions

PRODUCTS = Lookup("silver.products", on="product_id")
HOUSEHOLD_VERSIONS = Lookup("gold.dim_household", on="household_id")
PRODUCT_MEMBERS = Lookup("gold.dim_product", on="product_id")
DEPARTMENTS = Lookup("gold.dim_product", on="product_key")

HISTORY = Scd2(
    keys=["household_id"],
    sequence_by="snapshot_date",
    delete_when="status = 'closed'",
    surrogate_key="household_key",
)
MEMBERS = Upsert(surrogate_key="product_key", unknown_member=True)

PIPELINE = Pipeline(
    "{{ cookiecutter.project_slug }}",
    Bronze("transactions", source=Files("transactions", format="csv", glob="*.csv")),
    Bronze("products", source=Files("products", format="json", glob="*.jsonl")),
    Bronze("households", source=Files("households", format="csv", glob="*.csv")),
    Bronze("campaigns", source=Files("campaigns", format="csv", glob="*.csv")),
    Silver("products", reads="bronze.products", transform=clean_products),
    Silver("households", reads="bronze.households", transform=clean_households),
    Silver("campaigns", reads="bronze.campaigns", transform=clean_campaigns),
    Silver("transactions", reads="bronze.transactions", lookups=[PRODUCTS], transform=clean_transactions),
    Gold("dim_date", reads="silver.transactions", transform=calendar, write=Replace()),
    Gold("dim_product", reads="silver.products", transform=product_members, write=MEMBERS),
    Gold("dim_household", reads="silver.households", write=HISTORY),
    Gold(
        "fact_sales",
        reads="silver.transactions",
        lookups=[HOUSEHOLD_VERSIONS, PRODUCT_MEMBERS],
        transform=sales_fact,
    ),
    Gold(
        "agg_daily_sales",
        reads="gold.fact_sales",
        lookups=[DEPARTMENTS],
        transform=daily_sales,
        write=Replace(by="sale_date"),
    ),
    Gold(
        "agg_monthly_sales",
        reads="gold.fact_sales",
        lookups=[DEPARTMENTS],
        transform=monthly_sales,
        write=Replace(by="month_start_date", of="trunc(sale_date, 'MONTH')"),
    ),
    Gold(
        "business_metrics",
        reads="gold.fact_sales",
        lookups=[DEPARTMENTS],
        transform=business_metrics,
        write=Replace(),
    ),
)
