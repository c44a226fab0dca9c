"""One YAML file with the line of every key, so that a problem can be pointed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from databricks_utils.errors import InvalidInput, LakehouseError

KeyPath = tuple[str, ...]
# A project has dozens of files, and libyaml reads them ten times as fast as Python does. Its messages say less, so a
# broken file is read once more by Python.
_FASTEST: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Source:
    """A file's values, the line of each key, and what is wrong with the file as YAML."""

    path: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    problems: tuple[LakehouseError, ...] = ()

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line of a key, or of the nearest key above it that the file has; None when it has neither."""
        if path in self.lines:
            return self.lines[path]
        return self.lines.get(path[:-1]) if len(path) > 1 else None


def read_source(path: Path) -> Source:
    """Read a YAML file that must hold a mapping (or nothing)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Source(path, problems=(InvalidInput("The file cannot be read", where=str(path), hint=str(error)),))
    try:
        node, values = _parsed(text)
    except yaml.YAMLError as error:
        return Source(path, problems=(_broken(path, error),))
    if values is None:
        return Source(path)
    if not isinstance(values, dict):
        problem = InvalidInput(
            f"A mapping of keys was expected, not a {type(values).__name__}",
            where=f"{path}:1",
            hint="Write key: value",
        )
        return Source(path, problems=(problem,))
    lines: dict[KeyPath, int] = {}
    problems: list[LakehouseError] = []
    _visit(node, (), lines, problems, path)
    return Source(path, values, lines, tuple(problems))


def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    """Return the nodes of a document, which know their lines, and its values.

    Not one made of the other: making values of a node resolves its merge keys, which would then be there twice.
    """
    try:
        return yaml.compose(text, Loader=_FASTEST), yaml.load(text, Loader=_FASTEST)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)


def _visit(
    node: yaml.Node | None,
    prefix: KeyPath,
    lines: dict[KeyPath, int],
    problems: list[LakehouseError],
    path: Path,
) -> None:
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            place = (*prefix, str(position))
            lines[place] = item.start_mark.line + 1
            _visit(item, place, lines, problems, path)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        name = (*prefix, str(key.value))
        line = key.start_mark.line + 1
        if name in lines:
            problems.append(
                InvalidInput(
                    f"The key {'.'.join(name)} is there twice",
                    where=f"{path}:{line}",
                    hint=f"It is also in line {lines[name]}; the second would silently win",
                )
            )
        lines[name] = line
        _visit(value, name, lines, problems, path)


def _broken(path: Path, error: yaml.YAMLError) -> InvalidInput:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    reason = getattr(error, "problem", None) or "it cannot be parsed"
    hint = (
        "Indent with spaces, not tabs"
        if "\\t" in str(reason)
        else "Look at the indentation and the quotes of that line"
    )
    return InvalidInput(f"This is not valid YAML: {reason}", where=where, hint=hint)
