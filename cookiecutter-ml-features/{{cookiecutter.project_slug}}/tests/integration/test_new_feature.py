"""A feature that a table gains later: its older days are said to lack it until somebody computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from databricks_utils.contracts import struct_type
from databricks_utils.delta import append, create_table
from databricks_utils.features import Feature, FeatureRegistry, FeatureStore, refresh
from databricks_utils.medallion import Lakehouse
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.__main__ import PROJECT
from {{ cookiecutter.package_name }}.features.campaigns import CAMPAIGNS

ROOT = Path(__file__).resolve().parents[2]
NAME, SOURCE = CAMPAIGNS.name, CAMPAIGNS.source.table
FIRST = date(2017, 3, 1)
OLD = Feature("campaigns", "count", windows=(30,), description="Campaigns that began.")
NEW = Feature("campaign_days", "sum", of="duration_days", windows=(30,), description="Days they last, added up.")


@pytest.fixture(scope="module")
def own_lakehouse(spark: SparkSession, own: dict[str, str]) -> Lakehouse:
    """Return a lakehouse with campaigns of two days, in schemas that no other test writes to."""
    schemas = {f"schemas.{layer}": f"later_{own[f'schemas.{layer}']}" for layer in ("silver", "gold")}
    opened = PROJECT.open("local", str(ROOT), **{**own, **schemas})
    lakehouse = Lakehouse(spark, opened.configuration, opened.contracts)
    create_table(spark, lakehouse.namespace, SOURCE, schema=struct_type(opened.contracts[SOURCE]))
    arrive(lakehouse, FIRST, FIRST + timedelta(1))
    return lakehouse


def arrive(lakehouse: Lakehouse, *days: date) -> None:
    """Let a campaign of ten days begin for household 1 on each of some days."""
    rows = [(int(f"{day:%Y%m%d}"), 1, day, 10) for day in days]
    columns = "campaign_id INT, household_id INT, start_date DATE, duration_days INT"
    frame = lakehouse.spark.createDataFrame(rows, columns)
    missing = [item for item in struct_type(lakehouse.contract(SOURCE)) if item.name not in frame.columns]
    whole = frame.selectExpr("*", *(f"CAST(NULL AS {item.dataType.simpleString()}) AS {item.name}" for item in missing))
    append(lakehouse.spark, lakehouse.identifier(SOURCE), whole, folder=lakehouse.namespace.location(SOURCE))


def store_of(lakehouse: Lakehouse, *features: Feature) -> FeatureStore:
    return FeatureStore(
        lakehouse.namespace, FeatureRegistry([replace(CAMPAIGNS, features=features)], lakehouse.contracts)
    )


def values(lakehouse: Lakehouse, store: FeatureStore) -> Sequence[int | None]:
    """Return the new feature by day."""
    rows = store.read(lakehouse.spark, NAME).orderBy("available_at").collect()
    return [row.campaign_days_30d for row in rows]


def test_older_days_lack_a_new_feature_until_a_backfill_and_every_run_says_so(own_lakehouse: Lakehouse) -> None:
    before, after = store_of(own_lakehouse, OLD), store_of(own_lakehouse, OLD, NEW)
    second, third = FIRST + timedelta(1), FIRST + timedelta(2)

    first_run = refresh(own_lakehouse, before, NAME, second, backfill=False)
    arrive(own_lakehouse, third)
    added = refresh(own_lakehouse, after, NAME, third, backfill=False)
    again = refresh(own_lakehouse, after, NAME, third, backfill=False)
    lacking = values(own_lakehouse, after)
    filled = refresh(own_lakehouse, after, NAME, third, backfill=True)

    assert first_run.without_past == ()
    assert added.without_past == again.without_past == ("campaign_days_30d",)
    assert lacking == [None, None, 30]
    assert filled.without_past == ()
    assert values(own_lakehouse, after) == [10, 20, 30]
    assert refresh(own_lakehouse, after, NAME, third, backfill=False).without_past == ()
