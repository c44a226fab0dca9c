"""Tables of every layer, opened by readers of Delta Lake that have nothing to do with Spark."""

from __future__ import annotations

from pathlib import Path

import duckdb
import duckdb_extension_delta
import little_shop
import little_tills
from deltalake import DeltaTable, QueryBuilder
from little_shop import SECOND, SHOP, land, landing, succeeded
from pyspark.sql import SparkSession

from databricks_utils.medallion import Lakehouse, run_pipeline

LATIN = '{"customer_id":77,"seen_on":"2024-01-01","city":"Köln"}\n{"customer_id":78, "city":"Kö'.encode("latin-1")


def folders_of(lakehouse: Lakehouse) -> dict[str, Path]:
    """Return the folder of every table of a warehouse, by schema and name."""
    warehouse = Path(str(lakehouse.configuration.storage.warehouse))
    found = (log.parent for log in sorted(warehouse.rglob("_delta_log")))
    return {f"{folder.parent.name.rpartition('_')[0]}.{folder.name}": folder for folder in found}


def delta_rows(folder: Path) -> int:
    """Return how many rows delta-rs reads, every value of them."""
    (batch,) = (
        QueryBuilder().register("rows_of_it", DeltaTable(folder)).execute("SELECT * FROM rows_of_it").read_all(),
    )
    return int(batch.num_rows)


def duck_rows(folder: Path) -> int:
    """Return how many rows DuckDB reads, every value of them."""
    (extension,) = Path(str(duckdb_extension_delta.__path__[0])).rglob("delta.duckdb_extension")
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        connection.execute(f"LOAD '{extension}'")
        return len(connection.execute(f"SELECT * FROM delta_scan('{folder.as_uri()}')").fetchall())


def assert_read_by_all(lakehouse: Lakehouse, at_least: int) -> None:
    folders = folders_of(lakehouse)
    assert len(folders) >= at_least
    for name, folder in folders.items():
        rows = lakehouse.spark.read.format("delta").load(str(folder)).count()
        assert (delta_rows(folder), duck_rows(folder)) == (rows, rows), name


def features_of(folder: Path) -> set[str]:
    protocol = DeltaTable(folder).protocol()
    return {*(protocol.reader_features or ()), *(protocol.writer_features or ())}


def test_every_table_of_a_shop_is_read_by_delta_rs_and_duckdb(spark: SparkSession, tmp_path: Path) -> None:
    shop = little_shop.opened(spark, tmp_path)
    succeeded(run_pipeline(shop, SHOP))
    land(landing(shop), SECOND)
    (landing(shop) / "customers" / "latin.jsonl").write_bytes(LATIN)

    succeeded(run_pipeline(shop, SHOP))

    assert_read_by_all(shop, at_least=12)
    folders = folders_of(shop)
    plain = [name for name in folders if name.startswith(("bronze", "operations")) or name.endswith("_quarantine")]
    assert {name for name in plain if "deletionVectors" in features_of(folders[name])} == set()
    # What is read is what was written: letters that are none of UTF-8 show as marks, and only in the quarantine.
    told = [row.record for row in shop.read("silver.customers_quarantine").collect() if "latin" in row._source_file]
    assert sorted("\ufffd" in record for record in told) == [False, True] or all("\ufffd" in record for record in told)
    little_shop.closed(shop)


def test_every_table_of_streams_is_read_by_delta_rs_and_duckdb(spark: SparkSession, tmp_path: Path) -> None:
    tills = little_tills.opened(spark, tmp_path)
    little_tills.land(tills, "tills.sales", "1.jsonl", [little_tills.sale(1, "10:00:00")])
    broken = Path(tills.configuration.storage.landing) / "tills.sales" / "2.jsonl"
    broken.write_bytes(
        '{"sale_id":"Kö","event_time":"2024-01-05T10:00:01Z","store_id":1,"amount":1}\nKö\n'.encode("latin-1")
    )

    little_tills.ran(tills)

    assert_read_by_all(tills, at_least=9)
    told = {row.record for row in tills.read("silver.sales_quarantine").collect()}
    assert told == {'{"sale_id":"K\ufffd","event_time":"2024-01-05T10:00:01Z","store_id":1,"amount":1}', "K\ufffd"}
    little_tills.closed(tills)
