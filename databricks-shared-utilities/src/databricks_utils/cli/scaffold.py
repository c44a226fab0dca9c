"""Skeletons for a new table: a contract and, for silver and gold, a transformation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from typing import Any

from databricks_utils.cli.project import Project
from databricks_utils.contracts import Column, scaffold_contract
from databricks_utils.errors import InvalidInput
from databricks_utils.streaming import StreamPipeline

HEAD = '''"""{title}."""

from __future__ import annotations

from pyspark.sql import DataFrame
'''
FUNCTION = '''

def {function}(rows: DataFrame) -> DataFrame:
    """Say here in one line what the function does to the rows.

    Args:
        rows: The table read: its columns and types.

    Returns:
        The columns of contracts/{layer}/{name}.yaml.
    """
'''
TRANSFORMATION = HEAD + FUNCTION + "    return rows\n"
#: Gold of streams keeps state, and a window of event time is what bounds it.
WINDOWS = (
    HEAD
    + "from pyspark.sql import functions as F\n"
    + FUNCTION
    + """    windows = rows.groupBy(F.window("event_time", "1 minute").alias("window"))
    counted = windows.agg(F.count(F.lit(1)).alias("events"))
    return counted.select(F.col("window.start").alias("minute_start"), "events")
"""
)
#: What bronze of a stream has, as a broker delivers it.
RECORD = (
    Column("key", "BINARY", description="Key of the record; events of one key keep their order."),
    Column("value", "BINARY", description="The event, byte by byte as it was sent."),
    Column("topic", "STRING", description="Topic or event hub; for files the name of their folder."),
    Column("partition", "INT", description="Partition of the topic; empty for files."),
    Column("offset", "BIGINT", description="Place in the partition; empty for files."),
    Column("timestamp", "TIMESTAMP", description="Time of the record; empty for files."),
)
EVENT = (
    Column("event_id", "STRING", required=True, primary_key=True, description="Say what tells two events apart."),
    Column("event_time", "TIMESTAMP", required=True, description="When it happened."),
)
MINUTE = (
    Column("minute_start", "TIMESTAMP", required=True, primary_key=True, description="Begin of the minute."),
    Column("events", "BIGINT", description="Events of the minute."),
)


@dataclass(frozen=True)
class Skeleton:
    """What is written for a table of a layer, and what is left to do.

    Args:
        columns: Of the contract; None for those that every table may begin with.
        function: Name of the transformation, `{name}` being the table's; None where there is none.
        text: Its module.
        line: What the definition needs.
        after: What is to be done then.
    """

    columns: tuple[Column, ...] | None
    function: str | None
    text: str
    line: str
    after: str


_OWN_TASK = "then run docs, which writes its task into resources/jobs.yml"
_NO_TASK = "which the one task of the job runs with the others; then run docs and state"
BATCH = {
    "bronze": Skeleton(None, None, "", 'Bronze("{name}", source=Files("{name}", format="csv"))', _OWN_TASK),
    "silver": Skeleton(
        None, "clean_{name}", TRANSFORMATION, 'Silver("{name}", reads="bronze.{name}", transform={function})', _OWN_TASK
    ),
    "gold": Skeleton(
        None, "{name}", TRANSFORMATION, 'Gold("{name}", reads="silver.…", transform={function})', _OWN_TASK
    ),
}
STREAMS = {
    "bronze": Skeleton(RECORD, None, "", 'StreamBronze("{name}", topic="…")', _NO_TASK),
    "silver": Skeleton(
        EVENT,
        "clean_{name}",
        TRANSFORMATION,
        'StreamSilver("{name}", reads="bronze.{name}", transform={function})',
        _NO_TASK,
    ),
    "gold": Skeleton(
        MINUTE, "{name}", WINDOWS, 'StreamGold("{name}", reads="silver.…", transform={function})', _NO_TASK
    ),
}


def add_files(project: Project[Any], root: Path, table: str) -> list[str]:
    """Write the skeletons of a table and return what was written and what is left to do.

    Args:
        project: Its pipeline says whether tables are streams.
        root: The project's folder.
        table: `layer.table`.

    Raises:
        InvalidInput: The name is not a table name, a file is there already, or the folder is another project's.
    """
    layer, _, name = table.partition(".")
    if layer not in ("bronze", "silver", "gold") or not re.fullmatch(r"[a-z][a-z0-9_]*", name) or iskeyword(name):
        raise InvalidInput(
            f"{table!r} is not a table name",
            hint="Write bronze., silver. or gold. and a name of small letters, digits and _ that is no word of Python",
        )
    skeleton = (STREAMS if isinstance(project.pipeline, StreamPipeline) else BATCH)[layer]
    function = (skeleton.function or "").format(name=name)
    files = {root / "contracts" / layer / f"{name}.yaml": scaffold_contract(layer, name, columns=skeleton.columns)}
    if function:
        title = name.replace("_", " ").capitalize()
        text = skeleton.text.format(title=title, function=function, layer=layer, name=name)
        files[_package(project, root) / "transformations" / layer / f"{name}.py"] = text
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
    line = skeleton.line.format(name=name, function=function)
    return [
        *(f"Written: {path.relative_to(root)}" for path in files),
        f"Next: add {line} to orchestration/pipeline_definition.py, {skeleton.after}",
    ]


def _package(project: Project[Any], root: Path) -> Path:
    """Return the folder of the project's code below its root: the installed one may belong to another copy."""
    if project.package_folder.resolve().is_relative_to(root):
        return project.package_folder.resolve()
    found = root / "src" / project.package_folder.name
    if not found.is_dir():
        raise InvalidInput(
            f"This is not the folder of {project.command}: it has no src/{found.name}",
            where=str(root),
            hint="Change into the project's folder, or name it with --project",
        )
    return found
