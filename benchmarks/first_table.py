"""From a cold process to the first Delta table: by the library's session, and by Delta's own helper."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.usual_way import session as usual_session


def first_table(way: str) -> None:
    """Start Spark one way, write a small Delta table and read it."""
    with tempfile.TemporaryDirectory() as folder:
        if way == "tuned":
            from databricks_utils.session import LocalSpark, create_session

            spark = create_session(LocalSpark(), "first-table", Path(folder), short_lived=True)
        else:
            spark = usual_session(Path(folder), "2g")
        spark.range(1000).write.format("delta").saveAsTable("first")
        rows = spark.table("first").count()
        spark.stop()
    if rows != 1000:
        raise SystemExit(f"{rows} rows instead of 1000")


def main() -> None:
    """Run once, as a process to be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("tuned", "default"))
    first_table(parser.parse_args().way)


if __name__ == "__main__":
    main()
