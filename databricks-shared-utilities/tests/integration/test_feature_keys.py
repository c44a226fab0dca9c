"""Features meet labels and requests by keys of one kind, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_shop import COLUMNS, CONTRACTS, FEATURES, HOUSEHOLDS, SALES
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.contracts import Column
from databricks_utils.delta import Namespace
from databricks_utils.errors import InputProblems, InvalidInput
from databricks_utils.features import (
    FeatureRegistry,
    FeatureStore,
    OnlineStore,
    as_of,
    create_training_set,
    publish,
    require_same_keys,
)
from databricks_utils.models import asks_challenger

MOMENT = datetime(2024, 3, 2, tzinfo=timezone.utc)
LATER = datetime(2024, 3, 3, tzinfo=timezone.utc)
GREAT = 9_007_199_254_740_993


def joined(spark: SparkSession, given: str, known: str, value: str = "1") -> list[Any]:
    """Join one label with one row, each with a key of a type, and return the values found."""
    rows = spark.sql(f"SELECT {known} AS id, TIMESTAMP '2024-03-02 00:00:00Z' AS available_at, 5 AS a")
    labels = spark.sql(f"SELECT {given} AS customer, TIMESTAMP '2024-03-03 00:00:00Z' AS at, {value} AS n")
    found = as_of(labels, rows, timestamp="at", entity={"id": "customer"}, columns=["a"])
    return [row.a for row in found.collect()]


@pytest.mark.parametrize(
    ("given", "known", "types"),
    [
        (f"CAST({GREAT - 1}D AS DOUBLE)", f"{GREAT}L", "is DOUBLE; floating point cannot be a key"),
        ("'007'", "7L", "is STRING, and 'id', which it is joined with, is BIGINT"),
        ("'abc'", "7L", "is STRING, and 'id', which it is joined with, is BIGINT"),
        ("7", "'7'", "is INT, and 'id', which it is joined with, is STRING"),
        ("true", "1", "is BOOLEAN, and 'id', which it is joined with, is INT"),
        ("CAST(1.5 AS DECIMAL(10,2))", "1", r"is DECIMAL\(10,2\), and 'id'"),
        ("CAST(1.50 AS DECIMAL(10,2))", "CAST(1.5 AS DECIMAL(10,4))", r"is DECIMAL\(10,2\), and .* is DECIMAL\(10,4\)"),
        ("DATE '2024-03-01'", "TIMESTAMP '2024-03-01 00:00:00Z'", "is DATE, and .* is TIMESTAMP"),
        ("TIMESTAMP_NTZ '2024-03-01 00:00:00'", "TIMESTAMP '2024-03-01 00:00:00Z'", "is TIMESTAMP_NTZ, and"),
        ("'2024-03-01'", "DATE '2024-03-01'", "is STRING, and .* is DATE"),
        ("X'37'", "'7'", "is BINARY, and .* is STRING"),
        ("CAST(1 AS FLOAT)", "CAST(1 AS FLOAT)", "floating point cannot be a key"),
        ("NULL", "1", "is VOID, and .* is INT"),
        ("struct(1D AS a)", "struct(1D AS a)", "is STRUCT<A:DOUBLE>; floating point cannot be a key.*"),
        ("array(CAST(1 AS FLOAT))", "array(CAST(1 AS FLOAT))", "is ARRAY<FLOAT>; floating point cannot be a key.*"),
    ],
)
def test_keys_of_two_kinds_are_not_joined(spark: SparkSession, given: str, known: str, types: str) -> None:
    with pytest.raises(InputProblems, match=f"(?s){types}.*where: labels.*cast"):
        joined(spark, given, known)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("CAST(7 AS TINYINT)", "7L"),
        ("7L", "CAST(7 AS SMALLINT)"),
        (f"{GREAT}L", f"{GREAT}L"),
        ("CAST('a' AS VARCHAR(9))", "'a'"),
        ("CAST(1.50 AS DECIMAL(10,2))", "CAST(1.50 AS DECIMAL(38,2))"),
        ("DATE '2024-03-01'", "DATE '2024-03-01'"),
        ("true", "true"),
    ],
)
def test_keys_of_one_kind_are_joined_whatever_their_width(spark: SparkSession, given: str, known: str) -> None:
    assert joined(spark, given, known) == [5]


def test_a_map_is_no_key(spark: SparkSession) -> None:
    with pytest.raises(InputProblems, match=r"(?s)is MAP<STRING,INT>; maps cannot be compared.*where: labels"):
        joined(spark, "map('a', 1)", "map('a', 1)")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"timestamp": "when"}, "There is no column 'when'.*Columns: id, at, n"),
        ({"entity": {"id": "customer"}}, "There is no column 'customer'"),
        ({"entity": {"key": "id"}}, "There is no column 'key'.*Columns: id, available_at, a"),
        ({"entity": {}}, "Nothing can be joined"),
        ({"columns": []}, "Nothing can be joined"),
        ({"columns": ["b"]}, "The rows have no column 'b'.*Columns: id, available_at, a"),
        ({"columns": ["N"]}, "The labels already have a column 'N'"),
        ({"sequence_by": "b"}, "The rows have no column 'b'"),
        ({"ttl_days": 0}, "cannot be used for 0 days"),
        ({"ttl_days": float("nan")}, "cannot be used for nan days"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_asked_of_a_join_is_refused_by_name(
    spark: SparkSession, asked: dict[str, Any], said: str
) -> None:
    rows = spark.sql("SELECT 1 AS id, TIMESTAMP '2024-03-02 00:00:00Z' AS available_at, 5 AS a")
    labels = spark.sql("SELECT 1 AS id, TIMESTAMP '2024-03-03 00:00:00Z' AS at, 2 AS n")
    sound: dict[str, Any] = {"timestamp": "at", "entity": {"id": "id"}, "columns": ["a"]}

    with pytest.raises(InvalidInput, match=f"(?s){said}"):
        as_of(labels, rows, **{**sound, **asked})
    with pytest.raises(InputProblems, match=r"(?s)The rows have no column 'available_at'"):
        as_of(labels, rows.drop("available_at"), **sound)


def test_a_wider_whole_number_that_the_narrow_key_cannot_hold_meets_nobody(spark: SparkSession) -> None:
    assert joined(spark, f"{2**32 + 7}L", "7") == [None]


def test_a_char_is_padded_and_so_meets_a_char_of_its_length_only(
    spark: SparkSession, schemas: Mapping[str, str]
) -> None:
    spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schemas['silver']}")
    table = f"{schemas['silver']}.padded"
    spark.sql(f"CREATE TABLE {table} (id CHAR(3), other CHAR(5)) USING parquet")
    spark.sql(f"INSERT INTO {table} VALUES ('a', 'a')")
    padded, plain = spark.table(table), spark.sql("SELECT 'a' AS id")

    require_same_keys(padded, padded, {"id": "id"}, where="labels")
    for given, known, key in ((padded, plain, "id"), (plain, padded, "id"), (padded, padded, "other")):
        with pytest.raises(InputProblems, match=r"CHAR\(3\)"):
            require_same_keys(given, known, {key: "id"}, where="labels")


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("TIMESTAMP_NTZ '2024-03-03 00:00:00'", "is TIMESTAMP_NTZ, which names no instant"),
        ("'2024-03-03'", "is STRING, which names no instant"),
        ("1709424000L", "is BIGINT, which names no instant"),
    ],
)
def test_a_moment_that_names_no_instant_is_refused(spark: SparkSession, moment: str, said: str) -> None:
    rows = spark.sql("SELECT 1 AS id, TIMESTAMP '2024-03-02 00:00:00Z' AS available_at, 5 AS a")
    labels = spark.sql(f"SELECT 1 AS id, {moment} AS at")

    with pytest.raises(InputProblems, match=f"(?s)'at' {said}.*to_utc_timestamp"):
        as_of(labels, rows, timestamp="at", entity={"id": "id"}, columns=["a"])
    with pytest.raises(InputProblems, match="'available_at' is"):
        as_of(
            rows.withColumnRenamed("available_at", "at"),
            labels.select("id", F.col("at").alias("available_at"), F.lit(5).alias("a")),
            timestamp="at",
            entity={"id": "id"},
            columns=["a"],
        )


@pytest.fixture
def far_away(spark: SparkSession) -> Iterator[None]:
    zone = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Pacific/Auckland")
    yield
    spark.conf.set("spark.sql.session.timeZone", str(zone))


@pytest.mark.usefixtures("far_away")
def test_a_date_is_its_midnight_in_utc_in_every_session(spark: SparkSession) -> None:
    rows = spark.sql("SELECT 1 AS id, TIMESTAMP '2024-03-02 00:00:00Z' AS available_at, 5 AS a")
    labels = spark.sql("SELECT 1 AS id, explode(array(DATE '2024-03-01', DATE '2024-03-02')) AS at")

    found = as_of(labels, rows, timestamp="at", entity={"id": "id"}, columns=["a"]).collect()

    assert {str(row.at): row.a for row in found} == {"2024-03-01": None, "2024-03-02": 5}


@pytest.fixture
def store(schemas: Mapping[str, str], tmp_path: Path) -> FeatureStore:
    return store_of(schemas, tmp_path, "BIGINT")


def store_of(schemas: Mapping[str, str], folder: Path, key: str) -> FeatureStore:
    """Return a store of one feature whose first key has a type."""
    columns = (Column("household_id", key, description="Household."), *SALES.columns[1:])
    table = replace(HOUSEHOLDS, features=FEATURES[:1])
    contracts = {**CONTRACTS, "silver.sales": replace(SALES, columns=columns)}
    return FeatureStore(Namespace("spark_catalog", schemas, folder), FeatureRegistry([table], contracts))


def events_of(spark: SparkSession, key: str, value: Any = 7) -> DataFrame:
    given: dict[str, Any] = {"store_id": 1, "sold_at": datetime(2024, 3, 1, 9, tzinfo=timezone.utc)}
    types = {**COLUMNS, "household_id": "INT"} if isinstance(value, int) else {**COLUMNS, "household_id": "STRING"}
    row = tuple({**dict.fromkeys(COLUMNS), **given, "household_id": value}[name] for name in COLUMNS)
    frame = spark.createDataFrame([row], ", ".join(f"{name} {kind}" for name, kind in types.items()))
    return frame.withColumn("household_id", F.expr(f"CAST(household_id AS {key})"))


def test_a_training_set_refuses_keys_of_another_type_than_the_contract_s(
    spark: SparkSession, store: FeatureStore
) -> None:
    labels = spark.createDataFrame([("7", 1, MOMENT)], "customer STRING, store_id BIGINT, at TIMESTAMP")

    with pytest.raises(InputProblems, match=r"(?s)'customer' is STRING, .*is BIGINT.*labels, joined with gold\.house"):
        create_training_set(store, labels, ["lines_1d"], timestamp="at", on={"household_id": "customer"})
    with pytest.raises(InputProblems, match="'store_id' is BIGINT, which names no instant"):
        create_training_set(store, labels, ["lines_1d"], timestamp="store_id", on={"household_id": "customer"})


def test_events_of_other_types_than_the_contract_s_are_not_computed(spark: SparkSession, store: FeatureStore) -> None:
    name, good, text = HOUSEHOLDS.name, events_of(spark, "INT"), events_of(spark, "STRING")
    plain = good.withColumn("sold_at", F.expr("CAST(sold_at AS TIMESTAMP_NTZ)"))
    assert store.write_days(spark, name, good, last_day=date(2024, 3, 1)) == 1
    attempts: list[Callable[[], object]] = [
        lambda: store.write_days(spark, name, text, last_day=date(2024, 3, 2)),
        lambda: store.rebuild(spark, name, text, last_day=date(2024, 3, 2)),
        lambda: store.mend(spark, name, good, text, last_day=date(2024, 3, 1)),
        lambda: store.mend(spark, name, text, good, last_day=date(2024, 3, 1)),
    ]

    for attempt in attempts:
        with pytest.raises(InputProblems, match=r"(?s)'household_id' is STRING.*events of gold\.household_features"):
            attempt()
    with pytest.raises(InputProblems, match="'sold_at' is TIMESTAMP_NTZ, and its contract says TIMESTAMP"):
        store.write_days(spark, name, plain, last_day=date(2024, 3, 2))


def test_a_table_of_other_keys_than_the_contract_s_is_neither_read_nor_written(
    spark: SparkSession, store: FeatureStore, schemas: Mapping[str, str], tmp_path: Path
) -> None:
    name = HOUSEHOLDS.name
    store.write_days(spark, name, events_of(spark, "INT"), last_day=date(2024, 3, 1))
    other = store_of(schemas, tmp_path, "STRING")

    for attempt in (lambda: other.read(spark, name), lambda: other.ensure(spark, name)):
        with pytest.raises(InvalidInput, match=r"(?s)'household_id' is BIGINT, .*is STRING.*drop the table"):
            attempt()


KEYS: Mapping[str, tuple[str, Any, list[Any], list[Any]]] = {
    "whole number": ("BIGINT", 7, [7, np.int32(7), np.uint64(7)], ["7", 7.0, True, Decimal(7), None, 2**63]),
    "text": ("STRING", "007", ["007", np.str_("007")], [7, 7.0, None]),
    "decimal": ("DECIMAL(10,2)", 7, [Decimal("7"), Decimal("7.00")], [7, "7.00", 7.0, Decimal("7.001")]),
    "date": ("DATE", "2024-03-01", [date(2024, 3, 1)], ["2024-03-01", datetime(2024, 3, 1)]),
    "moment": ("TIMESTAMP", "2024-03-01 01:00:00+01:00", [datetime(2024, 3, 1, tzinfo=timezone.utc)], ["2024-03-01"]),
    "boolean": ("BOOLEAN", 1, [True, np.bool_(True)], [1, "true"]),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_request_finds_its_entity_by_every_value_of_the_key_s_type_and_by_no_other(
    spark: SparkSession, schemas: Mapping[str, str], tmp_path: Path, kind: str
) -> None:
    data_type, value, right, wrong = KEYS[kind]
    store, name = store_of(schemas, tmp_path, data_type), HOUSEHOLDS.name
    store.write_days(spark, name, events_of(spark, data_type, value), last_day=date(2024, 3, 1))
    publish(tmp_path / "online.db", store.registry, name, store.read(spark, name))

    with OnlineStore(tmp_path / "online.db", store.registry) as online:
        for household in right:
            assert online.look_up(name, (household, 1), at=MOMENT) == {
                "lines_1d": 1,
                "lines_3d": 1,
                "lines_7d": 1,
            }, repr(household)
        for household in wrong:
            with pytest.raises(InvalidInput, match=r"is no key of gold\.household_features"):
                online.look_up(name, (household, 1), at=MOMENT)


def test_an_entity_has_one_side_whether_spark_or_pandas_has_read_its_key(spark: SparkSession) -> None:
    kinds = {
        "whole": "id",
        "narrow": "CAST(id AS SMALLINT)",
        "text": "CAST(id AS STRING)",
        "price": "CAST(id AS DECIMAL(10,2))",
        "day": "date_add(DATE '2024-01-01', CAST(id AS INT))",
        "even": "id % 2 = 0",
    }
    known = {
        "whole": int,
        "narrow": int,
        "text": str,
        "price": lambda n: Decimal(n) + Decimal("0.0"),
        "day": lambda n: date(2024, 1, 1) + timedelta(n),
        "even": lambda n: n % 2 == 0,
    }
    frame = spark.range(60).selectExpr("id AS n", *[f"{sql} AS {name}" for name, sql in kinds.items()])
    rows, pandas = frame.collect(), frame.toPandas()

    for name, python in known.items():
        sides = [
            [asks_challenger((value,), share=0.5, experiment=name) for value in values]
            for values in ([row[name] for row in rows], pandas[name], [python(row.n) for row in rows])
        ]
        assert sides[0] == sides[1] == sides[2], name
        assert {True, False} == set(sides[0]) or name == "even"


def test_rows_of_other_keys_than_the_contract_s_are_not_published(
    spark: SparkSession, store: FeatureStore, tmp_path: Path
) -> None:
    store.write_days(spark, HOUSEHOLDS.name, events_of(spark, "INT"), last_day=date(2024, 3, 1))
    rows = store.read(spark, HOUSEHOLDS.name).withColumn("household_id", F.expr("CAST(household_id AS STRING)"))

    with pytest.raises(InputProblems, match=r"(?s)'household_id' is STRING.*rows of gold\.household_features"):
        publish(tmp_path / "online.db", store.registry, HOUSEHOLDS.name, rows)
    assert not (tmp_path / "online.db").exists()
