"""A run of a small shop in which everything happens that can happen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from databricks_utils.data_quality import RuleResult
from databricks_utils.observability import Graph, GraphNode, RunResult, TableResult

MOMENT = datetime(2026, 3, 1, 5, 30, tzinfo=timezone.utc)
LONG_NAME = "silver.customer_loyalty_transactions_with_household_demographics"


@pytest.fixture
def table() -> Callable[..., TableResult]:
    """Return a function that makes the result of one table."""

    def made(name: str, status: Any = "succeeded", **values: Any) -> TableResult:
        return TableResult(name, name.partition(".")[0], status, MOMENT, values.pop("duration_seconds", 1.25), **values)

    return made


@pytest.fixture
def run(table: Callable[..., TableResult]) -> RunResult:
    """Return a run with a table of every kind."""
    rules = (
        RuleResult("amount_range", "amount", "range", "error", 1_469_307, 12_345, False, "amount >= 0", set_aside=True),
        RuleResult("known_shop", "shop_id", "set", "warning", 1_469_307, 7, False),
        RuleResult("primary_key", None, "unique", "error", 1_469_307, 0, True),
    )
    tables = (
        table("bronze.orders", rows_read=1_469_307, rows_valid=1_469_307, rows_written=1_469_307),
        table(
            LONG_NAME,
            rows_read=1_469_307,
            rows_valid=1_456_950,
            rows_written=1_456_950,
            rows_quarantined=12_345,
            rows_duplicate=12,
            score=0.9312,
            rules=rules,
            breaches=("0.84% of the rows are invalid, more than 0.50%",),
        ),
        table("silver.shops", "skipped"),
        table("gold.fact_orders", "failed", error="AnalysisException: the column `amuont` cannot be resolved"),
        table("gold.daily_orders", "blocked", error="not run because gold.fact_orders failed"),
    )
    return RunResult("5f1d2c3b4a59", "shop", "dev", MOMENT, 3725.5, tables, {"tables": "", "full_refresh": "false"})


@pytest.fixture
def graph(run: RunResult) -> Graph:
    """Return the picture of that run's pipeline."""
    nodes = tuple(GraphNode(item.table, item.layer, f"About {item.table}") for item in run.tables)
    edges = (
        ("bronze.orders", LONG_NAME),
        (LONG_NAME, "gold.fact_orders"),
        ("silver.shops", "gold.fact_orders"),
        ("gold.fact_orders", "gold.daily_orders"),
    )
    return Graph(nodes, edges)
