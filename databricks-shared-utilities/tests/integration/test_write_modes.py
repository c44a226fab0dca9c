"""Gold after every delivery is what a look at all rows gives, whichever way it is written; what cannot be is refused.

Random deliveries insert, change and delete rows of silver; the oracle computes each table from all of them in Python.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from little_shop import closed, opened, succeeded
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from databricks_utils.contracts import Column, Contract
from databricks_utils.delta import append
from databricks_utils.errors import InputProblems
from databricks_utils.medallion import (
    Bronze,
    Files,
    Gold,
    Lakehouse,
    Lookup,
    Pipeline,
    Replace,
    Scd2,
    Silver,
    Upsert,
    run_pipeline,
)
from databricks_utils.pipeline import technical

Row = dict[str, Any]
Wanted = Callable[[Sequence[Row], Sequence[Row]], Sequence[tuple[object, ...]]]
#: Values that text between two parsers would change, and the one that no list of literals finds.
REGIONS = ("N", "S", "it's", 'a "b"', "back\\slash", "${spark.app.name}", "UNKNOWN", " ", "", "ü", "2024-01-01", None)
EMAILS = ("a@x", "b@x", "c@x")
ORDERS = (
    "id BIGINT, region STRING, email STRING, active BOOLEAN, amount DECIMAL(10,2), day DATE, at TIMESTAMP, "
    "tags ARRAY<STRING>, revision INT"
)
COUNTRIES = "code INT, region STRING, country STRING"


@dataclass(frozen=True)
class Case:
    """A gold table: how it is computed and written, and what it should hold."""

    name: str
    columns: str
    key: Sequence[str]
    wanted: Wanted
    transform: Callable[..., DataFrame] | None = None
    write: Upsert | Replace | Scd2 = field(default_factory=Upsert)
    lookups: Sequence[Lookup] = ()
    unique: str | None = None


def contract(layer: str, table: str, columns: str, key: Sequence[str], unique: str | None = None) -> Contract:
    parts = [part.strip().partition(" ") for part in columns.split(", ")]
    return Contract(
        *(layer, table, "1.0.0", "active", "", ""),
        columns=tuple(Column(name, kind, primary_key=name in key, unique=name == unique) for name, _, kind in parts),
        key=tuple(key),
        path=Path(f"{layer}/{table}.yaml"),
    )


def known_countries(orders: DataFrame, countries: DataFrame) -> DataFrame:
    known = countries.select(F.col("region").alias("_region"), "country")
    return orders.join(known, F.col("region").eqNullSafe(F.col("_region"))).drop("_region")


def per_region(orders: DataFrame) -> DataFrame:
    return orders.groupBy("region").agg(F.count(F.lit(1)).alias("n"), F.sum("amount").alias("amount"))


def per_filled_region(orders: DataFrame) -> DataFrame:
    return per_region(orders.withColumn("region", F.coalesce("region", F.lit("UNKNOWN"))))


def running_total(orders: DataFrame) -> DataFrame:
    days = orders.groupBy("day").agg(F.sum("amount").alias("amount"))
    return days.withColumn("amount", F.sum("amount").over(Window.orderBy("day")))


def counted(rows: Sequence[Row], by: Callable[[Row], object]) -> dict[object, list[Row]]:
    groups: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        groups[by(row)].append(row)
    return groups


def region_or_unknown(row: Row) -> object:
    return "UNKNOWN" if row["region"] is None else row["region"]


def sums(groups: dict[object, list[Row]]) -> list[tuple[object, ...]]:
    return [(key, len(rows), sum(int(str(row["amount"])) for row in rows)) for key, rows in groups.items()]


def newest_by_email(rows: Sequence[Row], _: Sequence[Row]) -> list[tuple[object, ...]]:
    groups = counted(rows, lambda row: row["email"])
    newest = [max(group, key=lambda row: int(str(row["revision"]))) for group in groups.values()]
    return [(row["email"], row["id"], row["region"]) for row in newest]


def running(rows: Sequence[Row], _: Sequence[Row]) -> list[tuple[object, ...]]:
    days = dict(sorted(((day, total) for day, _, total in sums(counted(rows, lambda row: row["day"]))), key=str))
    return [(day, sum(total for other, total in days.items() if str(other) <= str(day))) for day in days]


SUMS = "region STRING, n BIGINT, amount DECIMAL(20,0)"
CASES = (
    Case("same", "id BIGINT, region STRING", ["id"], lambda rows, _: [(r["id"], r["region"]) for r in rows]),
    Case(
        "active",
        "id BIGINT, region STRING",
        ["id"],
        lambda rows, _: [(r["id"], r["region"]) for r in rows if r["active"]],
        lambda orders: orders.where("active"),
    ),
    Case(
        "active_members",
        "order_key BIGINT, id BIGINT, region STRING",
        ["order_key"],
        lambda rows, _: [(r["id"], r["region"]) for r in rows if r["active"]] + [(-1, "UNKNOWN")],
        lambda orders: orders.where("active"),
        Upsert(surrogate_key="order_key", unknown_member=True),
        unique="id",
    ),
    Case(
        "by_email",
        "email STRING, id BIGINT, region STRING",
        ["email"],
        newest_by_email,
        write=Upsert(sequence_by="revision"),
    ),
    Case(
        "by_place",
        "id BIGINT, region STRING",
        ["id", "region"],
        lambda rows, _: [(r["id"], r["region"] or "-") for r in rows],
        lambda orders: orders.selectExpr("id", "coalesce(nullif(region, ''), '-') AS region"),
    ),
    Case(
        "tags",
        "id BIGINT, tag STRING",
        ["id", "tag"],
        lambda rows, _: [(r["id"], tag) for r in rows for tag in r["tags"] or ()],
        lambda orders: orders.select("id", F.explode("tags").alias("tag")),
    ),
    Case(
        "shortened",
        "id BIGINT, n BIGINT",
        ["id"],
        lambda rows, _: [(r["id"], 1) for r in rows if int(str(r["id"])) >= 100],
        lambda orders: (
            orders.selectExpr("id % 100 AS id", "1 AS n")
            .where("false")
            .unionByName(orders.where("id >= 100").selectExpr("id", "1 AS n"))
        ),
    ),
    Case(
        "in_country",
        "id BIGINT, country STRING",
        ["id"],
        lambda rows, places: [
            (r["id"], place["country"]) for r in rows for place in places if place["region"] == r["region"]
        ],
        known_countries,
        lookups=(Lookup("silver.countries", on="region"),),
    ),
    Case(
        "active_by_region",
        "id BIGINT, region STRING",
        ["id"],
        lambda rows, _: [(r["id"], r["region"]) for r in rows if r["active"]],
        lambda orders: orders.where("active"),
        Replace(by="region"),
    ),
    Case(
        "per_filled_region",
        SUMS,
        ["region"],
        lambda rows, _: sums(counted(rows, region_or_unknown)),
        per_filled_region,
        Replace(by="region"),
    ),
    Case(
        "per_named_region",
        SUMS,
        ["region"],
        lambda rows, _: [row for row in sums(counted(rows, region_or_unknown)) if int(str(row[1])) > 1],
        lambda orders: per_filled_region(orders).where("n > 1"),
        Replace(by="region", of="coalesce(region, 'UNKNOWN')"),
    ),
    Case(
        "per_moment",
        "at TIMESTAMP, n BIGINT",
        ["at"],
        lambda rows, _: [(at, len(group)) for at, group in counted(rows, lambda r: r["at"]).items()],
        lambda orders: orders.groupBy("at").agg(F.count(F.lit(1)).alias("n")),
        Replace(by="at"),
    ),
    Case(
        "per_month",
        "month DATE, n BIGINT",
        ["month"],
        lambda rows, _: [
            (month, len(group)) for month, group in counted(rows, lambda r: r["day"].replace(day=1)).items()
        ],
        lambda orders: (
            orders.withColumn("month", F.trunc("day", "MONTH")).groupBy("month").agg(F.count(F.lit(1)).alias("n"))
        ),
        Replace(by="month", of="trunc(day, 'MONTH')"),
    ),
    Case("running", "day DATE, amount DECIMAL(20,0)", ["day"], running, running_total, Replace(by="day")),
)
SOURCES = (
    Bronze("orders", source=Files("orders")),
    Bronze("countries", source=Files("countries")),
    Silver("orders", reads="bronze.orders"),
    Silver("countries", reads="bronze.countries"),
)


def pipeline_of(cases: Sequence[Case]) -> Pipeline:
    nodes = [
        Gold(case.name, reads="silver.orders", lookups=case.lookups, transform=case.transform, write=case.write)
        for case in cases
    ]
    return Pipeline("modes", *SOURCES, *nodes)


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    made = opened(spark, tmp_path)
    contracts = [
        contract("bronze", "orders", ORDERS.replace("BIGINT", "STRING"), []),
        contract("bronze", "countries", COUNTRIES, []),
        contract("silver", "orders", ORDERS, ["id"]),
        contract("silver", "countries", COUNTRIES, ["code"]),
        *(contract("gold", case.name, case.columns, case.key, case.unique) for case in CASES),
    ]
    shop = Lakehouse(spark, made.configuration, {item.name: item for item in contracts})
    yield shop
    closed(shop)


class Silvers:
    """The silver tables, and beside them what they hold in Python."""

    def __init__(self, shop: Lakehouse, chance: random.Random) -> None:
        self.shop, self.chance = shop, chance
        self.orders: dict[int, Row] = {}
        self.revision = 0
        for table in ("silver.orders", "silver.countries"):
            shop.ensure_table(shop.contract(table), technical.columns("silver"))
        self.countries = {n: {"code": n, "region": region, "country": "IT"} for n, region in enumerate(REGIONS)}
        self._store("silver.countries", "code", COUNTRIES, [], list(self.countries.values()))

    def deliver(self) -> None:
        """Change about a third of the orders and a country, in as many commits as there are kinds of changes."""
        gone = [key for key in self.orders if self.chance.random() < 0.1]
        changed = {key: self._order(key) for key in range(97, 112) if key not in gone and self.chance.random() < 0.4}
        self._store("silver.orders", "id", ORDERS, [*gone, *changed], list(changed.values()))
        for key in gone:
            del self.orders[key]
        self.orders.update(changed)
        code = self.chance.randrange(len(REGIONS))
        self.countries[code] = {"code": code, "region": REGIONS[code], "country": self.chance.choice(("IT", "NO"))}
        self._store("silver.countries", "code", COUNTRIES, [code], [self.countries[code]])

    def _order(self, key: int) -> Row:
        self.revision += 1
        day = date(2024, 1, 30) + timedelta(days=self.chance.randrange(4))
        return {
            "id": key,
            "region": self.chance.choice(REGIONS),
            "email": self.chance.choice(EMAILS),
            "active": self.chance.random() < 0.6,
            "amount": self.chance.randrange(100),
            "day": day,
            "at": datetime(day.year, day.month, day.day, 1, self.chance.randrange(2), 0, 1, tzinfo=timezone.utc),
            "tags": self.chance.sample(["x", "y", "z"], self.chance.randrange(4)) or None,
            "revision": self.revision,
        }

    def _store(self, table: str, key: str, columns: str, gone: Sequence[object], rows: Sequence[Row]) -> None:
        spark, identifier = self.shop.spark, self.shop.identifier(table)
        kind = columns.split(", ")[0]
        leaving = spark.createDataFrame([(value,) for value in gone], kind)
        leaving.createOrReplaceTempView("leaving")
        spark.sql(
            f"MERGE INTO {identifier} t USING leaving s ON t.{key} <=> s.{key} WHEN MATCHED THEN DELETE"
        ).collect()
        stored = spark.table(identifier).schema
        names = [part.partition(" ")[0] for part in columns.split(", ")]
        frame = spark.createDataFrame(
            [tuple(row[name] for name in names) for row in rows], columns.replace("DECIMAL(10,2)", "INT")
        )
        filled = [F.col(item.name) if item.name in names else F.lit(None).alias(item.name) for item in stored]
        append(
            spark,
            identifier,
            frame.select(*[column.cast(item.dataType) for column, item in zip(filled, stored, strict=True)]),
        )


def found(shop: Lakehouse, case: Case) -> Counter[tuple[object, ...]]:
    names = [part.split(" ")[0] for part in case.columns.split(", ") if part.split(" ")[0] != "order_key"]
    rows = shop.read(f"gold.{case.name}").select(*names).collect()
    return Counter(tuple(_plain(value) for value in row) for row in rows)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc)
    return value if isinstance(value, str | int | date | None) else int(str(value))


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.matrix) for seed in range(2, 7))])
def test_every_table_holds_what_all_rows_give(shop: Lakehouse, seed: int) -> None:
    silvers, pipeline = Silvers(shop, random.Random(seed)), pipeline_of(CASES)

    for number in range(3):
        silvers.deliver()
        succeeded(run_pipeline(shop, pipeline, tables=[f"gold.{case.name}" for case in CASES]))

        orders, countries = list(silvers.orders.values()), list(silvers.countries.values())
        wrong = {
            case.name: (rows - wanted, wanted - rows)
            for case in CASES
            if (rows := found(shop, case)) != (wanted := Counter(case.wanted(orders, countries)))
        }
        assert wrong == {}, f"after delivery {number}"


def in_sql(orders: DataFrame) -> DataFrame:
    orders.createOrReplaceTempView("orders_in_sql")
    query = "SELECT region, count(*) AS n, max(amount) AS amount FROM orders_in_sql GROUP BY region"
    return orders.sparkSession.sql(query)


def twice_in_sql(orders: DataFrame) -> DataFrame:
    orders.createOrReplaceTempView("orders_in_sql")
    query = "SELECT region, 1 AS n, amount FROM orders_in_sql WHERE amount = (SELECT max(amount) FROM orders_in_sql)"
    return orders.sparkSession.sql(query)


def with_rank(orders: DataFrame) -> DataFrame:
    ranked = Window.partitionBy("region").orderBy("amount")
    return orders.withColumn("n", F.row_number().over(ranked)).where("n = 1")


def with_rank_of_region(orders: DataFrame) -> DataFrame:
    return orders.withColumn("revision", F.rank().over(Window.partitionBy("region").orderBy("amount")))


def one(orders: DataFrame) -> DataFrame:
    return orders.withColumn("n", F.lit(1))


def largest_asked_for(orders: DataFrame) -> DataFrame:
    largest = orders.agg(F.max("amount")).collect()[0][0]
    return orders.where(F.col("amount") == int(largest))


def with_weight(orders: DataFrame) -> DataFrame:
    """Join a table by its name, which no run knows of."""
    weights = orders.sparkSession.table("weights_by_name").withColumnRenamed("region", "_region")
    return orders.join(weights, F.col("region") == F.col("_region"), "left").select("id", "region", "amount", "n")


def with_file(orders: DataFrame) -> DataFrame:
    weights = orders.sparkSession.read.csv(__file__, schema="_region STRING, n INT")
    return orders.join(weights, F.col("region") == F.col("_region"), "left")


#: Transformations that give other rows for a part of a table, and what is said of each.
UNFIT: Sequence[tuple[str, Callable[..., DataFrame], str]] = (
    ("grouped", per_region, "groups rows (region)"),
    ("in_sql", in_sql, "groups rows (region)"),
    ("twice", twice_in_sql, "reads its table once more in a subquery"),
    ("distinct", lambda orders: one(orders).dropDuplicates(["region"]), "keeps one of several rows (region)"),
    ("ranked", with_rank, "computes over a window of rows (region)"),
    ("newest", lambda orders: one(orders).orderBy("at").limit(10), "keeps a number of rows"),
    ("sampled", lambda orders: one(orders).sample(0.5, 1), "keeps a sample"),
    ("in_python", lambda orders: one(orders).mapInPandas(lambda frames: frames, one(orders).schema), "mapInPandas"),
    ("joined", lambda orders: one(orders).join(orders.select("region"), "region", "left_semi"), "with itself"),
    ("without", lambda orders: one(orders).exceptAll(one(orders).where("active")), "compares whole sets"),
    ("recent", lambda orders: one(orders).where("day >= current_date() - 7"), "calls current_date"),
    ("numbered", lambda orders: orders.withColumn("n", F.monotonically_increasing_id()), "monotonically_increasing_id"),
    (
        "elsewhere",
        lambda orders: one(orders.sparkSession.range(3).selectExpr("'a' AS region", "0 AS amount")),
        "do not come",
    ),
    ("today", lambda orders: one(orders).where("day >= CAST('today' AS DATE)"), "reads the clock (today)"),
    ("reflected", lambda orders: one(orders).where("reflect('java.util.UUID', 'randomUUID') > ''"), "calls reflect"),
    ("by_name", with_weight, "reads spark_catalog.default.weights_by_name by itself"),
    ("from_files", with_file, "reads files by itself"),
    ("asked", largest_asked_for, "fails without rows (TypeError"),
)


#: Transformations of silver after which rows are missing, and one that only looks like it.
DROPPING: dict[str, Callable[..., DataFrame]] = {
    "filtered": lambda orders: orders.where("active"),
    "exploded": lambda orders: orders.withColumn("email", F.explode(F.split("email", ","))),
    "parted": lambda orders: orders.where("active").unionByName(orders.where("active IS NOT TRUE")),
}


@pytest.fixture
def weights(spark: SparkSession) -> Iterator[None]:
    spark.sql("CREATE TABLE weights_by_name USING delta AS SELECT 'N' AS region, 1 AS n")
    yield
    spark.sql("DROP TABLE weights_by_name")


def test_what_changes_though_no_row_has_is_computed_again_in_each_run(shop: Lakehouse, weights: None) -> None:
    spark, silvers = shop.spark, Silvers(shop, random.Random(1))
    silvers.deliver()
    made = {item.name: item for item in (contract("gold", name, SUMS, ["region"]) for name in ("weighed", "clocked"))}
    shop = Lakehouse(spark, shop.configuration, {**shop.contracts, **made})

    def weighed(orders: DataFrame) -> DataFrame:
        return with_weight(orders).groupBy("region").agg(F.max("n").alias("n"), F.sum("amount").alias("amount"))

    def clocked(orders: DataFrame) -> DataFrame:
        return per_region(orders).withColumn("n", F.unix_micros(F.current_timestamp()))

    nodes = [Gold(case.__name__, "silver.orders", transform=case, write=Replace()) for case in (weighed, clocked)]
    pipeline = Pipeline("modes", *SOURCES, *nodes)

    def counted_by_runs() -> tuple[set[int], int]:
        succeeded(run_pipeline(shop, pipeline, tables=[node.table for node in nodes]))
        seen = {row.n for row in shop.read("gold.weighed").collect() if row.n is not None}
        return seen, min(row.n for row in shop.read("gold.clocked").collect())

    spark.sql("DELETE FROM " + shop.identifier("silver.orders") + " WHERE region IS NULL").collect()
    spark.sql("UPDATE " + shop.identifier("silver.orders") + " SET region = 'N' WHERE id % 2 = 0").collect()
    first = counted_by_runs()
    spark.sql("UPDATE weights_by_name SET n = 2").collect()
    second = counted_by_runs()

    assert (first[0], second[0]) == ({1}, {2})
    assert first[1] < second[1]


def test_a_transformation_that_a_part_of_the_rows_misleads_is_refused_before_anything_is_written(
    spark: SparkSession, tmp_path: Path, weights: None
) -> None:
    made, plain = opened(spark, tmp_path), ORDERS.replace(", tags ARRAY<STRING>", "")
    contracts = [
        contract("bronze", "orders", ", ".join(f"{part.partition(' ')[0]} STRING" for part in plain.split(", ")), []),
        contract("silver", "orders", plain, ["id"]),
        *(contract("silver", name, plain, ["id"]) for name in DROPPING),
        *(contract("gold", name, SUMS, ["region"]) for name, *_ in UNFIT),
    ]
    pipeline = Pipeline(
        "modes",
        SOURCES[0],
        Silver("orders", "bronze.orders", transform=with_rank_of_region),
        *(Silver(name, "bronze.orders", transform=transform) for name, transform in DROPPING.items()),
        *(Gold(name, "silver.orders", transform=transform) for name, transform, _ in UNFIT),
    )

    with pytest.raises(InputProblems) as caught:
        run_pipeline(Lakehouse(spark, made.configuration, {item.name: item for item in contracts}), pipeline)

    said = {str(problem).partition(" ")[0]: str(problem) for problem in caught.value.problems}
    assert {name: text for name, _, text in UNFIT if text not in said.get(f"gold.{name}", "")} == {}
    assert "computes over a window of rows (region)" in said["silver.orders"]
    assert "a row for each row read, and its transformation filters rows" in said["silver.filtered"]
    assert "its transformation gives no row for an empty list" in said["silver.exploded"]
    assert "silver.parted" not in said
    assert all("test_write_modes.py:" in text for text in said.values())
    assert not (tmp_path / "warehouse").exists() or not any((tmp_path / "warehouse").rglob("_delta_log"))
