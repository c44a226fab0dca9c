"""What definition and contracts say of each other wrongly is told with its place before an engine starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.contracts import Column, Contract
from databricks_utils.errors import InputProblems
from databricks_utils.medallion import (
    Bronze,
    Files,
    Gold,
    Lookup,
    Pipeline,
    Replace,
    Scd2,
    Silver,
    Upsert,
    check_pipeline,
)
from databricks_utils.medallion.consistency import columns_in

HERE = Path(__file__).name
PERIODS = {"effective_start_date": "DATE", "effective_end_date": "DATE", "is_current": "BOOLEAN"}


def contract(table: str, columns: Mapping[str, str], key: Sequence[str] = (), **more: Mapping[str, object]) -> Contract:
    layer, _, name = table.partition(".")
    made = tuple(
        Column(column, kind, primary_key=column in key, **more.get(column, {}))  # type: ignore[arg-type]  # a test's own
        for column, kind in columns.items()
    )
    return Contract(*(layer, name, "1.0.0", "active", "", ""), columns=made, key=tuple(key), path=Path(f"{table}.yaml"))


ORDERS = {"order_id": "BIGINT", "customer_id": "BIGINT", "ordered_on": "DATE", "amount": "DECIMAL(10,2)"}
CONTRACTS = {
    item.name: item
    for item in (
        contract("bronze.orders", dict.fromkeys([*ORDERS, "customer number"], "STRING")),
        contract("bronze.customers", {"customer_id": "STRING", "city": "STRING"}),
        contract("silver.orders", ORDERS, ["order_id"], customer_id={"source_column": "customer number"}),
        contract(
            "silver.customers",
            {"customer_id": "BIGINT", "city": "STRING", "code": "STRING", "since": "DATE", "changed_at": "TIMESTAMP"},
            ["customer_id"],
        ),
        contract("silver.labels", {"id": "BIGINT", "labels": "MAP<STRING, INT>"}, ["id"]),
        contract("gold.labels", {"id": "BIGINT", "labels": "MAP<STRING, INT>"}, ["id"]),
        contract("gold.fact", {**ORDERS, "month": "DATE"}, ["order_id"]),
        contract("gold.keyless", ORDERS),
        contract("gold.only_surrogate", {"order_key": "BIGINT", "order_id": "BIGINT"}, ["order_key"]),
        contract("gold.history", {"key": "BIGINT", "customer_id": "BIGINT", "city": "STRING", **PERIODS}, ["key"]),
        contract("gold.texts", {"order_key": "STRING", "order_id": "BIGINT"}, ["order_id"]),
    )
}
SOURCES = (
    Bronze("orders", source=Files("orders")),
    Bronze("customers", source=Files("customers")),
    Silver("customers", reads="bronze.customers"),
    Silver("labels", reads="bronze.customers", transform=lambda rows: rows),
)
PLAIN = Silver("orders", reads="bronze.orders")


def problems(*nodes: Silver | Gold, contracts: Mapping[str, Contract] = CONTRACTS) -> str:
    own = [] if any(node.table == "silver.orders" for node in nodes) else [PLAIN]
    with pytest.raises(InputProblems) as caught:
        check_pipeline(Pipeline("shop", *SOURCES, *own, *nodes), contracts)
    return str(caught.value)


def fact(**given: object) -> Gold:
    return Gold("fact", reads="silver.orders", **given)  # type: ignore[arg-type]  # a test's own


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (fact(lookups=[Lookup("silver.customers", on="customr_id")]), "Did you mean customer_id?"),
        (fact(lookups=[Lookup("silver.customers", on="city")]), "which silver.orders does not have"),
        (
            fact(lookups=[Lookup("silver.customers", on=["customer_id", "town"])]),
            "which silver.customers does not have",
        ),
        (
            Silver("orders", "bronze.orders", lookups=[Lookup("silver.customers", on="city")]),
            "bronze.orders does not have",
        ),
        (
            Silver("orders", "bronze.orders", lookups=[Lookup("silver.customers", on="customer number")]),
            "which silver.customers does not have",
        ),
        (fact(write=Replace(by="mont")), "Did you mean month?"),
        (fact(write=Replace(by="month")), "or say with of how month follows from silver.orders"),
        (fact(write=Replace(by="month", of="trunc(orderd_on, 'MONTH')")), "Did you mean ordered_on?"),
        (fact(write=Replace(of="trunc(ordered_on, 'MONTH')")), "names no column"),
        (fact(write=Upsert(sequence_by="revision")), "sequence_by names 'revision'"),
        (Silver("orders", "bronze.orders", write=Upsert(sequence_by="revision")), "sequence_by names 'revision'"),
        (Silver("orders", "bronze.orders", write=Upsert(surrogate_key="order_id")), "only gold gets one"),
        (fact(write=Upsert(surrogate_key="order_ky")), "surrogate_key names 'order_ky'"),
        (fact(write=Upsert(unknown_member=True)), "needs a surrogate_key"),
        (Gold("keyless", "silver.orders"), "its contract has none"),
        (
            Gold("only_surrogate", "silver.orders", write=Upsert(surrogate_key="order_key")),
            "no natural key to make order_key from",
        ),
        (Gold("texts", "silver.orders", write=Upsert(surrogate_key="order_key")), "is STRING"),
        (
            Gold("history", "silver.customers", write=Scd2(["customerid"], "seen_on", "key", "gone")),
            "names 'customerid', which silver.customers does not have",
        ),
        (
            Gold("history", "silver.customers", write=Scd2(["customer_id"], "seen_on", "key")),
            "Scd2 reads 'seen_on', which silver.customers does not have",
        ),
        (
            Gold("history", "silver.customers", write=Scd2(["customer_id"], "city", "key", "lft = 'yes'")),
            "Scd2 reads 'lft'",
        ),
        (
            Gold("history", "silver.customers", write=Scd2(["customer_id"], "changed_at", "key")),
            "effective_start_date is DATE, and changed_at, from which states are valid, is TIMESTAMP",
        ),
        (
            Gold("history", "silver.customers", write=Scd2(["customer_id"], "code", "key")),
            "sequence_by='code') is STRING, from which no state can be valid",
        ),
        (
            Gold("history", "silver.customers", write=Scd2(["customer_id"], "since", "key", "since < current_date")),
            "delete_when='since < current_date' has current_date, which does not answer the same each time",
        ),
        (
            Gold("history", "silver.customers", write=Scd2(["customer_id"], "since", "key", "since < DATE 'today'")),
            "has today, which does not",
        ),
        (fact(write=Replace(by="month", of="trunc(now(), 'MONTH')")), "has now, which does not"),
        (
            Gold("labels", "bronze.customers", write=Replace(by="labels", of="map(city, 1)")),
            "by names 'labels', which is MAP<STRING, INT>, and maps cannot be compared",
        ),
        (
            Gold("labels", "silver.labels", lookups=[Lookup("silver.labels", on="labels")]),
            "names 'labels', which is MAP<STRING, INT>, and maps cannot be compared",
        ),
        (fact(write=Scd2(["order_id"], "ordered_on", "order_id")), "has no column 'is_current', which Scd2 fills"),
    ],
)
def test_what_the_contracts_do_not_have_is_told_with_line_and_suggestion(node: Silver | Gold, said: str) -> None:
    text = problems(node)

    assert said in text
    assert f"{HERE}:" in text
    assert node.table in text


def test_types_that_would_be_coerced_are_no_way_to_find_rows() -> None:
    customers = contract("silver.customers", {"customer_id": "STRING", "city": "STRING"}, ["customer_id"])

    text = problems(
        fact(lookups=[Lookup("silver.customers", on="customer_id")]),
        contracts={**CONTRACTS, "silver.customers": customers},
    )

    assert "compares customer_id BIGINT of gold.fact with STRING of silver.customers" in text


def test_tables_that_refer_to_each_other_in_a_circle_are_named() -> None:
    refers = {
        "relates": contract(
            "silver.customers",
            {"customer_id": "BIGINT", "last": "BIGINT"},
            ["customer_id"],
            last={"reference": "silver.orders.order_id"},
        )
    }
    orders = contract("silver.orders", ORDERS, ["order_id"], customer_id={"reference": "silver.customers.customer_id"})

    text = problems(fact(), contracts={**CONTRACTS, "silver.customers": refers["relates"], "silver.orders": orders})

    assert "silver.customers" in text
    assert "silver.orders" in text
    assert "circle" in text


def test_a_table_is_written_after_what_its_contract_refers_to_and_not_after_itself() -> None:
    refers = contract(
        "gold.fact",
        ORDERS,
        ["order_id"],
        order_id={"reference": "gold.fact.order_id"},
        customer_id={"reference": "silver.customers.customer_id"},
        amount={"reference": "gold.elsewhere.amount"},
    )
    pipeline = Pipeline("shop", *SOURCES, PLAIN, fact())

    assert pipeline.prerequisites(pipeline.node("gold.fact"), {"gold.fact": refers}) == (
        "silver.orders",
        "silver.customers",
    )


def test_a_sound_definition_passes() -> None:
    nodes = (
        Silver("orders", "bronze.orders", lookups=[Lookup("silver.customers", on="customer_id")]),
        fact(write=Replace(by="month", of="TRUNC(Ordered_On, 'MONTH')"), lookups=["silver.customers"]),
        Gold("history", "silver.customers", write=Scd2(["customer_id"], "since", "key", "city = 'none'")),
        Gold("only_surrogate", "silver.orders", write=Replace()),
        Gold("texts", "silver.orders", lookups=[Lookup("silver.customers", on=["customer_id"])]),
    )

    check_pipeline(Pipeline("shop", *SOURCES, *nodes), CONTRACTS)


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).map(lambda name: f"{name}_c")


@given(st.lists(names, min_size=1, max_size=4, unique=True), st.data())
def test_the_columns_of_an_expression_are_found_in_whatever_way_it_is_written(
    columns: list[str], data: st.DataObject
) -> None:
    wrap = st.sampled_from(
        [
            "trunc({}, 'MONTH')", "coalesce({}, 'a_c b_c')", "CAST({} AS DATE)", "`{}`", "{}.part", "{}['key_c']",
            "CASE WHEN {} THEN 1 END", "transform({}, x_c -> x_c + 1)", "{} IN ('x_c')", "{} + INTERVAL 1 DAY", "({})",
            "date_trunc('hour', {})", "if({} <=> NULL, 1, 2)", "{} -- d_c\n",
        ]
    )  # fmt: skip

    text = f"struct({', '.join(data.draw(wrap).format(name) for name in columns)}\n)"

    assert set(columns_in(text)) == set(columns)
