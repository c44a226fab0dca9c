"""Reading commits from a table's own log folder, without a Spark job.

Source: Delta transaction log protocol, "Delta Log Entries" and "Commit Provenance Information".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_COMMIT_FILE = re.compile(r"(\d{20})\.json")


def newest_version(folder: Path) -> int | None:
    """Return the newest version of the table in a folder; None where there is none."""
    return max(_versions(folder), default=None)


def commit_entries(folder: Path, after: int, limit: int | None = None) -> list[dict[str, Any]] | None:
    """Return what the commits after a version say of themselves, newest first.

    Args:
        folder: Folder of the table.
        after: Version after which to look; -1 for all.
        limit: At most so many.

    Returns:
        `version`, `operation`, `operationMetrics` and `userMetadata` of each; None when a commit's file is gone or
        says nothing, so that the log alone does not answer.
    """
    entries = []
    for version in sorted((found for found in _versions(folder) if found > after), reverse=True)[:limit]:
        entry = _entry(folder / "_delta_log" / f"{version:020d}.json")
        if entry is None:
            return None
        entries.append({"version": version, **entry})
    return entries or None


def notes(folder: Path) -> Iterator[str]:
    """Yield what writers noted beside their commits (`userMetadata`), newest first, as far back as the log reaches.

    Args:
        folder: Folder of the table.
    """
    for version in sorted(_versions(folder), reverse=True):
        entry = _entry(folder / "_delta_log" / f"{version:020d}.json")
        if entry is not None and entry["userMetadata"]:
            yield str(entry["userMetadata"])


def table_id(folder: Path) -> str | None:
    """Return the identity that a table was given when it was made; None where the log does not reach back to it."""
    path = folder / "_delta_log" / f"{0:020d}.json"
    try:
        with path.open(encoding="utf-8") as lines:
            return next((str(json.loads(line)["metaData"]["id"]) for line in lines if '"metaData"' in line), None)
    except (OSError, ValueError, KeyError):
        return None


def _versions(folder: Path) -> list[int]:
    log = folder / "_delta_log"
    if not log.is_dir():
        return []
    return [int(match[1]) for path in log.iterdir() if (match := _COMMIT_FILE.fullmatch(path.name))]


def _entry(path: Path) -> dict[str, Any] | None:
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if '"commitInfo"' in line and "commitInfo" in (action := json.loads(line)):
                    information = action["commitInfo"]
                    return {
                        "operation": str(information["operation"]),
                        "operationMetrics": information.get("operationMetrics") or {},
                        "userMetadata": information.get("userMetadata"),
                    }
    except (OSError, ValueError, KeyError):
        return None
    return None
