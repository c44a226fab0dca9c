"""A little shop: orders and customers from files to facts and sums, for tests of whole runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.config import Configuration
from databricks_utils.contracts import read_contracts
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
)
from databricks_utils.observability import RunResult

#: Rows of tables by name, without the columns that hold the time of processing.
Contents = dict[str, Counter[tuple[object, ...]]]
CONTRACTS = Path(__file__).parent / "fixtures" / "shop"
LAYERS = ("bronze", "silver", "gold", "operations")


@dataclass(frozen=True)
class Undisturbed:
    """The tables after the first delivery and after the second, when nothing else happened."""

    first: Contents
    second: Contents


def order_fact(orders: DataFrame, customers: DataFrame) -> DataFrame:
    versions = customers.select("customer_id", "customer_key", "effective_start_date", "effective_end_date")
    then = "ordered_on >= effective_start_date AND (effective_end_date IS NULL OR ordered_on < effective_end_date)"
    kept = versions.withColumnRenamed("customer_id", "_customer")
    joined = orders.join(kept, F.expr(f"customer_id = _customer AND {then}"), "left")
    return joined.withColumn("customer_key", F.coalesce("customer_key", F.lit(-1)))


def daily_orders(facts: DataFrame) -> DataFrame:
    return facts.groupBy("ordered_on").agg(F.sum("amount").alias("amount"), F.count(F.lit(1)).alias("orders"))


def with_visits(orders: DataFrame, customers: DataFrame) -> DataFrame:
    """Add to the amount of an order the number of states known of its customer."""
    known = customers.groupBy("customer_id").count().select(F.col("customer_id").alias("_customer"), "count")
    joined = orders.join(known, F.col("customer_id") == F.col("_customer"), "left")
    return joined.withColumn("amount", F.expr("amount + coalesce(count, 0)")).drop("_customer", "count")


SHOP = Pipeline(
    "shop",
    Bronze("orders", source=Files("orders", format="csv")),
    Bronze("customers", source=Files("customers", format="json")),
    Silver("orders", reads="bronze.orders", write=Upsert(sequence_by="revision")),
    Silver("customers", reads="bronze.customers"),
    Gold(
        "dim_customer",
        reads="silver.customers",
        write=Scd2(
            keys=["customer_id"], sequence_by="seen_on", delete_when="gone = true", surrogate_key="customer_key"
        ),
    ),
    Gold(
        "fact_orders",
        reads="silver.orders",
        lookups=[Lookup("gold.dim_customer", on="customer_id")],
        transform=order_fact,
    ),
    Gold("daily_orders", reads="gold.fact_orders", transform=daily_orders, write=Replace(by="ordered_on")),
)
KEPT = (
    "bronze.orders",
    "bronze.customers",
    "silver.orders",
    "silver.orders_quarantine",
    "silver.customers",
    "gold.dim_customer",
    "gold.fact_orders",
    "gold.daily_orders",
)

FIRST = {
    "orders/1.csv": "order_id,customer_id,ordered_on,amount,revision\n"
    "1,10,2024-01-05,5.00,1\n2,10,2024-02-05,7.50,1\n3,20,2024-02-05,1.00,1\nx,20,2024-02-05,1.00,1\n",
    "customers/1.jsonl": '{"customer_id":10,"seen_on":"2024-01-01","city":"Rome"}\n'
    '{"customer_id":10,"seen_on":"2024-03-01","city":"Oslo"}\n',
}
# A corrected order, an outdated copy of another, an order delivered twice, a customer's state that comes late, a
# customer who left, and one who comes back.
SECOND = {
    "orders/2.csv": "order_id,customer_id,ordered_on,amount,revision\n"
    "2,10,2024-02-05,8.00,2\n3,20,2024-02-05,9.99,0\n1,10,2024-01-05,5.00,1\n4,10,2024-03-02,2.00,1\n5,30,,1.00,1\n",
    "customers/2.jsonl": '{"customer_id":10,"seen_on":"2024-02-01","city":"Bonn"}\n'
    '{"customer_id":20,"seen_on":"2024-02-01","city":"Kyiv"}\n'
    '{"customer_id":20,"seen_on":"2024-02-03","city":"Kyiv","gone":true}\n'
    '{"customer_id":20,"seen_on":"2024-02-04","city":"Kyiv","gone":false}\n',
}


def opened(spark: SparkSession, folder: Path, mark: str | None = None, **execution: object) -> Lakehouse:
    """Return a lakehouse with the first delivery landed: an empty one, or the one of an earlier process."""
    mark = mark or uuid4().hex[:8]
    folders = ("landing", "warehouse", "checkpoints", "reports")
    configuration = Configuration.model_validate(
        {
            "environment": "test",
            "catalog": "spark_catalog",
            "schemas": {layer: f"{layer}_{mark}" for layer in LAYERS},
            "storage": {name: str(folder / name) for name in folders},
            "execution": {"retries": 0, "parallel_tables": 2, **execution},
        }
    )
    if not (folder / "landing").exists():
        land(folder / "landing", FIRST)
    return Lakehouse(spark, configuration, read_contracts(CONTRACTS))


def closed(shop: Lakehouse) -> None:
    for schema in shop.configuration.schemas.model_dump().values():
        shop.spark.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def land(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def landing(shop: Lakehouse) -> Path:
    return Path(shop.configuration.storage.landing)


def contents(shop: Lakehouse, tables: Sequence[str] = KEPT) -> Contents:
    """Return the rows of tables with how often each is there, without the columns that hold the time of processing."""
    found = {}
    for table in tables:
        names = [name for name in shop.read(table).columns if not name.startswith("_")]
        found[table] = Counter(tuple(row) for row in shop.read(table).select(*names).collect())
    return found


def succeeded(run: RunResult) -> RunResult:
    assert run.status != "failed", [table.error for table in run.tables if table.error]
    return run
