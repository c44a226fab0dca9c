"""A year of a household's features, as a process to be measured: by the library or by windows of plain Spark.

The features are those of the machine learning template's shopping table. `events` makes the source.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from databricks_utils.features import Output, Plan
    from pyspark.sql import Column, DataFrame

FIRST, LAST = date(2017, 1, 1), date(2017, 12, 31)
#: Events of a household in the year, about as many as in the public data set.
EACH = 800
DEPARTMENTS = ("GROCERY", "DRUG GM", "PRODUCE", "MEAT", "MEAT-PCKGD", "DELI", "PASTRY", "FUEL", "FLORAL", "SEAFOOD")
SHARES = (0.5, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.02, 0.05, 0.03)


def events(file: Path, count: int) -> None:
    """Write lines of baskets, seeded, in the order of time; a day of a household has two or three of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(1)
    household, day = draw.integers(1, count // EACH + 1, count), draw.integers(0, 365, count)
    cents = draw.integers(50, 2000, count)

    def money(values: Any) -> pa.Array:
        return pa.array(values).cast(pa.decimal128(21, 2)).cast(pa.decimal128(10, 2))

    seconds = np.datetime64("2017-01-01", "us") + (day * 86400 + draw.integers(0, 86400, count)) * 1_000_000
    table = pa.table(
        {
            "household_id": household,
            "basket_id": household * 1000 + day,
            "product_id": draw.zipf(1.3, count) % 20_000,
            "store_id": draw.integers(0, 3, count) + household % 50,
            "sales_value": money(cents),
            "retail_discount": money(cents // 10),
            "coupon_discount": money(cents // 50),
            "department": np.array(DEPARTMENTS)[draw.choice(len(DEPARTMENTS), count, p=SHARES)],
            "brand": np.array(["National", "Private"])[draw.integers(0, 2, count)],
            "transaction_timestamp": pa.array(seconds, pa.timestamp("us", "UTC")),
        }
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.sort_by("transaction_timestamp"), file, row_group_size=count // 16 + 1)


def plan_of_template(project: Path) -> Plan:
    """Return the plan of the shopping features of a baked project."""
    sys.path.insert(0, str(project / "src"))
    definition = __import__("household_models.__main__", fromlist=["PROJECT"]).PROJECT
    registry = __import__("household_models.features.registry", fromlist=["feature_registry"])
    contracts = definition.open("local", str(project)).contracts
    found: Plan = registry.feature_registry(contracts).plan(registry.TABLES[0].name)
    return found


def with_windows(source: DataFrame, plan: Plan) -> DataFrame:
    """Compute as is often written: a window over the events for each feature, then a row for each day with an event."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    values = [F.expr(measure.value).alias(f"v{number}") for number, measure in enumerate(plan.measures)]
    rows = source.select(*plan.keys, F.expr(plan.day).alias("day"), *values)
    by_day = Window.partitionBy(*plan.keys).orderBy("day")
    columns = [
        _windowed(output, by_day.rangeBetween(1 - output.window, 0)).alias(output.column) for output in plan.outputs
    ]
    return rows.select(*plan.keys, "day", *columns).dropDuplicates([*plan.keys, "day"])


def _windowed(output: Output, frame: Any) -> Column:
    from pyspark.sql import functions as F

    value, everything = F.col(f"v{output.measure}"), F.col(f"v{output.everything}")
    day = F.when(value.isNotNull(), F.col("day"))
    units = float(output.units)
    found = {
        "count": lambda: F.count(value).over(frame),
        "sum": lambda: F.coalesce(F.sum(value).over(frame), F.lit(0)) / units,
        "mean": lambda: F.avg(value).over(frame) / units,
        "min": lambda: F.min(value).over(frame) / units,
        "max": lambda: F.max(value).over(frame) / units,
        "std": lambda: F.stddev_samp(value).over(frame) / units,
        "share": lambda: F.coalesce(F.sum(value).over(frame), F.lit(0)) / F.sum(everything).over(frame),
        "count_distinct": lambda: F.size(F.collect_set(value).over(frame)),
        "active_days": lambda: F.size(F.collect_set(day).over(frame)),
        "days_since_last": lambda: F.col("day") - F.max(day).over(frame),
    }
    return found[output.aggregation]()


def sums(output: Path, days_of: Path) -> list[float]:
    """Return rows and the sum of each column over the days that have an event, which all ways have rows for.

    Args:
        output: Result of a way.
        days_of: Result of `with_windows`, whose days are looked at.
    """
    import duckdb

    described = duckdb.execute(f"DESCRIBE SELECT * FROM '{output}/*.parquet'").fetchall()
    keys = ("household_id", "day", "available_at")
    columns = ", ".join(f"sum({name}::DOUBLE * (1 + household_id % 97))" for name, *_ in described if name not in keys)
    day = "day" if output == days_of else "epoch(available_at) // 86400 - 1"
    (found,) = duckdb.execute(
        f"SELECT count(*), {columns} FROM '{output}/*.parquet' WHERE (household_id, ({day})::INT) IN "
        f"(SELECT (household_id, day) FROM '{days_of}/*.parquet')"
    ).fetchall()
    return [float(value) for value in found]


def missing(part: Path, whole: Path) -> int:
    """Return how many rows of a part are not in the whole exactly so."""
    import duckdb

    (found,) = duckdb.execute(
        f"SELECT count(*) FROM (SELECT * FROM '{part}/*.parquet' EXCEPT ALL SELECT * FROM '{whole}/*.parquet')"
    ).fetchall()
    return int(found[0])


def main() -> None:
    """Run one way once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("year", "day", "windows"))
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    from databricks_utils.features import compute_features
    from databricks_utils.session import LocalSpark, create_session

    options.output.parent.mkdir(parents=True, exist_ok=True)
    plan = plan_of_template(options.project)
    spark = create_session(LocalSpark(memory="4g"), "features", options.output.with_suffix(".warehouse"))
    source = spark.read.parquet(str(options.events))
    source.limit(1).collect()
    started = time.perf_counter()
    if options.way == "windows":
        found = with_windows(source, plan)
    else:
        found = compute_features(source, plan, first_day=FIRST if options.way == "year" else LAST, last_day=LAST)
    found.write.mode("overwrite").parquet(str(options.output))
    seconds = time.perf_counter() - started
    spark.stop()
    options.output.with_suffix(".json").write_text(json.dumps({"seconds": seconds}), encoding="utf-8")


if __name__ == "__main__":
    main()
