"""Databricks' own feature client: which commands of a project work through it, and which tasks bring it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from baking import LIBRARY
from bundles.bundle_reader import read_bundle, targets_of
from bundles.bundle_rules import tasks_of

CLIENT = "databricks-feature-engineering"
#: The library's functions that take the client: the first where the tables are Unity Catalog's.
THROUGH_CLIENT = ("create_training_set", "publish_online_table")
#: Where the library has what its commands about models do, and what they call.
ROOMS = ("cli", "models", "serving")
ACTIONS = ("databricks_utils.cli.model_actions", "databricks_utils.cli.model_answers")
#: Module and name of a function or a class.
Place = tuple[str, str]


def missing_client(project: Path) -> list[str]:
    """Return the tasks whose command joins or publishes features, and that nothing provides with the client."""
    commands = client_commands(project)
    found = [
        f"resources/jobs.yml: {place}: {command} works with features, and nothing brings {CLIENT}"
        for target in targets_of(project)
        for place, job, task in tasks_of(read_bundle(project, target))
        if (command := task["python_wheel_task"]["parameters"][0]) in commands and not clients_of(job, task)
    ]
    return list(dict.fromkeys(found))


def clients_of(job: Mapping[str, Any], task: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how a task asks for the client: in its environment, or among the libraries of its cluster."""
    environments = {item["environment_key"]: item["spec"]["dependencies"] for item in job.get("environments") or []}
    asked = [*environments.get(task.get("environment_key"), [])]
    asked += [library["pypi"]["package"] for library in task.get("libraries") or [] if "pypi" in library]
    return tuple(text for text in asked if re.split(r"[\[<>=!~ ]", text)[0] == CLIENT)


def client_commands(project: Path) -> set[str]:
    """Return the commands whose action comes to one of these functions, directly or through what it calls."""
    calls = _library_calls() | {
        place: set(called) for path in project.glob("src/**/*.py") for place, called in _calls(path, project)
    }
    reaching = {place for place, called in calls.items() if any(name in THROUGH_CLIENT for _, name in called)}
    while more := {place for place, called in calls.items() if called & reaching} - reaching:
        reaching |= more
    return {name for module, name in reaching if module in ACTIONS or module.endswith(".orchestration.actions")}


@cache
def _library_calls() -> dict[Place, set[Place]]:
    paths = (path for room in ROOMS for path in (LIBRARY / "src" / "databricks_utils" / room).glob("*.py"))
    return {place: set(called) for path in paths for place, called in _calls(path, LIBRARY)}


def _calls(path: Path, project: Path) -> Iterator[tuple[Place, Iterator[Place]]]:
    """Yield every function and class of a module with the functions that it names."""
    module = ".".join(path.relative_to(project / "src").with_suffix("").parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name: (str(node.module), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield (module, node.name), _named(node, module, imported)


def _named(node: ast.AST, module: str, imported: Mapping[str, Place]) -> Iterator[Place]:
    for item in ast.walk(node):
        if isinstance(item, ast.Name):
            yield imported.get(item.id, (module, item.id))
        elif isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name) and item.value.id in imported:
            yield ".".join(imported[item.value.id]), item.attr
