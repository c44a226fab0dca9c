"""Rules about whole tables, checked after the table was written."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from databricks_utils.data_quality.results import RuleResult
from databricks_utils.data_quality.rules import TableRule

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def run_table_rules(
    spark: SparkSession, identifier: str, rules: Sequence[TableRule], resolve: Callable[[str], str], *, now: datetime
) -> list[RuleResult]:
    """Check table rules.

    Counts, uniqueness and freshness share one pass over the table; each reference is an anti join.

    Args:
        spark: The session.
        identifier: Quoted table.
        rules: Table rules.
        resolve: Gives the identifier of a `layer.table` a reference names.
        now: The moment freshness counts from, with a time zone.
    """
    table = spark.table(identifier)
    shared = [rule for rule in rules if rule.kind != "reference"]
    columns = [_measure(rule) for rule in shared]
    row = table.agg(F.count(F.lit(1)), *[column.alias(f"a{n}") for n, column in enumerate(columns)]).collect()[0]
    total = int(row[0])
    results = {rule.name: _judged(rule, total, row[n + 1], now) for n, rule in enumerate(shared)}
    for rule in rules:
        if rule.kind == "reference":
            results[rule.name] = _reference(spark, identifier, rule, resolve, total)
    return [results[rule.name] for rule in rules]


def _measure(rule: TableRule):  # type: ignore[no-untyped-def]  # a Column; pyspark has two classes of that name
    if rule.kind == "unique":
        return F.count(F.col(rule.column or "")) - F.count_distinct(F.col(rule.column or ""))
    if rule.kind == "freshness":
        return F.max(F.col(rule.column or "")).cast("timestamp").cast("double")
    if rule.kind == "share":
        return F.count(F.when(~F.coalesce(F.expr(rule.predicate or "true"), F.lit(True)), 1))
    return F.count(F.lit(1))


def _judged(rule: TableRule, total: int, value: float | None, now: datetime) -> RuleResult:
    if rule.kind == "freshness":
        return _freshness(rule, total, value, now)
    measured = float(value or 0)
    compared = 100 * measured / total if rule.percent and total else measured
    passed = all(COMPARE[sign](compared, bound) for sign, bound in rule.condition)
    wanted = " and ".join(f"{sign} {bound:g}" for sign, bound in rule.condition)
    failed = int(measured) if rule.kind in ("unique", "share") and not passed else 0
    return RuleResult(rule.name, rule.column, rule.kind, rule.severity, total, failed, passed, f"{compared:g}, wanted {wanted}")


def _freshness(rule: TableRule, total: int, newest: float | None, now: datetime) -> RuleResult:
    if newest is None:
        return RuleResult(rule.name, rule.column, rule.kind, rule.severity, total, 0, True, "the table is empty")
    age = (now.astimezone(timezone.utc).timestamp() - newest) / 3600
    limit = rule.hours or 0.0
    passed = age <= limit
    return RuleResult(
        rule.name, rule.column, rule.kind, rule.severity, total, 0, passed, f"{max(age, 0):.1f} hours old, at most {limit:g}"
    )


def _reference(
    spark: SparkSession, identifier: str, rule: TableRule, resolve: Callable[[str], str], total: int
) -> RuleResult:
    table, _, target = (rule.reference or "").rpartition(".")
    known = spark.table(resolve(table)).select(F.col(target).alias("_known")).where("_known IS NOT NULL").distinct()
    used = spark.table(identifier).select(F.col(rule.column or "").alias("_known")).where("_known IS NOT NULL")
    missing = used.join(known, "_known", "left_anti").count()
    return RuleResult(rule.name, rule.column, rule.kind, rule.severity, total, missing, missing == 0, f"every value is in {rule.reference}")
