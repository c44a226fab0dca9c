"""Turns a job of the bundle into calls that run on this machine, in the order that the job's tasks wait for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from bundles.bundle_reader import Bundle, filled
from checks.definition import main_job

#: What the development target puts before the names of schemas; a name written by hand would lack it.
PREFIX = "dev_tester_"
LEFT = re.compile(r"\$\{[^}]*\}|\{\{[^}]*\}\}")


@dataclass(frozen=True)
class Call:
    """One wheel task as the platform starts it.

    Args:
        task: Key of the task.
        package: Distribution that holds the entry point.
        entry_point: Name of the entry point.
        arguments: What the entry point finds in `sys.argv` after its own name.
    """

    task: str
    package: str
    entry_point: str
    arguments: list[str]


def local_calls(bundle: Bundle, volumes: Path) -> list[Call]:
    """Return the calls of the job's tasks in an order that honours `depends_on`.

    What a workspace would fill in is filled in here as it would be for the development target, with three replacements:
    the environment is `local`, because Auto Loader and the catalogs of a workspace exist only there; the catalog is
    `spark_catalog`, the only one that a Spark without a workspace has; a path under /Volumes is a folder under
    `volumes`.

    Args:
        bundle: The development target.
        volumes: Folder that takes the place of /Volumes.

    Raises:
        ValueError: A reference is left that nothing fills in.
    """
    known: dict[str, Any] = {"workspace.file_path": str(bundle.root)}
    for kind in ("schemas", "volumes"):
        prefix = PREFIX if kind == "schemas" else ""
        for key, resource in bundle.resources(kind).items():
            known[f"resources.{kind}.{key}.name"] = f"{prefix}{resource['name']}"
    job = main_job(bundle)
    tasks = {task["task_key"]: task for task in job["tasks"]}
    graph = {key: [item["task_key"] for item in task.get("depends_on", [])] for key, task in tasks.items()}
    dynamic = {f"job.parameters.{item['name']}": str(item["default"]) for item in job["parameters"]}
    dynamic["job.run_id"] = "1001"
    return [_call(tasks[key], known, dynamic, bundle, volumes) for key in TopologicalSorter(graph).static_order()]


def _call(
    task: Mapping[str, Any], known: Mapping[str, Any], dynamic: Mapping[str, str], bundle: Bundle, volumes: Path
) -> Call:
    wheel = task["python_wheel_task"]
    replaced = {
        f"--env={bundle.target}": "--env=local",
        f"--catalog={bundle.variables['catalog']}": "--catalog=spark_catalog",
    }
    arguments = []
    for text in filled(wheel["parameters"], known):
        text = re.sub(r"\{\{([\w.]+)\}\}", lambda found: dynamic.get(found[1], found[0]), text)
        text = replaced.get(text, text.replace("=/Volumes/", f"={volumes}/"))
        if LEFT.search(text):
            raise ValueError(f"{task['task_key']}: nothing fills in {text}")
        arguments.append(text)
    return Call(task["task_key"], wheel["package_name"], wheel["entry_point"], arguments)


def volume_folder(bundle: Bundle, key: str, volumes: Path) -> Path:
    """Return the folder that takes the place of a volume."""
    volume = bundle.resources("volumes")[key]
    schema = re.sub(r"\$\{resources\.schemas\.(\w+)\.name\}", r"\1", volume["schema_name"])
    name = bundle.resources("schemas")[schema]["name"]
    return volumes.joinpath(str(bundle.variables["catalog"]), f"{PREFIX}{name}", str(volume["name"]))
