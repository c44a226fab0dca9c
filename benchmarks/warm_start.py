"""A new process and its first answers: on a Spark that is kept, or on one that it starts itself."""

from __future__ import annotations

import argparse
import importlib
import json
import time
from pathlib import Path


def first_answers(warehouse: Path, kept: Path | None) -> dict[str, float]:
    """Return the seconds of the imports, of the session with its first query, and of a first Delta table."""
    started = time.perf_counter()
    importlib.import_module("pyspark.sql.connect.session")
    from databricks_utils.session import LocalSpark, create_session

    imported = time.perf_counter()
    spark = create_session(LocalSpark(), "warm-start", warehouse, kept=kept)
    _require(spark.range(1000).count())
    answered = time.perf_counter()
    spark.range(1000).write.format("delta").mode("overwrite").saveAsTable("first")
    _require(spark.table("first").count())
    written = time.perf_counter()
    spark.stop()
    return {"imports": imported - started, "answer": answered - imported, "table": written - answered}


def _require(rows: int) -> None:
    if rows != 1000:
        raise SystemExit(f"{rows} rows instead of 1000")


def main() -> None:
    """Run once, as a process to be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warehouse", type=Path, required=True)
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    options.result.write_text(json.dumps(first_answers(options.warehouse, options.kept)), encoding="utf-8")


if __name__ == "__main__":
    main()
