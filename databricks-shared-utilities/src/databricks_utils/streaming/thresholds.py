"""What thresholds say of streams: of the events that came lately, and of what the queries reported last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import Row
from pyspark.sql import functions as F

from databricks_utils.config import StreamThresholds
from databricks_utils.contracts import Severity
from databricks_utils.data_quality import RuleResult, decide, quality_score, row_rules
from databricks_utils.pipeline import Lakehouse, quarantine_of
from databricks_utils.streaming.definition import StreamNode, StreamPipeline, StreamSilver
from databricks_utils.streaming.events import time_rules
from databricks_utils.streaming.progress import STREAM_PROGRESS

#: Columns of `operations.stream_progress` that have limits in `streaming.thresholds`, and what their numbers count.
MEASURES = {
    "lag_events": "events are not yet read",
    "lag_bytes": "bytes are not yet read",
    "state_bytes": "bytes of state are in memory",
    "watermark_delay_seconds": "seconds is the watermark behind the clock",
}

#: What each query reported last, by query and measure.
Reports = Mapping[str, Mapping[str, float | None]]


def rules_of_events(lakehouse: Lakehouse, node: StreamNode, since: datetime) -> tuple[RuleResult, ...]:
    """Judge the events that a silver table and its quarantine got since a moment by the section `quality`.

    `invalid_share` counts events in the quarantine. `minimum_score` is about the checks of all rules on all events,
    weighted by severity, as for the tables of a batch.

    Returns:
        Two results, or none where no event came and for other tables.
    """
    quarantine = quarantine_of(node.table)
    if not isinstance(node, StreamSilver) or not lakehouse.exists(node.table) or not lakehouse.exists(quarantine):
        return ()
    found = _counted_events(lakehouse, node.table, since)
    if not found.events:
        return ()
    contract, quality = lakehouse.contract(node.table), lakehouse.configuration.quality
    severities = [rule.severity for rule in (*row_rules(contract), *time_rules(lakehouse, contract, node))]
    counts: list[tuple[Severity, int]] = [("error", found.errors), ("warning", found.warnings)]
    checks = [
        RuleResult(
            severity, None, "expression", severity, found.events * severities.count(severity), failed, not failed
        )
        for severity, failed in counts
    ]
    score = quality_score(checks)
    share, points = decide(1.0, found.events, found.invalid, quality), decide(score, 0, 0, quality)
    return (
        RuleResult(
            "invalid_share",
            None,
            "invalid_share",
            "warning" if share.status == "warned" else "error",
            found.events,
            found.invalid,
            share.status == "passed",
            " ".join(share.reasons),
        ),
        # Its rows are those of the rule above, which count in the table's own score already.
        RuleResult("minimum_score", None, "score", "error", 0, 0, points.status == "passed", " ".join(points.reasons)),
    )


def _counted_events(lakehouse: Lakehouse, table: str, since: datetime) -> Row:
    """Return how many events came since a moment, how many are invalid, and how many checks they did not meet."""
    recent, none = F.col("_processing_timestamp") >= F.lit(since), F.lit(0)
    valid = lakehouse.read(table).where(recent)
    invalid = lakehouse.read(quarantine_of(table)).where(recent)
    counted = valid.select(F.lit(0).alias("errors"), F.greatest(F.size("_validation_warnings"), none).alias("warnings"))
    counted = counted.unionAll(invalid.select(F.size("_validation_errors").alias("errors"), none.alias("warnings")))
    return counted.agg(
        F.count(F.lit(1)).alias("events"),
        F.count_if(F.col("errors") > 0).alias("invalid"),
        F.sum("errors").alias("errors"),
        F.sum("warnings").alias("warnings"),
    ).collect()[0]


def newest_reports(lakehouse: Lakehouse, since: datetime) -> Reports:
    """Return what each query has reported in its newest batch since a moment."""
    batches = STREAM_PROGRESS.frame(lakehouse.spark, lakehouse.namespace).where(F.col("started_at") >= F.lit(since))
    newest = batches.groupBy("query").agg(*[F.max_by(name, "started_at").alias(name) for name in MEASURES])
    return {row["query"]: {name: row[name] for name in MEASURES} for row in newest.collect()}


def queries_of(pipeline: StreamPipeline, node: StreamNode) -> tuple[str, ...]:
    """Return the names of the queries that a table answers for."""
    if not isinstance(node, StreamSilver):
        return (node.table,)
    told = [alerts.name for alerts in pipeline.event_alerts if alerts.reads == node.table]
    return (node.table, quarantine_of(node.table), *told)


def rules_of_reports(reports: Reports, queries: Sequence[str], thresholds: StreamThresholds) -> tuple[RuleResult, ...]:
    """Judge what queries reported last by the section `streaming.thresholds`; the worst of them counts.

    Returns:
        One result for each measure that has a limit and was reported.
    """
    found: list[RuleResult] = []
    for measure, what in MEASURES.items():
        values = [value for query in queries if (value := reports.get(query, {}).get(measure)) is not None]
        warn, fail = (_limit(thresholds, f"{level}_{measure}") for level in ("warn", "fail"))
        limit = fail if warn is None or (values and fail is not None and max(values) > fail) else warn
        if not values or limit is None:
            continue
        above = sum(value > limit for value in values)
        detail = f"{max(values):,.0f} {what}, at most {limit:,.0f}"
        severity: Severity = "error" if limit == fail else "warning"
        found.append(RuleResult(measure, None, "limit", severity, len(values), above, not above, detail))
    return tuple(found)


def _limit(thresholds: StreamThresholds, name: str) -> float | None:
    found: Any = getattr(thresholds, name)
    return None if found is None else float(found)
