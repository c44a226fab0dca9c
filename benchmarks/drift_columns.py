"""The distributions of a hundred columns in the bins of a reference, as a process to be measured.

`data` makes the rows and the reference. The library counts all columns in one pass; `jobs` asks Spark for each column
by itself, as is often written; `memory` reads the file with Arrow and counts with numpy, without Spark.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from databricks_utils.features import Distribution

COLUMNS = [f"f{number}" for number in range(100)]
REFERENCE = 10_000


def data(folder: Path, rows: int) -> None:
    """Write rows.parquet, and reference.json of other rows: many zeros, some NULL, columns that have moved a little."""
    import duckdb
    from databricks_utils.features import array_distributions, distributions_to_json

    folder.mkdir(parents=True, exist_ok=True)

    def values(moved: float) -> str:
        return ", ".join(
            f"CASE hash(n * 131 + {place}) % 50 WHEN 0 THEN NULL WHEN 1 THEN 0 ELSE greatest(0, "
            f"((hash(n * 17 + {place}) % 100000) / 1000.0 - 33) * {1 + moved * place})::DOUBLE END AS {name}"
            for place, name in enumerate(COLUMNS)
        )

    duckdb.execute(f"COPY (SELECT {values(0.001)} FROM range({rows}) t(n)) TO '{folder}/rows.parquet' (FORMAT parquet)")
    before = duckdb.execute(f"SELECT {values(0.0)} FROM range({rows}, {rows + REFERENCE}) t(n)").fetchnumpy()
    reference = array_distributions({name: np.ma.filled(before[name], np.nan) for name in COLUMNS})
    (folder / "reference.json").write_text(distributions_to_json(reference), encoding="utf-8")


def found_by(way: str, folder: Path, warehouse: Path) -> Mapping[str, Distribution]:
    """Count one way."""
    from databricks_utils.features import current_distributions, distributions_from_json

    reference = distributions_from_json((folder / "reference.json").read_text(encoding="utf-8"))
    if way == "memory":
        return _in_memory(folder / "rows.parquet", reference)
    from databricks_utils.session import LocalSpark, create_session

    spark = create_session(LocalSpark(), "drift", warehouse)
    rows = spark.read.parquet(str(folder / "rows.parquet"))
    if way == "library":
        found = current_distributions(rows, reference)
    else:
        # One job for each column, with a vectorised count of the same kind.
        found = {name: current_distributions(rows, {name: one})[name] for name, one in reference.items()}
    spark.stop()
    return found


def _in_memory(file: Path, reference: Mapping[str, Distribution]) -> Mapping[str, Distribution]:
    import pyarrow.parquet as pq
    from databricks_utils.features.distributions import distribution_of

    found = {}
    for name, before in reference.items():
        column = pq.read_table(file, columns=[name]).column(name).to_numpy()
        found[name] = distribution_of(name, before.edges, column)
    return found


def counts(output: Path) -> list[list[int]]:
    """Return what all ways must agree on: counts, NULL and zeros of each column."""
    found: list[list[int]] = json.loads(output.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Run one way once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("library", "jobs", "memory"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    found = found_by(options.way, options.folder, options.output.with_suffix(".warehouse"))
    written = [[*found[name].counts, found[name].nulls, found[name].zeros] for name in COLUMNS]
    options.output.write_text(json.dumps(written), encoding="utf-8")


if __name__ == "__main__":
    main()
