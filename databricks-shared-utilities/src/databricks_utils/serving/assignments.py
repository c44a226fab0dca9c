"""Which version answered for which entity in a comparison, and when: written by the service, read by `compare`."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.models.comparison import Side

# Rows are written and read by position, since files of earlier projects call the third column otherwise.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS assignments (
    experiment TEXT, model TEXT, entity INTEGER, arm TEXT, version INTEGER, score REAL NOT NULL,
    known INTEGER NOT NULL, at TEXT NOT NULL, PRIMARY KEY (experiment, model, entity, arm, version)
) WITHOUT ROWID
"""


class LostAssignment(LakehouseError):
    """The file cannot be written or read, so that a comparison would miss whom it is about."""


@dataclass(frozen=True)
class Assignment:
    """The first answer that an entity got of a version in a comparison.

    Args:
        experiment: Name of the comparison.
        model: Name of the model.
        entity: Value of its key.
        arm: The side that answered.
        version: Of the registry.
        score: What it answered.
        known: Whether the entity had features.
        at: Moment that the answer was for, in UTC.
    """

    experiment: str
    model: str
    entity: int
    arm: Side
    version: int
    score: float
    known: bool
    at: datetime


class AssignmentLog:
    """Assignments in a file, which threads and processes may write at a time.

    Args:
        path: The file; it is made when absent.

    Raises:
        LostAssignment: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        """Make the file where it is absent."""
        self._path = path
        self._lock = threading.Lock()
        self._noted: set[tuple[object, ...]] = set()
        self._file: tuple[int, int] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connected()) as connection, connection:
                connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._lost(error) from error

    def note(self, assignments: Sequence[Assignment]) -> None:
        """Write down answers; one that the same version has given before is known already and changes nothing.

        Raises:
            LostAssignment: They could not be written, or the file is gone.
        """
        self._follow()
        fresh = [item for item in assignments if _key(item) not in self._noted]
        if not fresh:
            return
        marks = ", ".join("?" * len(fields(Assignment)))
        rows = [(*astuple(item)[:-1], item.at.astimezone(timezone.utc).isoformat()) for item in fresh]
        try:
            with self._lock, closing(self._connected()) as connection, connection:
                connection.executemany(f"INSERT OR IGNORE INTO assignments VALUES ({marks})", rows)
        except sqlite3.Error as error:
            raise self._lost(error) from error
        self._noted.update(map(_key, fresh))

    def read(self, experiment: str) -> list[Assignment]:
        """Return the assignments of a comparison.

        Raises:
            InvalidInput: Nobody was assigned in it.
            LostAssignment: The file cannot be read.
        """
        try:
            with closing(self._connected()) as connection:
                found = connection.execute("SELECT * FROM assignments WHERE experiment = ?", [experiment]).fetchall()
                names = connection.execute("SELECT DISTINCT experiment FROM assignments ORDER BY 1").fetchall()
        except sqlite3.Error as error:
            raise self._lost(error) from error
        if not found:
            hint = f"Known: {', '.join(name for (name,) in names) or 'none; start one with serve --share'}"
            raise InvalidInput(f"Nobody was assigned in {experiment!r}", where=str(self._path), hint=hint)
        return [
            Assignment(name, model, entity, arm, version, score, bool(known), datetime.fromisoformat(at))
            for name, model, entity, arm, version, score, known, at in found
        ]

    def _follow(self) -> None:
        """Forget what was noted where another file has taken the place of the one that holds it."""
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise self._lost(error) from error
        with self._lock:
            if self._file != (found.st_dev, found.st_ino):
                self._noted.clear()
                self._file = found.st_dev, found.st_ino

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path)

    def _lost(self, error: Exception) -> LostAssignment:
        hint = "Look at its folder and rights; a comparison goes on only while every answer of it is noted"
        return LostAssignment(f"Assignments cannot be noted: {error}", where=str(self._path), hint=hint)


def _key(item: Assignment) -> tuple[object, ...]:
    return item.experiment, item.model, item.entity, item.arm, item.version
