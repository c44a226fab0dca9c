"""What a team does to its project: a table of its own, a setting, a commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TABLE = "gold.store_sales"
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: gold-store-sales
name: store_sales
version: 1.0.0
status: active
description:
  purpose: Sales by store.
team:
  name: data-engineers
schema:
  - name: store_sales
    physicalType: table
    description: One row for each store.
    properties:
      - name: store_id
        logicalType: integer
        physicalType: BIGINT
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        description: Store of the sales.
      - name: quantity
        logicalType: integer
        physicalType: BIGINT
        description: Pieces sold.
"""
FUNCTION = '''\
"""Sales by store."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def store_sales(fact_sales: DataFrame) -> DataFrame:
    """Add up sales by store.

    Args:
        fact_sales: gold.fact_sales: store_id BIGINT, quantity INT.

    Returns:
        One row for each store: store_id, quantity BIGINT.
    """
    return fact_sales.groupBy("store_id").agg(F.sum("quantity").alias("quantity"))
'''
LINE = '    Gold("store_sales", reads="gold.fact_sales", transform=store_sales, write=Replace()),\n'


def replaced(path: Path, old: str, new: str) -> None:
    """Replace a text that must occur in a file, once."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} no longer holds {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")


def add_table(project: Path) -> None:
    """Add the table `gold.store_sales` as the README of the project says: contract, function, one line, and `docs`."""
    (package,) = (path.parent for path in project.glob("src/*/__main__.py"))
    _command(project, package.name, "add", "table", TABLE)
    (project / "contracts" / "gold" / "store_sales.yaml").write_text(CONTRACT, encoding="utf-8")
    (package / "transformations" / "gold" / "store_sales.py").write_text(FUNCTION, encoding="utf-8")
    definition = package / "orchestration" / "pipeline_definition.py"
    functions = f"from {package.name}.transformations"
    own, following = f"{functions}.gold.store_sales import store_sales\n", f"{functions}.silver.campaigns"
    replaced(definition, following, own + following)
    text = definition.read_text(encoding="utf-8")
    definition.write_text(text.removesuffix(")\n") + LINE + ")\n", encoding="utf-8")
    _command(project, package.name, "docs")


def _command(project: Path, package: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", package, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": "src"},
        check=True,
        capture_output=True,
    )
