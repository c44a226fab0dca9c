"""Running notebooks in Databricks source format, cell by cell, so that a test can prove they work."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from databricks_utils.errors import InvalidInput, RunFailed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HEADER = "Databricks notebook source"
COMMENTS = {".py": "#", ".sql": "--"}


@dataclass(frozen=True)
class Cell:
    """One cell: its language, its text without magic marks, and the line it starts at."""

    language: Literal["python", "sql", "md"]
    text: str
    line: int


def read_notebook(path: Path) -> list[Cell]:
    """Split a notebook into cells.

    The format is documented by Databricks under "Export and import notebooks: source file".

    Raises:
        InvalidInput: The file is no notebook, or a cell uses a magic other than %md, %sql and %python.
    """
    comment = COMMENTS.get(path.suffix)
    lines = path.read_text(encoding="utf-8").splitlines()
    if comment is None or not lines or lines[0] != f"{comment} {HEADER}":
        raise InvalidInput("This is not a notebook in source format", where=str(path), hint=f"Begin with '# {HEADER}'")
    cells: list[Cell] = []
    start = 1
    for number, line in enumerate([*lines, f"{comment} COMMAND ----------"]):
        if line == f"{comment} COMMAND ----------":
            cells += _cell(path, lines[start:number], start + 1, comment)
            start = number + 1
    return cells


def run_notebook(path: Path, spark: SparkSession, names: Mapping[str, object] | None = None) -> str:
    """Run a notebook from top to bottom and return what it printed.

    Args:
        path: The notebook.
        spark: The session, given to the notebook as `spark`.
        names: Further names the notebook finds.

    Raises:
        RunFailed: A cell fails; the message names file, line and cause.
    """
    scope: dict[str, object] = {"spark": spark, "__name__": "__main__", **(names or {})}
    output = io.StringIO()
    for cell in read_notebook(path):
        try:
            with contextlib.redirect_stdout(output):
                _run(cell, path, spark, scope)
        except Exception as error:  # whatever a cell raises is the notebook's failure
            raise RunFailed(f"A cell fails: {type(error).__name__}: {error}", where=f"{path}:{cell.line}") from error
    return output.getvalue()


def _run(cell: Cell, path: Path, spark: SparkSession, scope: dict[str, object]) -> None:
    if cell.language == "python":
        exec(compile("\n" * (cell.line - 1) + cell.text, str(path), "exec"), scope)
    elif cell.language == "sql":
        for statement in statements(cell.text):
            spark.sql(statement).show(truncate=False)


def statements(text: str) -> Iterator[str]:
    """Split SQL at semicolons that stand outside quotes and comments."""
    current: list[str] = []
    quote = ""
    for line in text.splitlines():
        if not quote and line.lstrip().startswith("--"):
            continue
        for character in line:
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"`":
                quote = character
            if character == ";" and not quote:
                yield from _statement(current)
                current = []
            else:
                current.append(character)
        current.append("\n")
    yield from _statement(current)


def _statement(characters: list[str]) -> Iterator[str]:
    text = "".join(characters).strip()
    if text:
        yield text


def _cell(path: Path, lines: list[str], line: int, comment: str) -> list[Cell]:
    while lines and not lines[0].strip():
        lines, line = lines[1:], line + 1
    if not lines:
        return []
    mark = f"{comment} MAGIC"
    if not lines[0].startswith(mark):
        return [Cell("python" if comment == "#" else "sql", "\n".join(lines), line)]
    body = [text.removeprefix(mark).removeprefix(" ") for text in lines]
    magic, _, rest = body[0].partition(" ")
    if magic not in ("%md", "%sql", "%python"):
        raise InvalidInput(
            f"The magic {magic} cannot be run here", where=f"{path}:{line}", hint="Use %md, %sql or %python"
        )
    language: Literal["python", "sql", "md"] = "md" if magic == "%md" else "sql" if magic == "%sql" else "python"
    return [Cell(language, "\n".join([rest, *body[1:]]).strip(), line)]
