"""Which files a project has: exactly the expected ones, under names that every file system accepts."""

from __future__ import annotations

import re
from pathlib import Path

from baking import ROOT, Answers, files_of

EXPECTED = ROOT / "tests" / "expected"
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
FORBIDDEN = re.compile(r'[<>:"\\|?*\x00-\x1f]|[. ]$')
#: Leaves room below the 260 characters of a Windows path.
LONGEST_PATH = 150


def expected_files(answers: Answers, folder: Path = EXPECTED) -> list[str]:
    """Return the files that the lists in a folder, tests/expected/ by default, promise for a combination."""
    names = ["common", *(f"{key}-{value}" for key, value in answers.items())]
    lists = [folder / f"{name}.txt" for name in names]
    return sorted(line for path in lists if path.exists() for line in path.read_text(encoding="utf-8").splitlines())


def unexpected(project: Path, answers: Answers, folder: Path = EXPECTED) -> list[str]:
    """Return what is missing or too much in a project of these answers, which name every choice."""
    baked, expected = set(files_of(project)), set(expected_files(answers, folder))
    missing = [f"{name}: is expected and was not baked" for name in sorted(expected - baked)]
    return missing + [f"{name}: was baked and is not expected" for name in sorted(baked - expected)]


def illegal_paths(project: Path) -> list[str]:
    """Return the paths that Windows would refuse, or that differ by case only."""
    names = files_of(project)
    folded = [name.lower() for name in names]
    found = []
    for name in names:
        if any(FORBIDDEN.search(part) or DEVICE.fullmatch(part) for part in name.split("/")):
            found.append(f"{name}: is no legal path on Windows")
        if len(name) > LONGEST_PATH:
            found.append(f"{name}: has {len(name)} characters; the limit is {LONGEST_PATH}")
        if folded.count(name.lower()) > 1:
            found.append(f"{name}: differs from another path by case only")
    return found
