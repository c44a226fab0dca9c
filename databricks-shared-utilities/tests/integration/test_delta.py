"""Writing and reading Delta tables through SQL, in classic and Connect sessions alike."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import permutations
from pathlib import Path
from uuid import uuid4

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.contracts import parse_schema
from databricks_utils.delta import (
    TABLE_PROPERTIES,
    Namespace,
    add_missing_columns,
    append,
    changed_rows,
    commits_since,
    create_table,
    last_commit,
    merge_by_key,
    newest_version,
    overwrite,
    restore,
    rows_at,
    set_comments,
    table_exists,
    table_properties,
    vacuum,
)
from databricks_utils.delta.commit_log import commit_entries
from databricks_utils.errors import InvalidInput

SCHEMA = "id BIGINT, name STRING"


@pytest.fixture
def namespace(spark: SparkSession, tmp_path: Path) -> Iterator[Namespace]:
    schema = f"s_{uuid4().hex[:8]}"
    yield Namespace("spark_catalog", {"silver": schema}, tmp_path / "ware house")
    spark.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


@pytest.fixture
def table(spark: SparkSession, namespace: Namespace) -> str:
    identifier = namespace.identifier("silver.people")
    properties = ", ".join(f"'{key}' = '{value}'" for key, value in TABLE_PROPERTIES.items())
    statement = f"CREATE TABLE IF NOT EXISTS {identifier} ({SCHEMA}) USING DELTA TBLPROPERTIES ({properties})"
    create_table(spark, namespace, "silver.people", statement)
    return identifier


def rows(spark: SparkSession, values: list[tuple[int | None, str | None]]) -> DataFrame:
    return spark.createDataFrame(values, SCHEMA)


def content(spark: SparkSession, table: str) -> set[tuple[int | None, str | None]]:
    return {(row.id, row.name) for row in spark.table(table).collect()}


def test_a_merge_inserts_and_updates_and_leaves_equal_rows_alone(spark: SparkSession, table: str) -> None:
    overwrite(spark, table, rows(spark, [(1, "a"), (2, None), (None, "n")]))

    commit = merge_by_key(
        spark, table, rows(spark, [(1, "a"), (2, "b"), (3, "c"), (None, "m")]), ["id"], columns=["id", "name"]
    )

    assert content(spark, table) == {(1, "a"), (2, "b"), (3, "c"), (None, "m")}
    assert commit.rows_written == 3
    assert commit.metrics["numSourceRows"] == 4


def test_a_merge_that_changes_nothing_makes_no_commit(spark: SparkSession, table: str) -> None:
    before = overwrite(spark, table, rows(spark, [(1, None)]))

    commit = merge_by_key(spark, table, rows(spark, [(1, None)]), ["id"], columns=["id", "name"])

    assert (commit.version, commit.rows_written) == (before.version, 0)


def test_comments_are_stored_letter_by_letter_and_written_once(spark: SparkSession, table: str) -> None:
    text = "Name ('quoted', \\ and ${spark.app.name})"

    first = set_comments(spark, table, text, {"name": text, "id": ""})
    written = last_commit(spark, table).version
    second = set_comments(spark, table, text, {"name": text, "id": ""})

    assert (first, second) == (("name",), ())
    assert last_commit(spark, table).version == written
    assert spark.table(table).schema["name"].metadata["comment"] == text


def test_an_overwrite_keeps_the_properties_of_the_table(spark: SparkSession, table: str) -> None:
    overwrite(spark, table, rows(spark, [(1, "a")]))
    overwrite(spark, table, rows(spark, [(2, "b")]))

    properties = table_properties(spark, table)

    assert properties["delta.enableChangeDataFeed"] == "true"
    assert content(spark, table) == {(2, "b")}


def test_an_overwrite_of_a_slice_leaves_the_rest(spark: SparkSession, table: str) -> None:
    overwrite(spark, table, rows(spark, [(1, "a"), (2, "b")]))

    overwrite(spark, table, rows(spark, [(2, "c")]), where="id = 2")

    assert content(spark, table) == {(1, "a"), (2, "c")}


def test_a_table_that_was_only_created_is_filled_without_looking_for_rows_to_replace(
    spark: SparkSession, table: str, namespace: Namespace
) -> None:
    folder = namespace.location("silver.people")

    overwrite(spark, table, rows(spark, [(1, "a")]), folder=folder)
    filled = spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1").collect()[0].operationParameters["mode"]
    overwrite(spark, table, rows(spark, [(2, "b")]), folder=folder)

    assert filled == "Append"
    assert content(spark, table) == {(2, "b")}


def test_a_repeated_transaction_appends_nothing(spark: SparkSession, table: str) -> None:
    append(spark, table, rows(spark, [(1, "a")]), transaction=("loader", 7))
    append(spark, table, rows(spark, [(1, "a")]), transaction=("loader", 7))

    assert spark.table(table).count() == 1


def test_the_change_feed_gives_both_images_of_an_update(spark: SparkSession, table: str) -> None:
    first = overwrite(spark, table, rows(spark, [(1, "a"), (2, "b")]))
    second = merge_by_key(spark, table, rows(spark, [(2, "c"), (3, "d")]), ["id"], columns=["id", "name"])

    feed = changed_rows(spark, table, first.version, second.version).collect()

    assert {(row.id, row.name, row._change_type) for row in feed} == {
        (2, "b", "update_preimage"),
        (2, "c", "update_postimage"),
        (3, "d", "insert"),
    }


def test_a_restored_table_is_as_it_was_and_keeps_its_history(spark: SparkSession, table: str) -> None:
    first = overwrite(spark, table, rows(spark, [(1, "a")]))
    second = overwrite(spark, table, rows(spark, [(2, "b")]))

    restore(spark, table, first.version)

    assert content(spark, table) == {(1, "a")}
    assert rows_at(spark, table, second.version).count() == 1
    assert last_commit(spark, table).operation == "RESTORE"


def test_the_log_folder_tells_what_the_history_tells(spark: SparkSession, namespace: Namespace, table: str) -> None:
    folder = namespace.location("silver.people")
    overwrite(spark, table, rows(spark, [(1, "a"), (2, "b")]))
    merge_by_key(spark, table, rows(spark, [(2, "c"), (3, "d")]), ["id"], columns=["id", "name"])
    append(spark, table, rows(spark, [(4, "e")]))
    spark.sql(f"DELETE FROM {table} WHERE id = 1")
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('team' = 'tests')")
    restore(spark, table, 2)

    asked = commits_since(spark, table)
    read = commits_since(spark, table, folder=folder)

    assert [commit.operation for commit in read][:3] == ["RESTORE", "SET TBLPROPERTIES", "DELETE"]
    assert read == asked
    assert commits_since(spark, table, 3, folder=folder) == commits_since(spark, table, 3)
    assert last_commit(spark, table, folder=folder) == last_commit(spark, table)


def test_a_history_whose_first_files_were_cleaned_up_is_asked_of_spark(
    spark: SparkSession, namespace: Namespace, table: str
) -> None:
    folder = namespace.location("silver.people")
    assert folder is not None
    overwrite(spark, table, rows(spark, [(1, "a")]))
    (folder / "_delta_log" / f"{1:020d}.json").write_text('{"metaData":{}}\n', encoding="utf-8")

    assert commit_entries(folder, 0) is None
    assert newest_version(folder) == 1


def test_columns_the_contract_gained_are_added(spark: SparkSession, table: str) -> None:
    wanted = spark.createDataFrame([], "id BIGINT, NAME STRING, city STRING").schema

    assert add_missing_columns(spark, table, wanted) == ("city",)
    assert spark.table(table).columns == ["id", "name", "city"]


def test_a_column_of_every_type_is_added_to_a_table_that_exists(spark: SparkSession, table: str) -> None:
    kinds = ("TIMESTAMP_NTZ", "STRUCT<`a-b`: INT, `größe`: ARRAY<MAP<STRING, STRUCT<`2`: DATE>>>>")
    wanted = parse_schema(", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds)))

    assert add_missing_columns(spark, table, wanted) == ("c0", "c1")
    assert spark.table(table).select("c0", "c1").schema == wanted


def test_a_table_known_only_by_its_folder_is_registered(spark: SparkSession, namespace: Namespace, table: str) -> None:
    overwrite(spark, table, rows(spark, [(1, "a")]))
    # What a new process sees: the folder is there and the catalog is empty.
    spark.sql(f"DROP SCHEMA {namespace.schema('silver')} CASCADE")

    assert table_exists(spark, namespace, "silver.people")
    assert content(spark, table) == {(1, "a")}
    assert not table_exists(spark, namespace, "silver.nobody")


def test_vacuum_refuses_a_retention_that_readers_would_notice(spark: SparkSession, table: str) -> None:
    with pytest.raises(InvalidInput, match="167 hours"):
        vacuum(spark, table, retention_hours=167)


def test_a_table_its_versions_and_its_changes_keep_apart_in_one_query(spark: SparkSession, table: str) -> None:
    """Over Connect the frames of a query are analysed at once, and Spark looks a table of one name up only once."""
    first, second, third = (
        append(spark, table, rows(spark, [(number, "a") for number in numbers])).version
        for numbers in (range(3), range(3, 5), range(5, 6))
    )
    now = spark.table(table).select("id", F.lit("now").alias("what"))
    early = changed_rows(spark, table, first, second).select("id", F.lit("early").alias("what"))
    late = changed_rows(spark, table, second, third).select("id", F.lit("late").alias("what"))
    before = rows_at(spark, table, first).select("id", F.lit("before").alias("what"))
    expected = {"now": range(6), "early": range(3, 5), "late": range(5, 6), "before": range(3)}

    for order in permutations([now, early, late, before]):
        found: dict[str, list[int]] = {}
        for row in reduce(DataFrame.union, order).collect():
            found.setdefault(row.what, []).append(row.id)
        assert {what: sorted(ids) for what, ids in found.items()} == {what: list(ids) for what, ids in expected.items()}
    # A join of a table's changes with the table, as a transformation that counts the rows of its own lookup makes it.
    counted = changed_rows(spark, table, second, third).crossJoin(spark.table(table).groupBy().count())
    assert [row["count"] for row in counted.collect()] == [6]
