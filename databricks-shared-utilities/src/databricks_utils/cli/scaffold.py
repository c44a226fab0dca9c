"""Skeletons for a new table: a contract and, for silver and gold, a transformation."""

from __future__ import annotations

import re
from keyword import iskeyword
from pathlib import Path
from typing import Any

from databricks_utils.cli.project import Project
from databricks_utils.contracts import scaffold_contract
from databricks_utils.errors import InvalidInput

TRANSFORMATION = '''"""{title}."""

from __future__ import annotations

from pyspark.sql import DataFrame


def {function}(rows: DataFrame) -> DataFrame:
    """Say here in one line what the function does to the rows.

    Args:
        rows: The table read: its columns and types.

    Returns:
        The columns of contracts/{layer}/{name}.yaml.
    """
    return rows
'''


def add_files(project: Project[Any], root: Path, table: str) -> list[str]:
    """Write the skeletons of a table and return what was written and what is left to do.

    Raises:
        InvalidInput: The name is not a table name, or a file is there already.
    """
    layer, _, name = table.partition(".")
    if layer not in ("bronze", "silver", "gold") or not re.fullmatch(r"[a-z][a-z0-9_]*", name) or iskeyword(name):
        raise InvalidInput(
            f"{table!r} is not a table name",
            hint="Write bronze., silver. or gold. and a name of small letters, digits and _ that is no word of Python",
        )
    files = {root / "contracts" / layer / f"{name}.yaml": scaffold_contract(layer, name)}
    function = {"silver": f"clean_{name}", "gold": name}.get(layer)
    if function:
        text = TRANSFORMATION.format(
            title=name.replace("_", " ").capitalize(), function=function, layer=layer, name=name
        )
        files[project.package_folder / "transformations" / layer / f"{name}.py"] = text
    present = [path for path in files if path.exists()]
    if present:
        raise InvalidInput(
            f"{present[0].name} is there already",
            where=str(present[0]),
            hint="Edit it, or choose another name",
        )
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    written = [f"Written: {path.relative_to(root) if path.is_relative_to(root) else path}" for path in files]
    return [
        *written,
        f"Next: add a line for {table} to orchestration/pipeline_definition.py, and a task to resources/jobs.yml",
    ]
