"""The gold tables of a warehouse with Delta tables as Parquet files, so that one program hashes every competitor's."""

from __future__ import annotations

import argparse
from pathlib import Path

from databricks_utils.session import LocalSpark, create_session

from benchmarks.gold_hash import COLUMNS


def export(gold: Path, output: Path) -> None:
    """Write the newest version of each gold table to `gold_<table>.parquet`, a folder of files."""
    spark = create_session(LocalSpark(), "export", short_lived=True)
    for table in COLUMNS:
        rows = spark.read.format("delta").load(str(gold / table))
        rows.write.mode("overwrite").parquet(str(output / f"gold_{table}.parquet"))
    spark.stop()


def main() -> None:
    """Run once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gold", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    export(options.gold, options.output)


if __name__ == "__main__":
    main()
