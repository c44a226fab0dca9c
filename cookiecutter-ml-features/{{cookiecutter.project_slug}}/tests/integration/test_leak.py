"""A leak planted in silver does not become champion unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databricks_utils.cli import model_actions
from databricks_utils.cli.opened_models import OpenedModels
from databricks_utils.cli.project import Opened
from databricks_utils.contracts import struct_type
from databricks_utils.delta import append, create_table
from databricks_utils.features import FeatureRegistry, FeatureStore, refresh
from databricks_utils.medallion import Lakehouse
from databricks_utils.models import ModelVersion
from databricks_utils.models.experiment import read_training_data, run_training
from databricks_utils.models.versions import open_model_registry, registered_name
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from {{ cookiecutter.package_name }}.__main__ import PROJECT
from {{ cookiecutter.package_name }}.features.registry import TABLES
from {{ cookiecutter.package_name }}.models.definitions import CHURN
from {{ cookiecutter.package_name }}.models.project import MODEL_PROJECT

ROOT = Path(__file__).resolve().parents[2]
HOUSEHOLDS = 200
MONTHS = range(1, 9)
SALES = (
    "basket_id BIGINT, household_id BIGINT, transaction_timestamp TIMESTAMP, sales_value DECIMAL(10,2), "
    "retail_discount DECIMAL(10,2)"
)
Row = tuple[int, int, datetime, Decimal, Decimal]
Train = Callable[[bool], tuple[Opened, ModelVersion]]


def sales(leak: bool) -> list[Row]:
    """Return two visits a month of each household, but for the one month in seven, by chance, in which it stays away.

    Args:
        leak: Whether a discount of a sale says that the household will stay away in the month that follows: a column
            that was filled afterwards, as a correction or a join with a later state would do.
    """
    draw = np.random.default_rng(11)
    away = draw.random((HOUSEHOLDS, len(MONTHS) + 1)) < 1 / 7
    rows: list[Row] = []
    for household in range(HOUSEHOLDS):
        for place, month in enumerate(MONTHS):
            if away[household, place]:
                continue
            known = Decimal("5.00") if leak and away[household, place + 1] else Decimal("0.00")
            for day in (3, 22):
                when = datetime(2017, month, day, 9, tzinfo=timezone.utc) + timedelta(minutes=household)
                rows.append((len(rows), household, when, Decimal(f"{10 + household % 7}.00"), known))
    # The last day is over: a month of future is known of every moment before it.
    rows.append((len(rows), 0, datetime(2017, 8, 31, 9, tzinfo=timezone.utc), Decimal("1.00"), Decimal("0.00")))
    return rows


@pytest.fixture(scope="module")
def train(spark: SparkSession, own: dict[str, str]) -> Train:
    """Return a function that goes from silver to a challenger, in schemas that no other test writes to."""

    def trained(leak: bool) -> tuple[Opened, ModelVersion]:
        name = "leaking" if leak else "sound"
        schemas = {f"schemas.{layer}": f"{name}_{own[f'schemas.{layer}']}" for layer in ("silver", "gold")}
        opened = PROJECT.open("local", str(ROOT), **{**own, **schemas, "parameters.reasons": "0"})
        lakehouse = Lakehouse(spark, opened.configuration, opened.contracts)
        written(lakehouse, "silver.transactions", sales(leak), SALES)
        campaign = [(1, 1, datetime(2017, 1, 5).date(), 10)]
        columns = "campaign_id INT, household_id INT, start_date DATE, duration_days INT"
        written(lakehouse, "silver.campaigns", campaign, columns)
        store = FeatureStore(lakehouse.namespace, FeatureRegistry(TABLES, opened.contracts))
        for table in TABLES:
            refresh(lakehouse, store, table.name, datetime(2017, 8, 31).date(), backfill=False)
        registry = open_model_registry(opened.configuration)
        data = read_training_data(lakehouse, store, MODEL_PROJECT)
        version, _ = run_training(
            opened.configuration, MODEL_PROJECT, registry, CHURN, data, experiment="leak", trials=1, seed=1
        )
        return opened, version

    return trained


def written(lakehouse: Lakehouse, table: str, rows: Sequence[tuple[Any, ...]], columns: str) -> None:
    schema = struct_type(lakehouse.contract(table))
    create_table(lakehouse.spark, lakehouse.namespace, table, schema=schema)
    frame = lakehouse.spark.createDataFrame(rows, columns)
    others = {
        field.name: F.lit(None if field.dataType.simpleString() == "string" else 1).cast(field.dataType)
        if field.dataType.simpleString() not in ("date", "timestamp")
        else F.lit("2017-01-01").cast(field.dataType)
        for field in schema
        if field.name not in frame.columns
    }
    append(
        lakehouse.spark,
        lakehouse.identifier(table),
        frame.withColumns(others),
        folder=lakehouse.namespace.location(table),
    )


def test_a_leak_planted_in_silver_is_stopped_by_a_gate_until_somebody_has_looked(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other gates are open on a laptop, and would be in production too: nothing is better than a leak."""
    opened, version = train(True)

    code = model_actions.promote(OpenedModels(opened, MODEL_PROJECT), CHURN.name, "Ann")
    said = capsys.readouterr().out
    seen = {**opened.configuration.parameters, "churn_acknowledged_version": version.version}
    looked = Opened(
        opened.project, opened.root, opened.configuration.model_copy(update={"parameters": seen}), opened.contracts
    )
    acknowledged = model_actions.promote(OpenedModels(looked, MODEL_PROJECT), CHURN.name, "Ann")

    assert version.metrics["test_auc"] > 0.95
    assert version.metrics["test_positives"] >= 15
    assert code == 3
    assert "household_churn version 1 stays challenger" in said
    assert "does a feature know the future?" in said
    assert "parameters.churn_acknowledged_version: 1" in said
    assert acknowledged == 0


def test_the_same_sales_without_the_leak_have_nothing_to_say_and_production_refuses_them(train: Train) -> None:
    """What stopped the other one is the leak, and chance is stopped by the ends of the intervals."""
    opened, version = train(False)
    production = PROJECT.open("prod", str(ROOT)).configuration.parameter
    registry = open_model_registry(opened.configuration)
    name = registered_name(opened.configuration, MODEL_PROJECT, CHURN)

    here = registry.evaluate(name, CHURN.gates(opened.configuration.parameter))
    there = registry.evaluate(name, CHURN.gates(production))

    assert here.failures == ()
    assert version.metrics["test_auc"] < 0.7
    assert any("test_auc_low" in failure or "test_skill_low" in failure for failure in there.failures)
