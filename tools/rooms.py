"""The rooms of the library and which imports which, as a picture between two marks of docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

BEGIN = "<!-- rooms: drawn from the imports by `make snapshots`; do not edit -->"
END = "<!-- end of rooms -->"
PACKAGE = "databricks_utils"


def imports_of_rooms(library: Path) -> dict[str, set[str]]:
    """Return the rooms that each room imports, by name; a module beside the rooms is a room of its own.

    Args:
        library: Folder of the package.
    """
    found: dict[str, set[str]] = {}
    for path in sorted(library.rglob("*.py")):
        room = path.relative_to(library).parts[0].removesuffix(".py")
        if room != "__init__":
            found.setdefault(room, set()).update(_rooms_in(path) - {room})
    return found


def without_detours(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out every arrow that longer ones replace (the transitive reduction), so that the picture can be read.

    Raises:
        CycleError: Rooms import each other in a circle.
    """
    reach: dict[str, set[str]] = {}
    for room in TopologicalSorter(imports).static_order():
        reach[room] = {far for near in imports.get(room, ()) for far in {near} | reach[near]}
    return {
        room: {near for near in nears if not any(near in reach[other] for other in nears - {near})}
        for room, nears in imports.items()
    }


def with_picture(text: str, library: Path) -> str:
    """Return a document with the picture of today's imports between its marks."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{_picture(library)}\n{END}{tail}"


def _picture(library: Path) -> str:
    arrows = without_detours(imports_of_rooms(library))
    lines = [f"    {room} --> {near}" for room in sorted(arrows) for near in sorted(arrows[room])]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def _rooms_in(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{PACKAGE}."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            names |= {alias.name for alias in node.names}
    return names
