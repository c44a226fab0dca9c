"""Names and types that a contract may have work in every step of a first and of a second run."""

from __future__ import annotations

import json
from pathlib import Path

from little_shop import closed, land, landing, opened, succeeded
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.contracts import Column, Contract
from databricks_utils.medallion import (
    Bronze,
    Files,
    Gold,
    Lakehouse,
    Pipeline,
    Replace,
    Scd2,
    Silver,
    check_pipeline,
    run_pipeline,
)

SIGNS = "-$#@%/+&?!<>:|~^\\'\""
#: Names by what they are called in files; the others have their own.
NAMES = {f"a{sign}b": f"a{sign}b" for sign in SIGNS} | {"größe": "größe", "2nd": "2nd", "order": "order"}
NAMES |= {"unit_price": "unit price (EUR)", "dotted": "a.b[0]", "blank": " Blank ", "own": "_metadata"}
TYPES = ("BOOLEAN", "TINYINT", "DOUBLE", "DECIMAL(20,3)", "DATE", "TIMESTAMP", "TIMESTAMP_NTZ", "BINARY")
MADE = {"tags": "ARRAY<STRING>", "pairs": "ARRAY<STRUCT<key: STRING, value: INT>>", "part": "STRUCT<a: INT, b: STRING>"}
MADE |= {"labels": "MAP<STRING, INT>", "deep": "ARRAY<STRUCT<m: MAP<STRING, MAP<INT, STRING>>>>"}
KEY = (Column("id", "STRING", required=True, primary_key=True), Column("day", "DATE"))
HISTORY = (
    Column("effective_start_date", "DATE"),
    Column("effective_end_date", "DATE"),
    Column("is_current", "BOOLEAN"),
)
PIPELINE = Pipeline(
    "odd",
    Bronze("odd", source=Files("odd", format="json")),
    Silver("odd", reads="bronze.odd", transform=lambda rows: structured(rows)),
    Gold("upserted", reads="silver.odd"),
    Gold("replaced", reads="silver.odd", write=Replace()),
    Gold("dim_odd", reads="silver.odd", write=Scd2(keys=["id"], sequence_by="day", surrogate_key="odd_key")),
)


def structured(rows: DataFrame) -> DataFrame:
    text = F.col("unit_price")
    number = F.expr("try_cast(day(day) AS INT)")
    pair = F.struct(text.alias("key"), number.alias("value"))
    part = F.struct(number.alias("a"), text.alias("b"))
    # The same maps in both deliveries of a day, in another order.
    labels = F.expr("IF(_batch_id LIKE '%0', map('a', 1, 'b', day(day)), map('b', day(day), 'a', 1))")
    deep = F.array(F.struct(F.create_map(F.lit("x"), F.create_map(F.coalesce(number, F.lit(0)), text)).alias("m")))
    made = {"tags": F.array(text), "pairs": F.array(pair), "part": part, "labels": labels, "deep": deep}
    return rows.withColumns(made)


def contracts() -> dict[str, Contract]:
    named = tuple(Column(name, "STRING", received_as=source) for name, source in NAMES.items())
    typed = tuple(Column(f"type{number}", kind) for number, kind in enumerate(TYPES))
    made = tuple(Column(name, kind, transform="made") for name, kind in MADE.items())
    received = tuple(Column(column.name, "STRING", received_as=column.received_as) for column in (*KEY, *named, *typed))
    plain = tuple(Column(column.name, column.data_type) for column in named)
    silver = (*KEY, *plain, *typed, *made)
    surrogate = Column("odd_key", "BIGINT", required=True, primary_key=True)
    tables = {
        "bronze.odd": (received, ()),
        "silver.odd": (silver, ("id", "day")),
        "gold.upserted": (silver, ("id", "day")),
        "gold.replaced": (silver, ("id", "day")),
        "gold.dim_odd": ((surrogate, *silver, *HISTORY), ("odd_key",)),
    }
    return {name: contract(name, columns, key) for name, (columns, key) in tables.items()}


def contract(name: str, columns: tuple[Column, ...], key: tuple[str, ...]) -> Contract:
    layer, table = name.split(".")
    return Contract(layer, table, "1.0.0", "active", "", "", columns, key=key, path=Path(f"{name}.yaml"))


def delivery(day: int, price: str) -> str:
    values = ("true", 7, 0.5, "1.250", "2024-01-05", "2024-01-05T10:00:00Z", "2024-01-05 10:00", "bytes")
    row = {"id": "1", "day": f"2024-01-0{day}"} | {source: f"{price} {source}" for source in NAMES.values()}
    row |= {f"type{number}": value for number, value in enumerate(values)}
    # Twice, so that one is chosen; and a row for the quarantine.
    return "".join(json.dumps(item) + "\n" for item in (row, row, {"id": "2", "day": "never"}))


def test_every_accepted_name_and_type_goes_through_every_step_of_two_runs(spark: SparkSession, tmp_path: Path) -> None:
    shop = opened(spark, tmp_path)
    shop = Lakehouse(spark, shop.configuration, contracts())
    check_pipeline(PIPELINE, shop.contracts)
    land(landing(shop), {"odd/1.jsonl": delivery(1, "1.10") + delivery(2, "1.10")})
    succeeded(run_pipeline(shop, PIPELINE))
    land(landing(shop), {"odd/2.jsonl": delivery(2, "2.20") + delivery(3, "3.30")})

    succeeded(run_pipeline(shop, PIPELINE))

    prices = {1: "1.10", 2: "2.20", 3: "3.30"}
    for table in ("silver.odd", "gold.upserted", "gold.replaced"):
        rows = {row.day.day: row.asDict() for row in shop.read(table).collect()}
        assert {day: [row[name] for name in NAMES] for day, row in rows.items()} == {
            day: [f"{price} {source}" for source in NAMES.values()] for day, price in prices.items()
        }, table
        assert [row["labels"] for row in rows.values()] == [{"a": 1, "b": day} for day in rows]
        assert rows[3]["pairs"][0].asDict() == {"key": "3.30 unit price (EUR)", "value": 3}
    history = shop.read("gold.dim_odd").where("odd_key >= 0").orderBy("day").collect()
    assert [(row.day.day, row.is_current) for row in history] == [(1, False), (2, False), (3, True)]
    aside = shop.read("silver.odd_quarantine").collect()
    assert len(aside) == 4
    assert {json.loads(row.record)["day"] for row in aside} == {"never"}
    closed(shop)
