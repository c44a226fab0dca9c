"""One join as of a moment, as a process to be measured: by the library, by plain Spark, or by DuckDB.

Labels (customer, moment) get ten values of the newest row of their household. `data` makes both sides. The way
`exchange` joins nothing: it brings the rows of a household together, which no join of Spark can do without.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

WIDTH = 10
VALUES = [f"f{number}" for number in range(WIDTH)]
#: Rows of each household, one a day.
DAYS = 100


def data(folder: Path, labels: int, rows: int) -> None:
    """Write labels.parquet and rows.parquet; values are whole numbers, so that sums are exact in any order."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    households = rows // DAYS
    begin = "TIMESTAMP '2024-01-01'"
    values = ", ".join(f"(hash(n * 31 + {number}) % 1000)::DOUBLE AS f{number}" for number in range(WIDTH))
    duckdb.execute(
        f"COPY (SELECT (n % {households})::INT AS household_id, {begin} + INTERVAL 1 DAY * (n // {households}) "
        f"AS available_at, {values} FROM range({rows}) t(n)) TO '{folder}/rows.parquet' (FORMAT parquet)"
    )
    duckdb.execute(
        f"COPY (SELECT (hash(n) % {households + households // 50})::INT AS customer, {begin} + INTERVAL 1 SECOND * "
        f"(hash(n + 1) % {DAYS * 86400 + 86400})::INT AS at FROM range({labels}) t(n)) "
        f"TO '{folder}/labels.parquet' (FORMAT parquet)"
    )


def with_duckdb(folder: Path, output: Path) -> None:
    """Join with ASOF."""
    import duckdb

    duckdb.execute("SET threads = 2")
    columns = ", ".join(f"r.{name}" for name in VALUES)
    duckdb.execute(
        f"COPY (SELECT l.*, {columns} FROM '{folder}/labels.parquet' l ASOF LEFT JOIN '{folder}/rows.parquet' r "
        f"ON l.customer = r.household_id AND l.at >= r.available_at) TO '{output}' (FORMAT parquet)"
    )


def with_spark(folder: Path, output: Path, way: str) -> None:
    """Join with `as_of`, or by every earlier row and then the newest of them; or only exchange rows."""
    from databricks_utils.features import as_of
    from databricks_utils.session import LocalSpark, create_session
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    spark = create_session(LocalSpark(memory="4g"), "as-of", output.with_suffix(".warehouse"))
    labels, rows = (spark.read.parquet(str(folder / f"{name}.parquet")) for name in ("labels", "rows"))
    if way == "exchange":
        for side, key in ((labels, "customer"), (rows, "household_id")):
            side.repartition(key).write.format("noop").mode("overwrite").save()
        spark.stop()
        return
    if way == "naive":
        numbered = labels.withColumn("label", F.monotonically_increasing_id())
        met = (F.col("customer") == F.col("household_id")) & (F.col("available_at") <= F.col("at"))
        newest = Window.partitionBy("label").orderBy(F.col("available_at").desc())
        ranked = numbered.join(rows, met, "left").withColumn("rank", F.row_number().over(newest)).where("rank = 1")
        joined = ranked.select("customer", "at", *VALUES)
    else:
        joined = as_of(labels, rows, timestamp="at", entity={"household_id": "customer"}, columns=VALUES)
    joined.write.mode("overwrite").parquet(str(output))
    spark.stop()


def sums(output: Path) -> list[float]:
    """Return what the results of all ways must agree on: rows, rows with values, and the sum of each value."""
    import duckdb

    place = f"{output}/*.parquet" if output.is_dir() else str(output)
    wanted = ", ".join(f"sum({name} * (1 + customer % 97))" for name in VALUES)
    (found,) = duckdb.execute(f"SELECT count(*), count(f0), {wanted} FROM read_parquet('{place}')").fetchall()
    return [float(value) for value in found]


def main() -> None:
    """Run one way once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("library", "naive", "exchange", "duckdb"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    if options.way == "duckdb":
        with_duckdb(options.folder, options.output)
    else:
        with_spark(options.folder, options.output, options.way)
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
