"""Little tills: sales and payments as streams, from files or a broker to minutes, a join and alerts."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import uuid4

from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.config import Configuration
from databricks_utils.contracts import Contract, read_contracts
from databricks_utils.medallion import Lakehouse
from databricks_utils.observability import RunResult
from databricks_utils.streaming import (
    StreamAlerts,
    StreamBronze,
    StreamGold,
    StreamPipeline,
    StreamSilver,
    Watermark,
    run_streams,
)

# A Connect server does not find this module; a project's own package is installed where its streams run.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

CONTRACTS = Path(__file__).parent / "fixtures" / "tills"
LAYERS = ("bronze", "silver", "gold", "operations")


def store_minutes(sales: DataFrame) -> DataFrame:
    minutes = sales.groupBy("store_id", F.window("event_time", "1 minute").alias("window"))
    sums = minutes.agg(F.count(F.lit(1)).alias("sales"), F.sum("amount").cast("decimal(18,2)").alias("amount"))
    return sums.withColumn("minute", F.col("window.start"))


def paid_sales(sales: DataFrame, payments: DataFrame) -> DataFrame:
    taken = payments.select(F.col("sale_id").alias("paid_sale"), F.col("event_time").alias("paid_at"), "paid")
    in_time = "sale_id = paid_sale AND paid_at BETWEEN event_time AND event_time + INTERVAL 1 MINUTE"
    return sales.join(taken, F.expr(in_time))


def large_minutes(minutes: DataFrame) -> DataFrame:
    name = F.concat_ws("|", "store_id", F.date_format("minute", "yyyy-MM-dd'T'HH:mm"))
    return minutes.where("amount > 100").withColumn("alert_id", name)


TILLS = StreamPipeline(
    "tills",
    StreamBronze("sales", topic="tills.sales"),
    StreamBronze("payments", topic="tills.payments"),
    StreamSilver("sales", reads="bronze.sales", watermark=Watermark("event_time", "10 minutes")),
    StreamSilver("payments", reads="bronze.payments", watermark=Watermark("event_time", "10 minutes")),
    StreamGold("store_minutes", reads="silver.sales", transform=store_minutes),
    StreamGold("paid_sales", reads=["silver.sales", "silver.payments"], transform=paid_sales, emits="finals"),
    StreamAlerts("alerts", reads="gold.store_minutes", transform=large_minutes),
)


def sale(number: int, time: str, amount: float | str = 5, store: object = 1) -> dict[str, object]:
    return {"sale_id": f"s{number}", "event_time": moment(time), "store_id": store, "amount": amount}


def payment(number: int, time: str, paid: float = 5) -> dict[str, object]:
    return {"payment_id": f"p{number}", "sale_id": f"s{number}", "event_time": moment(time), "paid": paid}


def moment(time: str) -> str:
    """Return a time of the day on which the files' events happened, or a whole moment as it is."""
    return time if "T" in time else f"2024-01-05T{time}Z"


def opened(
    spark: SparkSession, folder: Path, streaming: Mapping[str, object] | None = None, mark: str | None = None
) -> Lakehouse:
    """Return a lakehouse whose streams take one file a batch, so that the borders of batches are known.

    With the mark of an earlier one in the same folder it is that one, also from another process.
    """
    configuration = configured(folder, mark or uuid4().hex[:8], streaming)
    for topic in ("tills.sales", "tills.payments"):
        (folder / "landing" / topic).mkdir(parents=True, exist_ok=True)
    return Lakehouse(spark, configuration, contracts())


def configured(folder: Path, mark: str, streaming: Mapping[str, object] | None = None) -> Configuration:
    """Return the configuration of tills whose schemas bear a mark."""
    folders = ("landing", "warehouse", "checkpoints", "reports")
    return Configuration.model_validate(
        {
            "environment": "test",
            "catalog": "spark_catalog",
            "schemas": {layer: f"{layer}_{mark}" for layer in LAYERS},
            "storage": {name: str(folder / name) for name in folders},
            "execution": {"retries": 0},
            "streaming": {"max_files_per_batch": 1, **(streaming or {})},
        }
    )


def contracts() -> Mapping[str, Contract]:
    return read_contracts(CONTRACTS)


def land(tills: Lakehouse, topic: str, name: str, events: Iterable[object]) -> None:
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    path = Path(tills.configuration.storage.landing) / topic / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def ran(tills: Lakehouse, *tables: str) -> RunResult:
    run = run_streams(tills, TILLS, tables=tables)
    assert run.status == "succeeded", [table.error or table.breaches for table in run.tables]
    return run


def rows(tills: Lakehouse, table: str, *names: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in tills.read(table).select(*names).collect())


def contents(tills: Lakehouse) -> dict[str, Counter[tuple[object, ...]]]:
    """Return the rows of every table without the columns that hold the time of processing."""
    found = {}
    for table in (*TILLS.tables, "silver.sales_quarantine", "silver.payments_quarantine"):
        frame = tills.read(table)
        names = [name for name in frame.columns if not name.startswith("_") or name == "_offset"]
        found[table] = Counter(tuple(map(str, row)) for row in frame.select(*names).collect())
    return found


def closed(tills: Lakehouse) -> None:
    for schema in tills.configuration.schemas.model_dump().values():
        tills.spark.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
