"""A definition of streams and contracts that do not agree are refused before Spark starts, all of it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from little_tills import TILLS, contracts

from databricks_utils.contracts import Contract, DeclaredRule
from databricks_utils.errors import InputProblems
from databricks_utils.streaming import StreamGold, StreamPipeline, Watermark
from databricks_utils.streaming.agreement import check_streams


def with_column(name: str, **changes: object) -> Mapping[str, Contract]:
    """Return the contracts with another column of silver.sales."""
    silver = contracts()["silver.sales"]
    columns = tuple(replace(column, **changes) if column.name == name else column for column in silver.columns)  # type: ignore[arg-type]  # of a column
    key = tuple(column.name for column in columns if column.primary_key)
    return {**contracts(), "silver.sales": replace(silver, columns=columns, key=key)}


def without_column(table: str, name: str) -> Mapping[str, Contract]:
    contract = contracts()[table]
    return {**contracts(), table: replace(contract, columns=[item for item in contract.columns if item.name != name])}


def with_rule(name: str) -> Mapping[str, Contract]:
    silver = contracts()["silver.sales"]
    rule = DeclaredRule(name, None, "row", predicate="amount > 0")
    return {**contracts(), "silver.sales": replace(silver, declared_rules=(rule,))}


def with_watermark_of(column: str) -> StreamPipeline:
    silver = replace(TILLS.silver("silver.sales"), watermark=Watermark(column))
    return StreamPipeline("tills", *[silver if node.table == silver.table else node for node in TILLS])


def with_gold_of_bronze() -> StreamPipeline:
    node = TILLS.node("gold.store_minutes")
    assert isinstance(node, StreamGold)
    return StreamPipeline(
        "tills", *[replace(node, reads="bronze.sales") if other is node else other for other in TILLS]
    )


@pytest.mark.parametrize(
    ("pipeline", "given", "said"),
    [
        (TILLS, without_column("bronze.sales", "partition"), "bronze.sales lacks partition"),
        (TILLS, with_column("sale_id", primary_key=False), "silver.sales has no key"),
        (with_watermark_of("sold_at"), contracts(), "needs a TIMESTAMP, and sold_at is not there"),
        (with_watermark_of("store_id"), contracts(), "needs a TIMESTAMP, and store_id is INT"),
        (TILLS, with_column("event_time", data_type="DATE"), "needs a TIMESTAMP, and event_time is DATE"),
        (TILLS, with_rule("event_time_not_late"), "A rule is called 'event_time_not_late'"),
        (with_gold_of_bronze(), contracts(), "gold.store_minutes reads bronze.sales"),
    ],
)
def test_what_does_not_agree_is_named_with_its_place(
    pipeline: StreamPipeline, given: Mapping[str, Contract], said: str
) -> None:
    with pytest.raises(InputProblems) as raised:
        check_streams(pipeline, given)

    (problem,) = raised.value.problems
    assert said in problem.message
    assert problem.where
    assert problem.hint


def test_what_agrees_is_not_refused() -> None:
    check_streams(TILLS, contracts())
    check_streams(TILLS, with_column("event_time", data_type="TIMESTAMP_NTZ"))
    check_streams(TILLS, {})
