"""Which versions of the library are out: what each held, and from which commit it came.

usage: releases.py --check | --record

`tools/releases.json` is the record, since tags do not always travel with a copy of the repository. A version that is
out holds one content for ever: where the library has changed since, its version must have moved.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from databricks_utils.identity import content_of

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "databricks-shared-utilities"
RECORD = ROOT / "tools" / "releases.json"


@dataclass(frozen=True)
class Release:
    """One version of the library that is out.

    Args:
        version: For example `1.1.0`.
        commit: The commit of this repository that it was built from.
        content: Hash of its files, from `databricks_utils.identity`.
    """

    version: str
    commit: str
    content: str


def recorded(record: Path = RECORD) -> list[Release]:
    """Return the releases there were, oldest first."""
    return [Release(**entry) for entry in json.loads(record.read_text(encoding="utf-8"))]


def version_of(library: Path) -> str:
    """Return the version that a library's pyproject.toml gives it."""
    found = re.search(r'^version = "([^"]+)"$', (library / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{library / 'pyproject.toml'} has no version")
    return found[1]


def order_of(version: str) -> tuple[int, ...]:
    """Return what orders versions of numbers; what follows the three numbers does not count."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def fault(library: Path, releases: list[Release]) -> str | None:
    """Return what is wrong with a library's version beside the releases there were; None where it may be."""
    version, content, last = version_of(library), content_of(library / "src" / "databricks_utils"), releases[-1]
    same = next((release for release in releases if release.version == version), None)
    if same is not None and same.content != content:
        return (
            f"The library is called {version} as the release of {same.commit[:8]}, and holds something else.\n"
            f"Raise version in {library.name}/pyproject.toml, and the name of the wheel in the templates."
        )
    if order_of(version) < order_of(last.version):
        return f"The library is called {version}, and {last.version} is out already."
    return None


def main() -> int:
    """Check the version against the record, or add the present commit to it."""
    parser = argparse.ArgumentParser(description="Versions of the library that are out.")
    parser.add_argument("--check", action="store_true", help="exit 1 where the version must move")
    parser.add_argument("--record", action="store_true", help="add the present version, from the last commit")
    arguments = parser.parse_args()
    releases = recorded()
    wrong = fault(LIBRARY, releases)
    if wrong:
        print(wrong)
        return 1
    version = version_of(LIBRARY)
    if arguments.record and version not in {release.version for release in releases}:
        git = ["git", "rev-parse", "HEAD"]
        commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        releases.append(Release(version, commit, content_of(LIBRARY / "src" / "databricks_utils")))
        RECORD.write_text(json.dumps([asdict(item) for item in releases], indent=2) + "\n", encoding="utf-8")
        print(f"Recorded: {version} of {commit[:8]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
