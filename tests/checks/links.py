"""What a document names exists: the files it links to, the targets of make that it tells people to type."""

from __future__ import annotations

import re
from pathlib import Path

from checks.texts import lines_of

LINK = re.compile(r"\]\(([^)\s]+)\)")
OUTSIDE = re.compile(r"[a-z]+:|#")
COMMAND = re.compile(r"(?:^\s*|`|run: )make ([a-z][a-z-]*)")
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def dead(project: Path) -> list[str]:
    """Return the relative links in Markdown that lead nowhere."""
    found = []
    for place, line in lines_of(project, ".md"):
        path = project / place.rpartition(":")[0]
        for link in LINK.findall(line):
            if not OUTSIDE.match(link) and not (path.parent / link.partition("#")[0]).exists():
                found.append(f"{place}: {link} does not exist")
    return found


def unknown_commands(project: Path) -> list[str]:
    """Return the lines of documents and CI files that name a target which the Makefile lacks."""
    targets = set(TARGET.findall((project / "Makefile").read_text(encoding="utf-8")))
    return [
        f"{place}: make {name} is no target of the Makefile"
        for place, line in lines_of(project, ".md", ".yml")
        for name in COMMAND.findall(line)
        if name not in targets
    ]
