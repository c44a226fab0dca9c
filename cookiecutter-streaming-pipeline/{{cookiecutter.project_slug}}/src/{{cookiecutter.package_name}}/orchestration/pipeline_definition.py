"""The whole flow on one screen. What a table is stands in its contract; how it is computed, in its function."""

from __future__ import annotations

from databricks_utils.streaming import (
    EventAlerts,
    StreamAlerts,
    StreamBronze,
    StreamGold,
    StreamPipeline,
    StreamSilver,
    Watermark,
)

from {{ cookiecutter.package_name }}.transformations.gold.alerts import unusual_minutes
from {{ cookiecutter.package_name }}.transformations.gold.large_sales import large_sales
from {{ cookiecutter.package_name }}.transformations.gold.sale_payments import sale_payments
from {{ cookiecutter.package_name }}.transformations.gold.sessions import click_sessions
from {{ cookiecutter.package_name }}.transformations.gold.store_minutes import store_minutes
from {{ cookiecutter.package_name }}.transformations.silver.clicks import clean_clicks
from {{ cookiecutter.package_name }}.transformations.silver.payments import clean_payments
from {{ cookiecutter.package_name }}.transformations.silver.sales import clean_sales

#: A till that was cut off for longer delivers into the quarantine.
LATENESS = Watermark("event_time", "10 minutes")

# A change to what a stream remembers (its key, watermark, windows, or join) needs a new checkpoint: raise its version.
PIPELINE = StreamPipeline(
    "{{ cookiecutter.project_slug }}",
    StreamBronze("sales", topic="pos.sales"),
    StreamBronze("payments", topic="pos.payments"),
    StreamBronze("clicks", topic="pos.clicks"),
    StreamSilver("sales", reads="bronze.sales", transform=clean_sales, watermark=LATENESS),
    StreamSilver("payments", reads="bronze.payments", transform=clean_payments, watermark=LATENESS),
    StreamSilver("clicks", reads="bronze.clicks", transform=clean_clicks, watermark=LATENESS),
    StreamGold("agg_store_minutes", reads="silver.sales", transform=store_minutes),
    StreamGold("sale_payments", reads=["silver.sales", "silver.payments"], transform=sale_payments, emits="finals"),
    StreamGold("click_sessions", reads="silver.clicks", transform=click_sessions, emits="finals"),
    StreamAlerts(
        "alerts", reads="gold.agg_store_minutes", lookups=["gold.agg_store_minutes"], transform=unusual_minutes
    ),
    # From topic to topic without a table between, within milliseconds where the runtime can: the command `alert`.
    event_alerts=[EventAlerts("large_sales", reads="silver.sales", transform=large_sales)],
)
