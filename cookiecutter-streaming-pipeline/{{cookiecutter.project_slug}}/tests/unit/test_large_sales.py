from __future__ import annotations

import inspect

import pytest
from databricks_utils.cli.project import Opened
from databricks_utils.streaming import EventAlerts
from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE
from {{ cookiecutter.package_name }}.transformations.gold.large_sales import large_sales

SALES = """
| sale_id | event_time          | store_id | amount |
| s1      | 2024-01-05 10:00:00 | 1        | 199.99 |
| s2      | 2024-01-05 10:00:01 | 2        | 200.00 |
| s3      | 2024-01-05 10:00:02 | 2        |        |
"""
SCHEMA = "sale_id STRING, event_time TIMESTAMP, store_id INT, amount DECIMAL(10,2)"


def test_a_sale_is_told_from_the_amount_on_and_under_the_name_of_the_sale(spark: SparkSession) -> None:
    found = large_sales(frame(spark, SALES, SCHEMA), large_amount=200.0)

    assert_frame(
        found.select("alert_id", "store_id", "amount"),
        """
        | alert_id      | store_id | amount |
        | large_sale:s2 | 2        | 200.00 |
        """,
    )


@pytest.mark.parametrize("alerts", PIPELINE.event_alerts, ids=lambda alerts: alerts.name)
def test_the_parameters_of_an_alert_are_configured(alerts: EventAlerts, project: Opened) -> None:
    arguments = inspect.signature(alerts.transform).parameters.values()
    parameters = {item.name for item in arguments if item.kind is item.KEYWORD_ONLY}

    held = project.configuration
    assert parameters <= {*held.parameters, *held.feature_flags, *held.secrets}
