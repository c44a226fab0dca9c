"""Of all versions of a row the newest stays, however they are shared out among runs. Against plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from little_shop import SHOP, closed, land, landing, opened, succeeded, with_visits
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from databricks_utils.contracts import Column, Contract
from databricks_utils.delta import Namespace, create_table, merge_by_key, not_older, overwrite
from databricks_utils.medallion import Gold, Lakehouse, Lookup, Pipeline, Scd2, Silver, Upsert, run_pipeline
from databricks_utils.medallion.silver import newest_by_key

# A smaller example is not looked for: each costs some commits, and a history is told by its number.
few = settings(
    max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
HISTORIES = 60
RUNS = 3
HEADER = "order_id,customer_id,ordered_on,amount,revision\n"
KEY, WRITTEN = ["history", "item"], ["history", "item", "city", "revision"]
RECEIVED = "history INT, item INT, city STRING, revision INT, _ingestion_timestamp TIMESTAMP, _source_file STRING"
CONTRACT = Contract(
    *("silver", "places", "1.0.0", "active", "", ""),
    columns=tuple(
        Column(name, kind, required=name in KEY, primary_key=name in KEY)
        for name, kind in (("history", "INT"), ("item", "INT"), ("city", "STRING"), ("revision", "INT"))
    ),
    key=tuple(KEY),
    path=Path("silver/places.yaml"),
)

# Item, city, revision: one version of a row. A history is a list of them in the order in which they are received.
Version = tuple[int, str | None, int | None]
versions = st.tuples(
    st.integers(1, 3), st.sampled_from([None, "", "Rome", "Oslo", "Bonn"]), st.none() | st.integers(0, 3)
)
histories = st.lists(st.lists(versions, max_size=10), min_size=HISTORIES, max_size=HISTORIES)


@dataclass(frozen=True)
class Delivered:
    """A version with the place it was received in and the run that reads it."""

    history: int
    item: int
    city: str | None
    revision: int | None
    place: int
    run: int

    @property
    def row(self) -> tuple[object, ...]:
        """The row as the transformation gives it."""
        received = datetime(2024, 1, 1) + timedelta(hours=self.place)
        return (self.history, self.item, self.city, self.revision, received, f"{self.place:03}.csv")


def delivered(cases: list[list[Version]], chance: Random) -> Iterator[Delivered]:
    """Share each history out among the runs.

    In every other one the runs take the versions in the order received, and revisions repeat. In the others each
    version of an item has a revision of its own, or none, and the runs take them in any order.
    """
    for number, history in enumerate(cases):
        in_order = number % 2 == 0
        met: set[tuple[int, int | None]] = set()
        runs = [chance.randrange(RUNS) for _ in history]
        for place, ((item, city, revision), run) in enumerate(
            zip(history, sorted(runs) if in_order else runs, strict=True)
        ):
            if in_order or (item, revision) not in met:
                met.add((item, revision))
                yield Delivered(number, item, city, revision, place, run)


def newest(versions: Iterable[Delivered]) -> set[tuple[object, ...]]:
    """Return for each key the version with the greatest revision, none before any, then the one received last."""
    by_key: dict[tuple[int, int], list[Delivered]] = defaultdict(list)
    for version in versions:
        by_key[version.history, version.item].append(version)
    chosen = (max(each, key=lambda v: (-1 if v.revision is None else v.revision, v.place)) for each in by_key.values())
    return {(v.history, v.item, v.city, v.revision) for v in chosen}


@pytest.fixture
def namespace(spark: SparkSession, tmp_path: Path) -> Iterator[Namespace]:
    schema = f"newest_{uuid4().hex[:8]}"
    yield Namespace("spark_catalog", {"silver": schema}, tmp_path)
    spark.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


@few
@given(cases=histories, seed=st.integers(0, 1_000_000))
def test_the_newest_version_of_each_row_stays_however_runs_share_out_the_deliveries(
    spark: SparkSession, namespace: Namespace, cases: list[list[Version]], seed: int
) -> None:
    # The first example tried is the simplest, with no version at all.
    assume(sum(map(len, cases)) > 2 * HISTORIES)
    chance = Random(seed)
    rows = list(delivered(cases, chance))
    chance.shuffle(rows)
    name = f"silver.places_{uuid4().hex[:8]}"
    table = namespace.identifier(name)

    def offered(run: int | None = None) -> DataFrame:
        read = [row.row for row in rows if run is None or row.run == run]
        return newest_by_key(spark.createDataFrame(read, RECEIVED), CONTRACT, "revision").select(*WRITTEN)

    def stored() -> list[tuple[object, ...]]:
        return [tuple(row) for row in spark.table(table).collect()]

    create_table(spark, namespace, name, schema=offered().schema)
    overwrite(spark, table, offered(0))
    for run in range(1, RUNS):
        merge_by_key(spark, table, offered(run), KEY, columns=WRITTEN, update_when=not_older("revision"))
    after = stored()
    again = merge_by_key(spark, table, offered(RUNS - 1), KEY, columns=WRITTEN, update_when=not_older("revision"))

    assert len(after) == len(set(after))
    assert set(after) == newest(rows)
    assert {tuple(row) for row in offered().collect()} == set(after)
    assert (again.rows_written, sorted(map(str, stored()))) == (0, sorted(map(str, after)))


def with_orders(customers: DataFrame, orders: DataFrame) -> DataFrame:
    """Add to the name of a customer's city the number of the customer's orders."""
    known = orders.groupBy("customer_id").count().select(F.col("customer_id").alias("_customer"), "count")
    joined = customers.join(known, F.col("customer_id") == F.col("_customer"), "left")
    return joined.withColumn("city", F.expr("concat_ws(' ', city, coalesce(count, 0))")).drop("_customer", "count")


VISITS = Pipeline(
    "visits",
    *(node for node in SHOP.nodes if node.layer == "bronze" or node.table == "silver.customers"),
    Silver(
        "orders",
        reads="bronze.orders",
        lookups=[Lookup("silver.customers", on="customer_id")],
        transform=with_visits,
        write=Upsert(sequence_by="revision"),
    ),
    Gold(
        "dim_customer",
        reads="silver.customers",
        lookups=[Lookup("silver.orders", on="customer_id")],
        transform=with_orders,
        write=Scd2(keys=["customer_id"], sequence_by="seen_on", surrogate_key="customer_key"),
    ),
)


def visit(customer: int, month: int) -> str:
    return f'{{"customer_id":{customer},"seen_on":"2024-{month:02}-01","city":"Rome"}}\n'


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    land(tmp_path / "landing", {"customers/1.jsonl": visit(10, 1) + visit(20, 1)})
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


def orders_in(shop: Lakehouse) -> dict[int, tuple[int, str, int | None]]:
    rows = shop.read("silver.orders").collect()
    return {row.order_id: (row.customer_id, str(row.amount), row.revision) for row in rows}


def test_a_change_of_a_lookup_or_a_missing_revision_brings_no_older_version_back(shop: Lakehouse) -> None:
    land(
        landing(shop),
        {
            # The first order moves to another customer; the others have no revision yet.
            "orders/1.csv": f"{HEADER}1,10,2024-01-05,5.00,1\n2,30,2024-01-05,1.00,\n3,30,2024-01-05,1.00,\n",
            "orders/2.csv": f"{HEADER}1,20,2024-01-05,6.00,2\n4,30,2024-01-05,1.00,1\n",
        },
    )
    succeeded(run_pipeline(shop, VISITS))
    land(
        landing(shop),
        {
            "customers/2.jsonl": visit(10, 2),
            "orders/3.csv": f"{HEADER}2,30,2024-01-05,2.00,0\n3,30,2024-01-05,3.00,\n4,30,2024-01-05,9.00,\n"
            "5,20,2024-01-05,1.00,1\n",
        },
    )
    succeeded(run_pipeline(shop, VISITS))
    second = orders_in(shop)
    dimension = shop.read("gold.dim_customer").where("is_current AND customer_key <> -1").collect()
    cities = {row.customer_id: row.city for row in dimension}
    land(landing(shop), {"customers/3.jsonl": visit(20, 2) + visit(20, 3)})
    succeeded(run_pipeline(shop, VISITS))

    assert second == {
        1: (20, "7.00", 2),
        2: (30, "2.00", 0),
        3: (30, "3.00", None),
        4: (30, "1.00", 1),
        5: (20, "2.00", 1),
    }
    assert orders_in(shop) == {**second, 1: (20, "9.00", 2), 5: (20, "4.00", 1)}
    # Of the second customer nothing was said in the second run but an order.
    assert cities == {10: "Rome 0", 20: "Rome 2"}
