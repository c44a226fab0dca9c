"""Turns a job of the bundle into calls that run on this machine, in the order that the job's tasks wait for."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from bundles.bundle_reader import Bundle, filled, load
from checks.definition import main_job
from installed import Installed

#: What the development target puts before the names of schemas and models; a name written by hand would lack it.
PREFIX = "dev_tester_"
PROGRAM = Path(__file__).parent / "task_process.py"
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


def local_calls(
    bundle: Bundle, volumes: Path, job: Mapping[str, Any] | None = None, asked: Mapping[str, str] | None = None
) -> list[Call]:
    """Return the calls of a job's tasks in an order that honours `depends_on`.

    What a workspace would fill in is filled in here as it would be for the development target, with three replacements:
    the environment is `local`, because Auto Loader and the catalogs of a workspace exist only there; the catalog is
    `spark_catalog`, the only one that a Spark without a workspace has; a path under /Volumes is a folder under
    `volumes`.

    Args:
        bundle: The development target.
        volumes: Folder that takes the place of /Volumes.
        job: The job; the one that runs the tables by default.
        asked: Parameters of the job that somebody has given it by hand.

    Raises:
        ValueError: A reference is left that nothing fills in.
    """
    known: dict[str, Any] = {"workspace.file_path": str(bundle.root)}
    for kind in ("schemas", "volumes", "registered_models"):
        prefix = "" if kind == "volumes" else PREFIX
        for key, resource in bundle.resources(kind).items():
            known[f"resources.{kind}.{key}.name"] = f"{prefix}{resource['name']}"
    for key in bundle.resources("experiments"):
        # A path in a workspace, of which nothing is on this machine.
        known[f"resources.experiments.{key}.name"] = key
    job = job or main_job(bundle)
    tasks = {task["task_key"]: task for task in job["tasks"]}
    graph = {key: [item["task_key"] for item in task.get("depends_on", [])] for key, task in tasks.items()}
    dynamic = {f"job.parameters.{item['name']}": str(item["default"]) for item in job["parameters"]}
    dynamic |= {f"job.parameters.{name}": value for name, value in (asked or {}).items()}
    dynamic["job.run_id"] = "1001"
    # A call is made only when those before it have ended well.
    dynamic |= {f"tasks.{key}.result_state": "success" for key in tasks}
    order = TopologicalSorter(graph).static_order()
    return [_call(tasks[key], known, {**dynamic, "task.name": key}, bundle, volumes) for key in order]


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


def built(project: Installed, packages: Path) -> None:
    """Build the wheels that a deployment would upload, and install them into a folder of their own."""
    bundle = load(project.folder / "bundle.yml")
    project.succeed("bash", "-e", "-c", bundle["artifacts"]["project"]["build"])
    wheels = [str(path) for name in ("libs", "dist") for path in (project.folder / name).glob("*.whl")]
    project.succeed("uv", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), *wheels)


def run_from_wheels(project: Installed, calls: Sequence[Call], folder: Path) -> dict[str, Any]:
    """Run calls one after the other from the project's wheels; return what became of them.

    Args:
        project: A project with its environment.
        calls: From `local_calls`.
        folder: An empty folder for wheels and tables, so that tables of other tests of the same project stay apart.

    Returns:
        `tasks` by key, `seconds`, `tables` with their number of rows, `code` (where the package was found), `packages`.
    """
    packages, listed, result = folder / "packages", folder / "calls.json", folder / "result.json"
    built(project, packages)
    own = f"--set=storage.warehouse={folder / 'warehouse'}"
    words = [asdict(replace(call, arguments=[*call.arguments, own])) for call in calls]
    listed.write_text(json.dumps(words), encoding="utf-8")
    # The wheels come first on the path, so the sources in the project's folder are not what runs.
    project.succeed("env", f"PYTHONPATH={packages}", "uv", "run", "python", str(PROGRAM), str(listed), str(result))
    return {**json.loads(result.read_text(encoding="utf-8")), "packages": packages}


def landed(project: Installed, bundle: Bundle, volumes: Path) -> None:
    """Put the sample where the bundle's volume of landing files is."""
    shutil.copytree(project.folder / "data" / "landing", volume_folder(bundle, "landing", volumes))
