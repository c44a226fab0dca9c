from __future__ import annotations

from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import SparkSession

from {{ cookiecutter.package_name }}.transformations.silver.campaigns import clean_campaigns


def test_a_campaign_lasts_from_its_first_to_its_last_day(spark: SparkSession) -> None:
    campaigns = frame(
        spark,
        """
        | campaign_id | campaign_type | start_date | end_date   |
        | 1           | Type A        | 2017-03-01 | 2017-03-01 |
        | 2           | Type B        | 2017-02-27 | 2017-03-02 |
        | 3           | Type C        | 2017-03-05 | 2017-03-01 |
        | 4           | null          | 2017-03-05 | null       |
        """,
        "campaign_id INT, campaign_type STRING, start_date DATE, end_date DATE",
    )

    cleaned = clean_campaigns(campaigns)

    assert_frame(
        cleaned,
        """
        | campaign_id | campaign_type | start_date | end_date   | duration_days |
        | 1           | Type A        | 2017-03-01 | 2017-03-01 | 1             |
        | 2           | Type B        | 2017-02-27 | 2017-03-02 | 4             |
        | 3           | Type C        | 2017-03-05 | 2017-03-01 | -3            |
        | 4           | null          | 2017-03-05 | null       | null          |
        """,
    )


def test_spaces_around_the_type_of_a_campaign_are_removed(spark: SparkSession) -> None:
    campaigns = spark.sql(
        "SELECT ' Type A ' AS campaign_type, DATE'2017-01-01' AS start_date, DATE'2017-01-02' AS end_date"
    )

    cleaned = clean_campaigns(campaigns).select("campaign_type")

    assert_frame(cleaned, "| campaign_type |\n| Type A |")
