"""How long a table's turn takes."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from databricks_utils.observability import TableResult, TableStatus
from databricks_utils.pipeline.flow import TableNode


class Clock:
    """Measures a table's turn."""

    def __init__(self) -> None:
        self.at = datetime.now(timezone.utc)
        self._begin = time.perf_counter()

    def seconds(self) -> float:
        """Seconds since the start."""
        return round(time.perf_counter() - self._begin, 3)

    def result(self, node: TableNode, status: TableStatus) -> TableResult:
        """Return the table's result with start and duration filled in."""
        return TableResult(node.table, node.layer, status, self.at, self.seconds())
