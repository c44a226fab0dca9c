"""What the machine learning template bakes: it keeps what the family keeps, over every choice at least once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from baking import LIBRARY, ML, ROOT, Bakery, covering, files_of, label
from bundles import bundle_rules
from bundles.bundle_reader import load, read_bundle, targets_of
from bundles.bundle_schema import SCHEMA, bundle_validator, deepest, documents
from checks import clients, definition, files, links, style, texts
from checks.files import EXPECTED
from conftest import NAMES, found

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LISTS = EXPECTED / "ml"
CHECKS = (
    texts.template_syntax,
    texts.traces,
    texts.untidy,
    texts.unreadable,
    files.illegal_paths,
    style.unformatted,
    style.unclean,
    style.unclean_yaml,
    links.dead,
    links.unknown_commands,
    definition.invalid_settings,
    definition.missing_wheel,
    definition.missing_entry_points,
    definition.broken_bundle,
    clients.missing_client,
)

Projects = dict[str, Path]


@pytest.fixture(scope="module")
def projects(bakery: Bakery, request: pytest.FixtureRequest) -> Projects:
    """Projects of the choices and of the shortest and the longest names; their lists of files, where asked for."""
    answers = {label(chosen): chosen for chosen in covering()} | NAMES
    baked = {name: bakery.bake(given, f"ml-{name}", ML) for name, given in answers.items()}
    if request.config.getoption("--update-expected"):
        write_expected({label(chosen): files_of(baked[label(chosen)]) for chosen in covering()})
    return baked


def write_expected(baked: dict[str, list[str]]) -> None:
    """Write the list that all projects share, and one for each system of CI, which alone decides about files."""
    LISTS.mkdir(exist_ok=True)
    common = set.intersection(*(set(paths) for paths in baked.values()))
    lists = {"common": common} | {f"ci-{chosen['ci']}": set(baked[label(chosen)]) - common for chosen in covering()}
    for name, paths in lists.items():
        (LISTS / f"{name}.txt").write_text("".join(f"{path}\n" for path in sorted(paths)), encoding="utf-8")


def test_every_choice_is_baked_and_has_exactly_the_expected_files(projects: Projects) -> None:
    unexpected = [
        f"{finding}  ({label(chosen)})"
        for chosen in covering()
        for finding in files.unexpected(projects[label(chosen)], chosen, LISTS)
    ]

    assert unexpected == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_check_of_the_family_finds_nothing(check: Callable[[Path], list[str]], projects: Projects) -> None:
    assert found(check, projects) == []


def test_generated_python_passes_its_own_type_checker(projects: Projects) -> None:
    assert style.untyped(projects[label(next(covering()))]) == []


def test_contracts_definition_and_documents_agree(projects: Projects) -> None:
    assert definition.contradictions(projects["longest"]) == []


def test_only_tasks_that_join_or_publish_features_bring_the_client_and_all_ask_for_the_librarys_versions(
    projects: Projects,
) -> None:
    declared = tomllib.loads((LIBRARY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wanted,) = declared["optional-dependencies"]["feature-engineering"]

    for project in projects.values():
        commands = clients.client_commands(project)
        tasks = list(bundle_rules.tasks_of(read_bundle(project, "prod")))
        asked = {
            place: (task["python_wheel_task"]["parameters"][0], clients.clients_of(job, task))
            for place, job, task in tasks
        }
        assert {place for place, (command, _) in asked.items() if command in commands} == {
            place for place, (_, found) in asked.items() if found == (wanted,)
        }
        assert {command for command, found in asked.values() if found} == {
            "features",
            "train",
            "score",
            "monitor",
            "report",
        }


def test_no_list_of_requirements_has_what_may_be_used_on_databricks_only(projects: Projects) -> None:
    texts_of_projects = [(project / "pyproject.toml").read_text(encoding="utf-8") for project in projects.values()]
    locked = [path.read_text(encoding="utf-8") for path in (ROOT / "requirements").iterdir()]

    assert len(locked) > 1
    assert [text for text in [*texts_of_projects, *locked] if clients.CLIENT in text] == []


@pytest.mark.parametrize("file", ["monitors", "endpoint"])
def test_endpoint_and_monitors_keep_the_rules_once_they_are_let_in(file: str, bakery: Bakery) -> None:
    project = bakery.bake({}, f"ml-serving-{file}", ML)
    bundle = project / "bundle.yml"
    text = bundle.read_text(encoding="utf-8")
    assert f"  # - serving/{file}.yml" in text
    bundle.write_text(text.replace(f"  # - serving/{file}.yml", f"  - serving/{file}.yml"), encoding="utf-8")

    read = {target: read_bundle(project, target) for target in targets_of(project)}

    assert {target: bundle_rules.problems(found) for target, found in read.items()} == {t: [] for t in read}
    kind = {"monitors": "quality_monitors", "endpoint": "model_serving_endpoints"}[file]
    assert all(found.resources(kind) for found in read.values())


@pytest.mark.skipif(not SCHEMA.is_file(), reason="BUNDLE_SCHEMA names no output of `databricks bundle schema`")
def test_every_file_of_the_bundle_satisfies_the_schema_of_the_cli(projects: Projects) -> None:
    validator = bundle_validator(SCHEMA)

    for project in projects.values():
        serving = [(path.name, load(path)) for path in project.glob("serving/*.yml")]
        assert len(serving) == 2
        for name, document in [*documents(project), *serving]:
            faults = [f"{error.json_path}: {error.message}" for error in deepest(validator.iter_errors(document))]
            assert faults == [], name
