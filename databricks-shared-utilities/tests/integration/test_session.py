"""A session with Delta Lake: what works in it, and what a person sees of its start."""

from __future__ import annotations

import datetime
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from own_process import own_environment
from pyspark.sql import functions as F

from databricks_utils.session import record_classes
from databricks_utils.spark_client import spark_pool
from databricks_utils.testing import TableFactory, assert_frame, frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

PRODUCTS = """
| product_id | brand    |
|------------|----------|
| 1          | NATIONAL |
| 2          | PRIVATE  |
"""
PRODUCT_TYPES = "product_id BIGINT, brand STRING"


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python process of its own, as a user's command would."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_mode_of_the_suite_decides_what_kind_of_session_it_gets(spark: SparkSession, spark_mode: str) -> None:
    assert ("connect" in type(spark).__module__) == (spark_mode == "connect")


def test_a_delta_table_keeps_what_was_written(
    spark: SparkSession, schemas: Mapping[str, str], table_factory: TableFactory
) -> None:
    table = table_factory(f"{schemas['silver']}.products", PRODUCTS, PRODUCT_TYPES)

    assert_frame(spark.table(table), PRODUCTS)
    assert spark.sql(f"DESCRIBE DETAIL {table}").select("format").collect()[0][0] == "delta"


def test_merge_updates_inserts_and_leaves_a_change_feed(spark: SparkSession, schemas: Mapping[str, str]) -> None:
    table = f"{schemas['silver']}.products"
    spark.sql(f"CREATE TABLE {table} ({PRODUCT_TYPES}) USING delta TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    frame(spark, PRODUCTS, PRODUCT_TYPES).write.insertInto(table)
    frame(spark, "| product_id | brand |\n| 2 | NATIONAL |\n| 3 | PRIVATE |", PRODUCT_TYPES).createOrReplaceTempView(
        "changed"
    )

    spark.sql(
        f"MERGE INTO {table} AS t USING changed AS s ON t.product_id = s.product_id "
        "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )

    feed = spark.sql(f"SELECT product_id, brand, _change_type AS change FROM table_changes('{table}', 2)")
    assert_frame(
        feed,
        """
        | product_id | brand    | change           |
        | 2          | PRIVATE  | update_preimage  |
        | 2          | NATIONAL | update_postimage |
        | 3          | PRIVATE  | insert           |
        """,
    )


def test_optimize_joins_small_files_and_vacuum_and_restore_work(
    spark: SparkSession, schemas: Mapping[str, str], table_factory: TableFactory
) -> None:
    table = table_factory(f"{schemas['silver']}.products", PRODUCTS, PRODUCT_TYPES)
    frame(spark, "| product_id | brand |\n| 3 | PRIVATE |", PRODUCT_TYPES).write.insertInto(table)

    spark.sql(f"OPTIMIZE {table}").collect()
    files_after = spark.sql(f"DESCRIBE DETAIL {table}").select("numFiles").collect()[0][0]
    spark.sql(f"VACUUM {table}").collect()
    spark.sql(f"RESTORE TABLE {table} TO VERSION AS OF 0").collect()

    assert files_after == 1
    assert_frame(spark.table(table), PRODUCTS)


def test_a_clustered_table_with_deletion_vectors_can_be_deleted_from(
    spark: SparkSession, schemas: Mapping[str, str]
) -> None:
    table = f"{schemas['gold']}.sales"
    spark.sql(
        f"CREATE TABLE {table} ({PRODUCT_TYPES}) USING delta CLUSTER BY (product_id) "
        "TBLPROPERTIES (delta.enableDeletionVectors = true)"
    )
    frame(spark, PRODUCTS, PRODUCT_TYPES).write.insertInto(table)

    spark.sql(f"DELETE FROM {table} WHERE product_id = 1")

    assert_frame(spark.table(table), "| product_id | brand |\n| 2 | PRIVATE |")


def test_timestamps_are_utc_in_spark_and_in_python(spark: SparkSession) -> None:
    row = spark.sql("SELECT TIMESTAMP '2024-07-01 12:00:00' AS at, unix_timestamp(TIMESTAMP '1970-01-02') AS s")

    assert row.collect()[0] == (datetime.datetime(2024, 7, 1, 12), 86400)


def test_a_cast_that_fails_is_an_error_in_every_series(spark: SparkSession) -> None:
    from pyspark.errors import PySparkException

    with pytest.raises(PySparkException, match="CAST_INVALID_INPUT"):
        spark.sql("SELECT CAST('a' AS INT)").collect()


def test_a_thread_computes_as_the_main_thread_does(spark: SparkSession) -> None:
    """Settings are looked at when an expression is made: on Spark 3.5 a thread without a session has those of Spark."""

    def divided() -> str:
        return failure(spark.range(1).select((F.col("id") / F.lit(0)).alias("x")))

    def too_great() -> str:
        return failure(spark.range(1).select((F.lit(2**31 - 1) + F.lit(1)).alias("x")))

    def cast() -> str:
        return failure(spark.range(1).select(F.expr("CAST('many' AS INT)").alias("x")))

    with spark_pool(spark, 3) as pool:
        found = [future.result() for future in [pool.submit(ask) for ask in (divided, too_great, cast)]]

    conditions = ("DIVIDE_BY_ZERO", "ARITHMETIC_OVERFLOW", "CAST_INVALID_INPUT")
    assert [condition in text for condition, text in zip(conditions, found, strict=True)] == [True, True, True], found


def failure(frame: DataFrame) -> str:
    try:
        return f"no failure: {frame.collect()}"
    except Exception as error:
        return str(error)


def test_a_frame_from_text_reads_nulls_empty_text_quotes_and_nested_values(spark: SparkSession) -> None:
    actual = frame(
        spark,
        r"""
        | id | name   | price | tags      |
        |----|--------|-------|-----------|
        | 1  | O'B\x  | 1.50  | ["a","b"] |
        | 2  | ""     |       | null      |
        """,
        "id BIGINT NOT NULL, name STRING, price DECIMAL(10,2), tags ARRAY<STRING>",
    )

    first, second = actual.orderBy("id").collect()
    assert (first.name, str(first.price), first.tags) == ("O'B\\x", "1.50", ["a", "b"])
    assert (second.name, second.price, second.tags) == ("", None, None)
    assert all(field.nullable for field in actual.schema.fields)


def test_a_frame_without_rows_keeps_its_types(spark: SparkSession) -> None:
    empty = frame(spark, "| id | name |", "id BIGINT, name STRING")

    assert empty.count() == 0
    assert [field.dataType.simpleString() for field in empty.schema.fields] == ["bigint", "string"]


def test_a_difference_fails_the_assertion_of_a_frame(spark: SparkSession) -> None:
    actual = frame(spark, PRODUCTS, PRODUCT_TYPES)

    with pytest.raises(Exception, match="DIFFERENT_ROWS"):
        assert_frame(actual, PRODUCTS.replace("PRIVATE", "OTHER"))


def test_a_local_session_starts_and_ends_without_a_word_and_writes_only_into_its_warehouse(
    tmp_path: Path,
) -> None:
    warehouse = tmp_path / "my warehouse"
    done = run_python(
        f"""
        import os
        os.chdir({str(tmp_path)!r})
        from pathlib import Path
        from databricks_utils.session import LocalSpark, create_session
        spark = create_session(LocalSpark(), "quiet", Path({str(warehouse)!r}), short_lived=True)
        spark.sql("CREATE TABLE numbers USING delta AS SELECT id FROM range(3)")
        spark.sql("VACUUM numbers").collect()
        print(spark.table("numbers").count())
        """
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["my warehouse"]
    assert (warehouse / "numbers" / "_delta_log").is_dir()


def test_a_spark_that_cannot_start_is_told_with_its_last_words() -> None:
    done = run_python(
        """
        from databricks_utils.errors import MissingTool
        from databricks_utils.session import LocalSpark, create_session
        for attempt in (1, 2):
            try:
                create_session(LocalSpark(memory="300m"))
            except MissingTool as error:
                print(error)
        """
    )

    assert done.stdout.count("Spark did not start:") == 2, done.stderr
    assert "must be at least 471859200" in done.stdout
    assert "\tat " not in done.stdout
    assert done.stderr == ""


def test_a_server_of_our_own_serves_delta_and_is_gone_afterwards(tmp_path: Path) -> None:
    done = run_python(
        f"""
        from pathlib import Path
        from databricks_utils.session import LocalSpark, connect_server, create_session
        with connect_server(LocalSpark(), Path({str(tmp_path)!r}), short_lived=True) as server:
            spark = create_session(LocalSpark(mode="connect", remote=server.url))
            spark.sql("CREATE TABLE numbers USING delta AS SELECT id FROM range(3)")
            print(type(spark).__module__, spark.table("numbers").count())
            spark.stop()
        print(server.process.poll() is not None)
        """
    )

    assert done.stdout == "pyspark.sql.connect.session 3\nTrue\n", done.stderr


def test_a_server_that_does_not_answer_is_named_without_its_token() -> None:
    done = run_python(
        """
        from databricks_utils.errors import LakehouseError
        from databricks_utils.session import LocalSpark, create_session
        from databricks_utils.session.connect import free_port
        address = f"sc://127.0.0.1:{free_port()}/;token=s3cret"
        try:
            create_session(LocalSpark(mode="connect", remote=address))
        except LakehouseError as error:
            print(error)
        """
    )

    assert "The Connect server does not answer" in done.stdout, done.stderr
    assert "s3cret" not in done.stdout


@pytest.mark.matrix
def test_a_recorded_archive_of_classes_is_taken_up_by_java(tmp_path: Path) -> None:
    archive = record_classes(tmp_path / "my folder" / "spark.jsa")
    log = tmp_path / "loaded.txt"
    options = f'"-XX:SharedArchiveFile={archive}" -Xlog:class+load:file={log}'

    done = run_python(
        f"""
        from databricks_utils.session import LocalSpark, create_session
        settings = {{"spark.driver.extraJavaOptions": {options!r}}}
        print(create_session(LocalSpark(settings=settings)).range(3).count())
        """
    )

    shared = [line for line in log.read_text().splitlines() if "shared objects file (top)" in line]
    assert done.stdout == "3\n", done.stderr
    assert any("org.apache.spark.sql" in line for line in shared)
    assert [path.name for path in archive.parent.iterdir()] == ["spark.jsa"]
