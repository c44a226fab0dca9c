from __future__ import annotations

from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.frames import frame
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from {{ cookiecutter.package_name }}.transformations.silver.households import DESCRIPTIONS, clean_households


def test_each_thing_that_is_not_said_about_a_household_becomes_unknown(spark: SparkSession) -> None:
    households = frame(
        spark,
        """
        | household_id | said  |
        | 1            | Married |
        | 2            | null  |
        | 3            | ""    |
        | null         | 5+    |
        """,
        "household_id BIGINT, said STRING",
    ).withColumns({"status": F.lit("active"), **{name: F.col("said") for name in DESCRIPTIONS}})

    cleaned = clean_households(households)

    assert_frame(
        cleaned.select("household_id", F.array_distinct(F.array(*DESCRIPTIONS)).alias("all_seven")),
        """
        | household_id | all_seven   |
        | 1            | ["Married"] |
        | 2            | ["UNKNOWN"] |
        | 3            | ["UNKNOWN"] |
        | null         | ["5+"]      |
        """,
    )


def test_descriptions_and_status_are_read_without_spaces_and_the_status_in_small_letters(
    spark: SparkSession,
) -> None:
    # A cell of a table written as text cannot begin with a blank.
    households = spark.range(1).withColumns(
        {"status": F.lit(" Closed "), **{name: F.lit("  25-34 ") for name in DESCRIPTIONS}}
    )

    cleaned = clean_households(households)

    assert_frame(
        cleaned.select("status", F.array_distinct(F.array(*DESCRIPTIONS)).alias("all_seven")),
        """
        | status | all_seven |
        | closed | ["25-34"] |
        """,
    )


def test_a_status_that_is_missing_stays_missing_for_the_contract_to_refuse(spark: SparkSession) -> None:
    households = spark.range(1).withColumns(
        {"status": F.expr("CAST(NULL AS STRING)"), **{name: F.lit("x") for name in DESCRIPTIONS}}
    )

    assert_frame(clean_households(households).select("status"), "| status |\n| null |")
