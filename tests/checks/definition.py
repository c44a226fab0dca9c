"""The pipeline definition and what must agree with it: contracts, documents, configuration, job, wheel."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from bundles import bundle_rules
from bundles.bundle_reader import Bundle, read_bundle, targets_of
from databricks_utils.config import load_configuration
from databricks_utils.contracts import read_contracts
from databricks_utils.errors import InvalidInput

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def broken_bundle(project: Path) -> list[str]:
    """Return what is wrong with the bundle in any of its targets, each once."""
    found = [
        problem for target in targets_of(project) for problem in bundle_rules.problems(read_bundle(project, target))
    ]
    return list(dict.fromkeys(found))


def job_differs(project: Path) -> list[str]:
    """Return where the tasks of the job and the pipeline definition with its contracts say different things."""
    contracts = read_contracts(project / "contracts")
    # A reference is checked when the table has been written, so what it refers to must be there by then.
    defined = {
        table: sorted({*reads, *(contracts[table].references if table in contracts else ())})
        for table, reads in defined_tables(project).items()
    }
    found = []
    for target in targets_of(project):
        tasks = main_job(read_bundle(project, target))["tasks"]
        planned = {table: reads_of(task, tasks) for task in tasks if (table := table_of(task))}
        for table in sorted(planned.keys() - defined.keys()):
            found.append(f"resources/jobs.yml: a task for {table}, which the pipeline definition does not know")
        for table in sorted(defined.keys() - planned.keys()):
            found.append(f"resources/jobs.yml: no task for {table} of the pipeline definition")
        for table in sorted(defined.keys() & planned.keys()):
            if defined[table] != planned[table]:
                found.append(f"resources/jobs.yml: {table} needs {defined[table]} and waits for {planned[table]}")
    return list(dict.fromkeys(found))


def main_job(bundle: Bundle) -> dict[str, Any]:
    """Return the job that runs the tables: the one that `resources/jobs.yml` names after the package."""
    jobs = bundle.resources("jobs")
    (key,) = (key for key in jobs if not any(key != other and key.startswith(other[:-3]) for other in jobs))
    return dict(jobs[key])


def defined_tables(project: Path) -> dict[str, list[str]]:
    """Return what each table reads, from the text of the pipeline definition."""
    (path,) = project.glob("src/*/orchestration/pipeline_definition.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lookups = {
        node.targets[0].id: ast.literal_eval(node.value.args[0])
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and _called(node.value) == "Lookup"
        and isinstance(node.value, ast.Call)
    }
    tables = {}
    for call in (node for node in ast.walk(tree) if _called(node) in {"Bronze", "Silver", "Gold"}):
        assert isinstance(call, ast.Call)
        given = {item.arg: item.value for item in call.keywords}
        listed = given.get("lookups")
        names = listed.elts if isinstance(listed, ast.List) else []
        reads = {lookups[name.id] for name in names if isinstance(name, ast.Name)}
        if "reads" in given:
            reads.add(ast.literal_eval(given["reads"]))
        tables[f"{str(_called(call)).lower()}.{ast.literal_eval(call.args[0])}"] = sorted(reads)
    return tables


def _called(node: ast.AST | None) -> str | None:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def table_of(task: dict[str, Any]) -> str | None:
    """Return the table that a task brings up to date."""
    parameters = task.get("python_wheel_task", {}).get("parameters", [])
    return str(task["task_key"]).replace("_", ".", 1) if "--task={{task.name}}" in parameters else None


def reads_of(task: dict[str, Any], tasks: list[dict[str, Any]]) -> list[str]:
    """Return the tables of the tasks that a task waits for."""
    tables = {other["task_key"]: str(table_of(other)) for other in tasks}
    return sorted(tables.get(item["task_key"], item["task_key"]) for item in task.get("depends_on", []))


def invalid_settings(project: Path) -> list[str]:
    """Return what the library refuses in the configuration of any environment."""
    folder = project / "config"
    environments = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "base")
    texts = tuple((path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml")))
    found = [line for environment in environments for line in _settings_faults(folder, environment, texts)]
    return list(dict.fromkeys(line.replace(f"{project}/", "") for line in found))


@cache
def _settings_faults(folder: Path, environment: str, texts: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    # The texts are the key of the memory: a folder that was changed is read again.
    try:
        load_configuration(folder, environment)
    except InvalidInput as refused:
        problems = getattr(refused, "problems", [refused])
        return tuple(f"{problem.where}: {problem.message}" for problem in problems)
    return ()


def contradictions(project: Path) -> list[str]:
    """Return what the project's own `docs --check` says: contracts, definition and documents must agree."""
    (package,) = (path.parent for path in project.glob("src/*/__main__.py"))
    # Looking at a project leaves nothing in it, not even compiled modules.
    done = subprocess.run(
        [sys.executable, "-B", "-m", package.name, "docs", "--check"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": "src", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).replace(f"{project}/", "").splitlines()
    return [line for line in lines if line.strip()] if done.returncode else []


def missing_wheel(project: Path) -> list[str]:
    """Return the sources in pyproject.toml that name a wheel which is not there, or not the only one."""
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    found = []
    for name, source in tomllib.loads(text)["tool"]["uv"]["sources"].items():
        wheels = sorted(path.relative_to(project).as_posix() for path in (project / "libs").glob("*.whl"))
        if wheels != [source["path"]]:
            number = 1 + text[: text.index(source["path"])].count("\n")
            found.append(f"pyproject.toml:{number}: {name} is {source['path']}, and libs/ holds {wheels}")
    return found


def missing_entry_points(project: Path) -> list[str]:
    """Return the scripts in pyproject.toml whose module or function does not exist."""
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    found = []
    for script, entry in tomllib.loads(text)["project"]["scripts"].items():
        module, _, function = entry.partition(":")
        path = project / "src" / f"{module.replace('.', '/')}.py"
        if not path.is_file() or not re.search(rf"^def {function}\(", path.read_text(encoding="utf-8"), re.MULTILINE):
            number = 1 + text[: text.index(entry)].count("\n")
            found.append(f"pyproject.toml:{number}: {script} starts {entry}, which does not exist")
    return found
