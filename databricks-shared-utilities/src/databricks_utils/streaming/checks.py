"""The rules about whole tables and the thresholds of streams, checked on the tables as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from databricks_utils.data_quality import RuleResult
from databricks_utils.medallion.checks import checked, rules_of_table
from databricks_utils.observability import RunResult
from databricks_utils.pipeline import Lakehouse
from databricks_utils.streaming.definition import StreamBronze, StreamNode, StreamPipeline
from databricks_utils.streaming.failure import described
from databricks_utils.streaming.thresholds import (
    newest_reports,
    queries_of,
    rules_of_events,
    rules_of_reports,
)


def check_tables(
    lakehouse: Lakehouse, pipeline: StreamPipeline, *, tables: Sequence[str] = (), run_id: str | None = None
) -> RunResult:
    """Check tables against their contracts' rules about the whole table and against thresholds; record the outcomes.

    Thresholds are those of the section `quality` for the events of the last `streaming.thresholds.recent_minutes`, and
    the limits of that section for what the queries reported last within this time. Each table is read as it is at
    that moment, so streams may run meanwhile. A table that does not exist yet is skipped.

    Args:
        lakehouse: The open lakehouse.
        pipeline: The definition.
        tables: `layer.table` names; all when empty.
        run_id: Name under which the outcomes are kept in `operations.quality_results`.

    Returns:
        One result for each table. A rule of severity error that is not met is a breach, which makes exit code 3, and
        so is a value beyond a threshold that fails; a warning is only recorded.
    """
    thresholds = lakehouse.configuration.streaming.thresholds
    since = datetime.now(timezone.utc) - timedelta(minutes=thresholds.recent_minutes)
    reports = newest_reports(lakehouse, since)

    def rules(node: StreamNode) -> tuple[RuleResult, ...]:
        # Bronze takes whatever comes; nothing in it is checked.
        found = () if isinstance(node, StreamBronze) else rules_of_node(lakehouse, node, since=since)
        return (*found, *rules_of_reports(reports, queries_of(pipeline, node), thresholds))

    return checked(lakehouse, pipeline, rules, tables=tables, run_id=run_id, explain=described)


def rules_of_node(
    lakehouse: Lakehouse, node: StreamNode, *, written: bool = True, since: datetime | None = None
) -> tuple[RuleResult, ...]:
    """Check one table.

    Args:
        lakehouse: The open lakehouse.
        node: The table's definition.
        written: Whether the table has changed since it was last checked; otherwise only its age is looked at.
        since: Events that came from then on are judged by the section `quality`; without it none.

    Raises:
        InvalidInput: A rule names a column the table does not have.
    """
    found = rules_of_table(lakehouse, node.table, now=datetime.now(timezone.utc), written=written)
    return (*found, *(rules_of_events(lakehouse, node, since) if since else ()))
