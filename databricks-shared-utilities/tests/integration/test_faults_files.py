"""Deliveries as they really come: cut off, in another encoding, with other columns, by wrong clocks. No row is lost."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from little_shop import SECOND, SHOP, closed, land, landing, opened, succeeded
from pyspark.sql import SparkSession

from databricks_utils.contracts import Column, Contract
from databricks_utils.medallion import Bronze, Files, Lakehouse, Pipeline, Silver, run_pipeline
from databricks_utils.observability import RunResult, TableResult

#: The shop as far as silver.
INTAKE = Pipeline("shop", *(node for node in SHOP.nodes if node.layer != "gold"))
ORDERS = Pipeline("shop", *(node for node in INTAKE.nodes if node.name == "orders"))
HEADER = "order_id,customer_id,ordered_on,amount,revision\n"
DAY = 86_400
#: Signs of patterns, of encoded names and of addresses, in names of sound files.
ODD_NAMES = ("50%20off.csv", "a#b.csv", "x[1].csv", "{a,b}.csv", "what?*.csv")
#: Files that no row can be taken from.
ASIDE = (
    *("cut.csv.gz", "plain.csv.gz", "wide letters.csv"),
    *("10:30.csv", "open.csv", "semicolons.csv", "wide row.csv"),
)


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


def order(number: int, amount: str = "1.00") -> str:
    return f"{number},10,2024-01-05,{amount},1\n"


def orders_in(shop: Lakehouse) -> set[int]:
    return {row.order_id for row in shop.read("silver.orders").collect()}


def reasons_in(shop: Lakehouse, table: str) -> Counter[tuple[str, tuple[str, ...]]]:
    """Return how many rows of each file are in quarantine for which reasons."""
    rows = shop.read(f"{table}_quarantine").collect()
    return Counter((Path(row._source_file).name, tuple(sorted(row._validation_errors))) for row in rows)


def result_of(run: RunResult, table: str) -> TableResult:
    (found,) = (item for item in run.tables if item.table == table)
    return found


@dataclass(frozen=True)
class Damaged:
    """A shop after a delivery with files of every kind of damage, and after their second delivery."""

    shop: Lakehouse
    first: RunResult
    quarantine: Counter[tuple[str, tuple[str, ...]]]
    second: RunResult


@pytest.fixture(scope="module")
def damaged(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Damaged]:
    shop = opened(spark, tmp_path_factory.mktemp("damaged"))
    orders, customers = landing(shop) / "orders", landing(shop) / "customers"
    whole = gzip.compress((HEADER + "".join(order(number) for number in range(1000, 9000))).encode())
    (orders / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    (orders / "plain.csv.gz").write_text(HEADER + order(50))
    (orders / "wide letters.csv").write_text(HEADER + order(51), encoding="utf-16")
    (orders / "empty.csv").write_text("")
    (orders / "header.csv").write_text(HEADER)
    (orders / "short line.csv").write_text(HEADER + order(60) + "61,10,2024-0")
    for number, name in enumerate(ODD_NAMES):
        (orders / name).write_text(HEADER + order(70 + number))
    (orders / "x.csv.bz2").write_bytes(bz2.compress((HEADER + order(63)).encode()))
    (orders / "blank first.csv").write_text("\n \n" + HEADER + order(64))
    (orders / "breaks.csv").write_text(HEADER.replace("\n", ",note\n") + order(65).replace("\n", ',"please\nring"\n'))
    (orders / "own names.csv").write_text("_corrupt_record,_metadata," + HEADER + "x,y," + order(66))
    (orders / "10:30.csv").write_text(HEADER + order(90))
    (orders / "open.csv").write_text(HEADER + order(91) + order(92, '"1.00') + order(93))
    (orders / "semicolons.csv").write_text((HEADER + order(94)).replace(",", ";"))
    (orders / "wide row.csv").write_text(HEADER + order(95) + "," * 30_000 + "\n")
    (orders / "folder.csv").mkdir()
    (orders / "folder.csv" / "part-1.csv").write_text(HEADER + order(62))
    states = '{"customer_id":40,"seen_on":"2024-01-01","city":"Oslo"}\n'
    (customers / "half.jsonl").write_text(states + '{"customer_id":41,"seen_on":"2024-01-0')
    latin = states.replace("40", "42").replace("Oslo", "Köln") + states.replace("40", "43")
    (customers / "latin.jsonl").write_bytes(latin.encode("latin-1"))
    cut = gzip.compress((states.replace("40", "44") * 5000).encode())
    (customers / "cut.jsonl.gz").write_bytes(cut[: len(cut) // 2])
    first = run_pipeline(shop, INTAKE)
    quarantine = reasons_in(shop, "silver.orders") + reasons_in(shop, "silver.customers")
    (orders / "cut-again.csv.gz").write_bytes(whole)
    (orders / "plain-again.csv").write_text(HEADER + order(50))
    second = run_pipeline(shop, INTAKE)
    yield Damaged(shop, first, quarantine, second)
    closed(shop)


def test_damaged_files_are_set_aside_by_name_and_the_rest_is_taken_in(damaged: Damaged) -> None:
    orders, customers = (result_of(damaged.first, f"bronze.{name}") for name in ("orders", "customers"))

    notices = dict(notice.partition(" was set aside: ")[::2] for notice in orders.breaches)
    assert sorted(notices) == sorted(ASIDE)
    assert all("Have it delivered again under a new name" in notice for notice in notices.values())
    assert "0 of 5 columns found in its header; delimiter ';'?" in notices["semicolons.csv"]
    assert "a quote is never closed, in the row that begins in line 3" in notices["open.csv"]
    assert "Spark cannot read it (" in notices["wide row.csv"]
    assert [notice.partition(":")[0] for notice in customers.breaches] == [
        "cut.jsonl.gz was set aside",
        "latin.jsonl is not as expected",
    ]
    assert damaged.first.exit_code == 3
    # Four rows of the first file, a whole and a cut line, one in the folder, the odd names, and four sound files.
    sound = 4 + 2 + 1 + len(ODD_NAMES) + 4
    assert (orders.rows_written, orders.rows_valid, orders.rows_quarantined) == (sound + len(ASIDE), sound, len(ASIDE))


def test_nothing_of_a_damaged_file_is_half_read(damaged: Damaged) -> None:
    run = damaged.first

    assert result_of(run, "silver.orders").balanced
    assert result_of(run, "silver.customers").balanced
    assert {file: count for (file, _), count in damaged.quarantine.items()} == {
        "1.csv": 1,
        **{quote(name): 1 for name in ASIDE},
        "short%20line.csv": 1,
        "half.jsonl": 1,
        "latin.jsonl": 1,
        "cut.jsonl.gz": 1,
    }


def test_what_is_delivered_again_is_complete(damaged: Damaged) -> None:
    assert succeeded(damaged.second).exit_code == 0
    assert orders_in(damaged.shop) == {
        *(1, 2, 3, 50, 60, *range(62, 67)),
        *range(70, 70 + len(ODD_NAMES)),
        *range(1000, 9000),
    }


def test_letters_of_another_encoding_are_kept_apart_from_good_rows(damaged: Damaged) -> None:
    customers = {row.customer_id: row.city for row in damaged.shop.read("silver.customers").collect()}

    assert 42 not in customers
    assert customers[43] == "Oslo"


def test_files_by_wrong_clocks_are_all_read(shop: Lakehouse) -> None:
    now = time.time()
    os.utime(landing(shop) / "orders" / "1.csv", (now + 400 * DAY, now + 400 * DAY))
    succeeded(run_pipeline(shop, ORDERS))
    land(landing(shop), {"orders/now.csv": HEADER + order(70), "orders/old.csv": HEADER + order(71)})
    os.utime(landing(shop) / "orders" / "old.csv", (now - 4000 * DAY, now - 4000 * DAY))

    succeeded(run_pipeline(shop, ORDERS))

    assert orders_in(shop) == {1, 2, 3, 70, 71}


def test_a_file_is_read_once_it_has_the_name_of_a_whole_one(shop: Lakehouse) -> None:
    orders = landing(shop) / "orders"
    written = {"2.csv.part": "2.csv", "3.csv.TMP": "3.csv", "_4.csv": "4.csv", ".5.csv": "5.csv", "part": "part.csv"}
    for number, name in enumerate(written, start=90):
        (orders / name).write_text(HEADER + order(number)[:9])
    succeeded(run_pipeline(shop, ORDERS))
    read = {Path(row._source_file).name for row in shop.read("bronze.orders").collect()}
    for number, (name, final) in enumerate(written.items(), start=90):
        (orders / name).write_text(HEADER + order(number))
        (orders / name).rename(orders / final)

    run = succeeded(run_pipeline(shop, ORDERS))

    # A name that only looks alike is a whole file's.
    assert read == {"1.csv", "part"}
    assert orders_in(shop) == {1, 2, 3, *range(90, 90 + len(written))}
    assert result_of(run, "bronze.orders").rows_written == len(written)


def test_a_file_whose_name_spark_cannot_write_is_told_in_each_run_until_it_has_another(shop: Lakehouse) -> None:
    orders = os.fsencode(landing(shop) / "orders")
    named = Path(os.fsdecode(orders + b"/caf\xe9.csv"))
    named.write_text(HEADER + order(80))

    first, second = run_pipeline(shop, ORDERS), run_pipeline(shop, ORDERS)
    named.rename(landing(shop) / "orders" / "café.csv")
    third = run_pipeline(shop, ORDERS)

    for run in (first, second):
        (said,) = result_of(run, "bronze.orders").breaches
        assert said.startswith("caf\\xe9.csv is not as expected: its name is no UTF-8")
        assert run.exit_code == 3
    assert third.exit_code == 0
    assert orders_in(shop) == {1, 2, 3, 80}


def test_columns_that_come_go_or_change_lose_no_row(shop: Lakehouse) -> None:
    succeeded(run_pipeline(shop, ORDERS))
    land(
        landing(shop),
        {
            "orders/gains.csv": HEADER.replace("\n", ",channel\n") + order(80).replace("\n", ",web\n"),
            "orders/loses.csv": "order_id,customer_id,ordered_on,amount\n81,10,2024-01-05,1.00\n",
            "orders/loses-needed.csv": "order_id,ordered_on,amount,revision\n82,2024-01-05,1.00,1\n",
            "orders/renames.csv": HEADER.replace("customer_id", "client") + order(83),
            "orders/retypes.csv": HEADER + order(84, '"1,00"'),
            "orders/reorders.csv": "revision,amount,ordered_on,customer_id,order_id\n1,1.00,2024-01-05,10,85\n",
        },
    )

    run = succeeded(run_pipeline(shop, ORDERS))

    assert result_of(run, "silver.orders").balanced
    assert orders_in(shop) == {1, 2, 3, 80, 81, 85}
    aside = {file: reasons for (file, reasons), _ in reasons_in(shop, "silver.orders").items() if file != "1.csv"}
    assert aside == {
        "loses-needed.csv": ("customer_id_not_null",),
        "renames.csv": ("customer_id_not_null",),
        "retypes.csv": ("cast:amount: not a DECIMAL(10,2)",),
    }
    rescued = {Path(r._source_file).name: r._rescued_data for r in shop.read("bronze.orders").collect()}
    assert rescued["gains.csv"] == '{"channel":"web"}'
    assert rescued["renames.csv"] == '{"client":"10"}'


def test_a_contract_that_changes_a_type_is_refused_before_anything_is_written(shop: Lakehouse) -> None:
    succeeded(run_pipeline(shop, ORDERS))
    contract = shop.contract("silver.orders")
    columns = [
        replace(column, data_type="STRING") if column.name == "revision" else column for column in contract.columns
    ]
    changed = replace(contract, columns=tuple(columns))
    land(landing(shop), {"orders/2.csv": SECOND["orders/2.csv"]})

    run = run_pipeline(Lakehouse(shop.spark, shop.configuration, {**shop.contracts, contract.name: changed}), ORDERS)

    error = result_of(run, "silver.orders").error or ""
    assert "orders stores revision as INT, its contract says STRING" in error
    assert "pipeline-failure.md#input" in error
    succeeded(run_pipeline(shop, ORDERS))
    assert orders_in(shop) == {1, 2, 3, 4}


@pytest.mark.parametrize("count", [30, pytest.param(10_000, marks=pytest.mark.matrix)])
def test_many_small_files_are_each_read_once(spark: SparkSession, tmp_path: Path, count: int) -> None:
    shop = opened(spark, tmp_path)
    ingestion = shop.configuration.ingestion.model_copy(update={"max_files_per_batch": max(10, count // 10)})
    shop = Lakehouse(spark, shop.configuration.model_copy(update={"ingestion": ingestion}), shop.contracts)
    land(landing(shop), {f"orders/{n % 7}/{n}.csv": HEADER + order(1000 + n) for n in range(count)})

    run = succeeded(run_pipeline(shop, ORDERS))

    assert orders_in(shop) == {1, 2, 3, *range(1000, 1000 + count)}
    assert result_of(run, "bronze.orders").rows_written == 4 + count
    closed(shop)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_row_of_200_columns_and_a_field_of_10_megabytes_arrive_whole(
    spark: SparkSession, tmp_path: Path, kind: Literal["csv", "json"]
) -> None:
    names = [f"c{number}" for number in range(200)]
    columns = tuple(Column(name, "STRING", required=name == "c0", primary_key=name == "c0") for name in names)
    contracts = {
        f"{layer}.wide": Contract(layer, "wide", "1.0.0", "active", "", "", columns, path=Path(f"{layer}/wide.yaml"))
        for layer in ("bronze", "silver")
    }
    small = opened(spark, tmp_path)
    shop = Lakehouse(spark, small.configuration, contracts)
    long = 'a"é,\\' * (10_000_000 // 6)
    values = [*(f"v{number}" for number in range(199)), long]
    (landing(shop) / "wide").mkdir()
    with (landing(shop) / "wide" / f"1.{kind}").open("w", encoding="utf-8", newline="") as file:
        if kind == "json":
            file.write(json.dumps(dict(zip(names, values, strict=True))) + "\n")
        else:
            csv.writer(file).writerows([names, values])
    pipeline = Pipeline("wide", Bronze("wide", source=Files("wide", format=kind)), Silver("wide", reads="bronze.wide"))

    succeeded(run_pipeline(shop, pipeline))

    (row,) = shop.read("silver.wide").collect()
    assert [row[name] for name in names] == values
    closed(shop)
