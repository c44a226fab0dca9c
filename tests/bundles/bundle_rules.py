"""What `databricks bundle validate --strict` does not notice, as rules over one target of a bundle."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from bundles import quartz
from bundles.bundle_reader import VARIABLE, Bundle, texts
from databricks_utils.testing.dashboards import dashboard_faults

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Rule = Callable[[Bundle], Iterator[str]]
RULES: list[Rule] = []

RESOURCE = re.compile(r"\$\{resources\.(\w+)\.([\w-]+)\.(\w+)\}")
JOB_PARAMETER = re.compile(r"\{\{ *job\.parameters\.([\w-]+) *\}\}")
OTHER_TASK = re.compile(r"\{\{ *tasks\.([\w-]+)\.")
SCHEMA_OPTION = re.compile(r"--schema-\w+=(.*)")
SCHEMA_SETTING = re.compile(r"\.configuration\.(?:\w+\.)*schemas\.\w+$")
PLACE = re.compile(r"(?:resources\.)?(\w+)\.([\w-]+)")
IN_VOLUME = re.compile(r"/Volumes/[^/]+/([^/]+)/")
#: What a health rule tells about, by the begin of its metric's name.
TOLD = {"RUN_DURATION": "on_duration_warning_threshold_exceeded", "STREAMING_BACKLOG": "on_streaming_backlog_exceeded"}
#: Kinds that are not renamed in the development target, so that copies would overwrite each other.
UNPREFIXED = ("apps", "secret_scopes", "vector_search_endpoints")
#: Kinds that cannot be deployed for somebody else.
WITHOUT_RUN_AS = ("model_serving_endpoints", "quality_monitors", "apps")


def rule(function: Rule) -> Rule:
    """Add a function to the rules."""
    RULES.append(function)
    return function


def problems(bundle: Bundle) -> list[str]:
    """Return everything that is wrong with a target, each as `file: place: what is wrong`."""
    return [f"{file_of(bundle, problem)}: {problem}" for check in RULES for problem in check(bundle)]


def file_of(bundle: Bundle, problem: str) -> str:
    """Return the file to open for a problem: the one that defines the resource it starts with, or the root file."""
    named = PLACE.match(problem)
    known = named and named[2] in bundle.resources(named[1])
    path = bundle.file_of(named[1], named[2]) if named and known else next(iter(bundle.files))
    return path.relative_to(bundle.root).as_posix()


def tasks_of(bundle: Bundle) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield place, job and task of every task."""
    for key, job in bundle.resources("jobs").items():
        for task in job.get("tasks") or []:
            yield f"jobs.{key}.{task['task_key']}", job, task


@rule
def includes_match(bundle: Bundle) -> Iterator[str]:
    """A pattern without a file is silently empty."""
    for pattern in bundle.unmatched:
        yield f"include: {pattern} matches no file"


@rule
def variables_have_values(bundle: Bundle) -> Iterator[str]:
    """Every variable used has a value in this target, and every value belongs to a declared variable."""
    declared = bundle.written.get("variables") or {}
    for place, text in texts({**bundle.written, "variables": {}, "own": bundle.own}):
        for name in VARIABLE.findall(text):
            if name not in bundle.variables:
                yield f"{place}: ${{var.{name}}} has no value in target {bundle.target}"
    for name in bundle.variables.keys() - declared.keys():
        yield f"targets.{bundle.target}.variables: {name} is not declared"


@rule
def schedules_are_possible(bundle: Bundle) -> Iterator[str]:
    """Cron expressions are Quartz, time zones exist."""
    for key, job in bundle.resources("jobs").items():
        schedule = job.get("schedule")
        if not schedule:
            continue
        reason = quartz.fault(str(schedule["quartz_cron_expression"]))
        if reason:
            yield f"jobs.{key}.schedule: {schedule['quartz_cron_expression']!r} {reason}"
        if schedule["timezone_id"] not in available_timezones():
            yield f"jobs.{key}.schedule: {schedule['timezone_id']!r} is no time zone"
        if schedule.get("pause_status", "UNPAUSED") not in ("PAUSED", "UNPAUSED"):
            yield f"jobs.{key}.schedule: pause_status {schedule['pause_status']!r}"


@rule
def tasks_form_a_graph(bundle: Bundle) -> Iterator[str]:
    """Task keys are unique, dependencies exist, and nothing waits for itself."""
    for key, job in bundle.resources("jobs").items():
        names = [task["task_key"] for task in job.get("tasks") or []]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"jobs.{key}: task {name} is there twice"
        graph = {
            task["task_key"]: [item["task_key"] for item in task.get("depends_on") or []]
            for task in job.get("tasks") or []
        }
        for name, needed in graph.items():
            for other in sorted(set(needed) - set(names)):
                yield f"jobs.{key}.{name}: depends_on {other}, which is no task"
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            yield f"jobs.{key}: tasks wait for each other: {' -> '.join(error.args[1])}"


@rule
def health_rules_are_heard(bundle: Bundle) -> Iterator[str]:
    """A health rule only colours the run red unless somebody is told of it."""
    for key, job in bundle.resources("jobs").items():
        told = {name for kind in ("email", "webhook") for name in job.get(f"{kind}_notifications") or {}}
        for metric in [item["metric"] for item in (job.get("health") or {}).get("rules") or []]:
            wanted = next((name for begin, name in TOLD.items() if metric.startswith(begin)), None)
            if wanted not in told:
                yield f"jobs.{key}.health: nobody is told of {metric}: {wanted or 'no notification'} is missing"


@rule
def compute_exists(bundle: Bundle) -> Iterator[str]:
    """A task's environment or job cluster is defined in its job, and a wheel or Python task names one."""
    for place, job, task in tasks_of(bundle):
        for field, group in (("environment_key", "environments"), ("job_cluster_key", "job_clusters")):
            defined = [item[field] for item in job.get(group) or []]
            if field in task and task[field] not in defined:
                yield f"{place}: {field} {task[field]!r} is not in {group}"
        places = {"environment_key", "job_cluster_key", "existing_cluster_id", "new_cluster"}
        if "python_wheel_task" in task and not places & task.keys():
            yield f"{place}: no compute is named"


@rule
def parameters_are_declared(bundle: Bundle) -> Iterator[str]:
    """References to job parameters and to other tasks can be resolved."""
    for place, job, task in tasks_of(bundle):
        declared = {item["name"] for item in job.get("parameters") or []}
        names = {item["task_key"] for item in job["tasks"]}
        for _, text in texts(task):
            for name in JOB_PARAMETER.findall(text):
                if name not in declared:
                    yield f"{place}: job parameter {name} is not declared"
            for name in OTHER_TASK.findall(text):
                if name not in names:
                    yield f"{place}: refers to task {name}, which does not exist"


@rule
def references_exist(bundle: Bundle) -> Iterator[str]:
    """`${resources.kind.key.field}` names a resource of the bundle."""
    for place, text in texts(bundle.written):
        for kind, key, _ in RESOURCE.findall(text):
            if key not in bundle.resources(kind):
                yield f"{place}: there is no resource {kind}.{key}"


@rule
def schemas_are_referenced(bundle: Bundle) -> Iterator[str]:
    """A managed schema is named by its resource, since the development target renames it."""
    if not bundle.resources("schemas"):
        return
    for place, text in texts({"resources": bundle.written.get("resources") or {}}):
        last = place.rpartition(".")[2]
        names = [found for form in (SCHEMA_OPTION, IN_VOLUME) for found in form.findall(text)]
        if last in ("schema", "schema_name", "dataset_schema") or SCHEMA_SETTING.search(place):
            names.append(text)
        for name in names:
            found = RESOURCE.fullmatch(name)
            if not found or (found[1], found[3]) != ("schemas", "name"):
                yield f"{place}: schema {name!r} is not ${{resources.schemas.<key>.name}}"


@rule
def registered_models_are_referenced(bundle: Bundle) -> Iterator[str]:
    """Every wheel task is told the names of registered models, since the development target renames them."""
    models = bundle.resources("registered_models")
    for key, job in bundle.resources("jobs", resolved=False).items():
        for task in job.get("tasks") or []:
            words = (task.get("python_wheel_task") or {}).get("parameters") or []
            wanted = {f"--set=models.registered.{name}=${{resources.registered_models.{name}.name}}" for name in models}
            for missing in sorted(wanted - set(words)) if words else ():
                yield f"jobs.{key}.{task['task_key']}: {missing} is not among its parameters"


@rule
def what_holds_work_outlives_a_rename(bundle: Bundle) -> Iterator[str]:
    """In production a model or an experiment with another name is refused, not made anew without its past."""
    if bundle.own.get("mode") != "production":
        return
    for kind in ("registered_models", "experiments"):
        for key, resource in bundle.resources(kind).items():
            if not (resource.get("lifecycle") or {}).get("prevent_destroy"):
                yield f"{kind}.{key}: lifecycle.prevent_destroy is missing in {bundle.target}"


@rule
def pipelines_are_complete(bundle: Bundle) -> Iterator[str]:
    """A pipeline has a catalog and a schema, and its globs match files."""
    for key, pipeline in bundle.resources("pipelines").items():
        for field in ("catalog", "schema"):
            if not pipeline.get(field):
                yield f"pipelines.{key}: no {field}"
        folder = bundle.file_of("pipelines", key).parent
        for library in pipeline.get("libraries") or []:
            pattern = library.get("glob", {}).get("include") or library.get("file", {}).get("path")
            if pattern and not matches(folder, pattern):
                yield f"pipelines.{key}: {pattern} matches no file"


@rule
def dashboards_are_complete(bundle: Bundle) -> Iterator[str]:
    """A dashboard has a warehouse and names for its tables, and its file, which the CLI never opens, is sound."""
    for key, dashboard in bundle.resources("dashboards").items():
        for field in ("warehouse_id", "dataset_catalog", "dataset_schema"):
            if not dashboard.get(field):
                yield f"dashboards.{key}: no {field}"
        path = bundle.file_of("dashboards", key).parent / str(dashboard.get("file_path"))
        if not path.is_file():
            yield f"dashboards.{key}: {dashboard.get('file_path')} does not exist"
            continue
        try:
            faults = dashboard_faults(path)
        except (KeyError, ValueError) as error:
            faults = [f"cannot be read: {error}"]
        yield from (f"dashboards.{key}: {path.name}: {fault}" for fault in faults)


@rule
def dependencies_are_read_as_meant(bundle: Bundle) -> Iterator[str]:
    """A star, a marker or a dotted name makes a requirement a file pattern; wheels are there."""
    for place, folder, dependency in dependencies_of(bundle):
        if dependency.startswith(("-r ", "--")):
            continue
        if dependency.startswith((".", "/")) or dependency.endswith(".whl"):
            if not will_exist(bundle, folder, dependency):
                yield f"{place}: {dependency} matches no file beside {folder.name}/ and no artifact builds it"
        elif re.search(r"[*?;]", dependency) or "." in re.split(r"[\[<>=!~ ]", dependency)[0]:
            yield f"{place}: {dependency!r} is taken for a file pattern"


@rule
def wheels_offer_their_entry_point(bundle: Bundle) -> Iterator[str]:
    """A wheel task names the project's distribution and one of its scripts."""
    for place, _, task in tasks_of(bundle):
        wheel = task.get("python_wheel_task")
        if not wheel:
            continue
        declared = tomllib.loads((bundle.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        if wheel["package_name"] != declared["name"]:
            yield f"{place}: package_name {wheel['package_name']!r} is not {declared['name']!r}"
        if wheel["entry_point"] not in declared.get("scripts", {}):
            yield f"{place}: entry_point {wheel['entry_point']!r} is not in [project.scripts]"


@rule
def hosts_are_literal(bundle: Bundle) -> Iterator[str]:
    """The workspace's address cannot be interpolated."""
    host = str((bundle.written.get("workspace") or {}).get("host", ""))
    if "${" in host:
        yield f"targets.{bundle.target}: workspace.host {host!r} cannot hold a variable"


@rule
def modes_are_kept(bundle: Bundle) -> Iterator[str]:
    """Production has a root path of its own and no pipeline in development; shared targets have no mode."""
    place, mode = f"targets.{bundle.target}", bundle.own.get("mode")
    if mode not in (None, "development", "production"):
        yield f"{place}: mode {mode!r}"
    root_path = (bundle.own.get("workspace") or {}).get("root_path", "")
    if mode == "production":
        if not root_path:
            yield f"{place}: production needs workspace.root_path in the target itself"
        if not bundle.resolved.get("run_as"):
            yield f"{place}: production needs run_as"
        for key, pipeline in bundle.resources("pipelines").items():
            if pipeline.get("development"):
                yield f"pipelines.{key}: development is not allowed in production"
    everybody = {"group_name": "users", "level": "CAN_MANAGE"}
    allowed = bundle.resolved.get("permissions") or []
    if str(root_path).startswith("/Workspace/Shared") and everybody not in allowed:
        yield f"{place}: a root path in /Workspace/Shared needs CAN_MANAGE for users"


@rule
def run_as_is_possible(bundle: Bundle) -> Iterator[str]:
    """Some kinds of resource cannot be deployed for another identity."""
    identity = str((bundle.written.get("run_as") or {}).get("service_principal_name", ""))
    default = str(bundle.variables.get((VARIABLE.findall(identity) or [""])[0], identity))
    if not bundle.written.get("run_as") or "workspace.current_user" in default:
        return
    for kind in WITHOUT_RUN_AS:
        for key in bundle.resources(kind):
            yield f"{kind}.{key}: cannot be deployed with run_as another identity"
    for key, dashboard in bundle.resources("dashboards").items():
        if dashboard.get("embed_credentials"):
            yield f"dashboards.{key}: embed_credentials cannot be deployed with run_as another identity"


@rule
def unprefixed_names_hold_the_target(bundle: Bundle) -> Iterator[str]:
    """Names that development mode leaves alone tell the targets apart themselves."""
    for kind in UNPREFIXED:
        for key, resource in bundle.resources(kind, resolved=False).items():
            if "${bundle.target}" not in str(resource.get("name", "")):
                yield f"{kind}.{key}: its name needs ${{bundle.target}}"


@rule
def versions_are_fixed(bundle: Bundle) -> Iterator[str]:
    """`dynamic_version` makes every plan show a change; only existing clusters need it."""
    existing = any("existing_cluster_id" in task for _, _, task in tasks_of(bundle))
    for key, artifact in (bundle.resolved.get("artifacts") or {}).items():
        if artifact.get("dynamic_version") and not existing:
            yield f"artifacts.{key}: dynamic_version is only for existing clusters"


def dependencies_of(bundle: Bundle) -> Iterator[tuple[str, Path, str]]:
    """Yield place, folder of the file and text of every dependency of jobs and pipelines."""
    for key, job in bundle.resources("jobs").items():
        folder = bundle.file_of("jobs", key).parent
        for environment in job.get("environments") or []:
            for text in environment["spec"].get("dependencies") or []:
                yield f"jobs.{key}.environments.{environment['environment_key']}", folder, text
        for task in job.get("tasks") or []:
            for library in task.get("libraries") or []:
                if "whl" in library:
                    yield f"jobs.{key}.{task['task_key']}.libraries", folder, library["whl"]
    for key, pipeline in bundle.resources("pipelines").items():
        folder = bundle.file_of("pipelines", key).parent
        for text in (pipeline.get("environment") or {}).get("dependencies") or []:
            yield f"pipelines.{key}.environment", folder, text


def matches(folder: Path, pattern: str) -> bool:
    """Tell whether a pattern, relative to a folder, matches a file."""
    base = folder
    parts = list(Path(pattern).parts)
    while parts and parts[0] in (".", ".."):
        base = base.parent if parts.pop(0) == ".." else base
    return any(path.is_file() for path in base.glob("/".join(parts)))


def will_exist(bundle: Bundle, folder: Path, pattern: str) -> bool:
    """Tell whether a wheel is there, or an artifact builds it or lists it."""
    if matches(folder, pattern):
        return True
    wanted = (folder / pattern).resolve()
    for artifact in (bundle.resolved.get("artifacts") or {}).values():
        base = (bundle.root / artifact.get("path", ".")).resolve()
        listed = [(bundle.root / item["source"]).resolve() for item in artifact.get("files") or []]
        out = re.search(r"--out-dir[ =](\S+)", artifact.get("build", ""))
        built = [(base / (out[1] if out else "dist") / "*.whl").resolve()] if artifact.get("build") else []
        if wanted in listed + built:
            return True
    return False
