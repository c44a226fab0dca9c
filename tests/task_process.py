"""A program for the environment of a baked project: runs wheel tasks one after the other in one process.

usage: task_process.py CALLS RESULT

CALLS is a JSON list of {task, package, entry_point, arguments}. A workspace starts a process for each task; here they
share one, and so the Spark session, because starting a session takes longer than a task. RESULT receives what became of
each task, and the tables of every schema, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import Any


def run(call: dict[str, Any]) -> str:
    """Run one task as the platform does: its entry point, found in the package's metadata, has to return."""
    (point,) = (
        point
        for point in distribution(call["package"]).entry_points
        if point.group == "console_scripts" and point.name == call["entry_point"]
    )
    sys.argv = [call["entry_point"], *call["arguments"]]
    try:
        point.load()()
    except SystemExit as ended:
        return f"SystemExit: {ended.code}"
    return "succeeded"


def main(calls: Path, result: Path) -> None:
    """Run all tasks, stop at the first that fails, and write down what happened."""
    outcome: dict[str, Any] = {"tasks": {}, "seconds": {}, "tables": [], "code": ""}
    for call in json.loads(calls.read_text(encoding="utf-8")):
        started = time.monotonic()
        outcome["tasks"][call["task"]] = run(call)
        outcome["seconds"][call["task"]] = round(time.monotonic() - started, 1)
        result.write_text(json.dumps(outcome), encoding="utf-8")
        if outcome["tasks"][call["task"]] != "succeeded":
            sys.exit(f"{call['task']} {outcome['tasks'][call['task']]}")
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession()
    assert spark is not None
    schemas = [row[0] for row in spark.sql("SHOW SCHEMAS").collect()]
    listed = {schema: spark.sql(f"SHOW TABLES IN `{schema}`").collect() for schema in schemas}
    names = [f"{schema}.{row.tableName}" for schema, rows in listed.items() for row in rows]
    outcome["tables"] = {name: spark.table(name).count() for name in names}
    # Not by number: a package that brings a metadata reader of its own looks entry points up by name.
    (module,) = {point.module for point in distribution(call["package"]).entry_points}
    outcome["code"] = sys.modules[module].__file__
    result.write_text(json.dumps(outcome), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
