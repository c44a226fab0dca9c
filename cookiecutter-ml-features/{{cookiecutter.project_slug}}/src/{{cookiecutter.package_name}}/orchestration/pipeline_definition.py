"""The tables that features are made from: what each reads, how each is computed."""

from __future__ import annotations

from databricks_utils.medallion import Bronze, Files, Lookup, Pipeline, Silver

from {{ cookiecutter.package_name }}.transformations.silver.campaigns import clean_campaigns
from {{ cookiecutter.package_name }}.transformations.silver.households import clean_households
from {{ cookiecutter.package_name }}.transformations.silver.products import clean_products
from {{ cookiecutter.package_name }}.transformations.silver.transactions import clean_transactions

PRODUCTS = Lookup("silver.products", on="product_id")

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
)
