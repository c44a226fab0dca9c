"""What the streaming template bakes: it keeps what the batch template keeps, over every choice at least once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from baking import STREAMING, Bakery, covering, files_of, label
from bundles.test_bundles import SCHEMA, bundle_validator, deepest, documents
from checks import definition, files, links, style, texts
from checks.files import EXPECTED
from conftest import NAMES, found

LISTS = EXPECTED / "streaming"
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
)

Projects = dict[str, Path]


@pytest.fixture(scope="module")
def projects(bakery: Bakery, request: pytest.FixtureRequest) -> Projects:
    """Projects of the choices and of the shortest and the longest names; their lists of files, where asked for."""
    answers = {label(chosen): chosen for chosen in covering()} | NAMES
    baked = {name: bakery.bake(given, f"streaming-{name}", STREAMING) for name, given in answers.items()}
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


def test_every_file_of_a_bundle_satisfies_the_schema_of_the_cli(projects: Projects) -> None:
    if not SCHEMA.is_file():
        pytest.skip("no schema: see tests/bundles/test_bundles.py")
    validator = bundle_validator(SCHEMA)
    seen = {
        json.dumps(document): f"{name}: {path}"
        for name, project in projects.items()
        for path, document in documents(project)
    }
    errors = [
        f"{place}: {error.json_path}: {error.message[:200]}"
        for text, place in seen.items()
        for error in deepest(validator.iter_errors(json.loads(text)))
    ]

    assert errors == []


def test_generated_python_passes_its_own_type_checker(projects: Projects) -> None:
    assert style.untyped(projects[label(next(covering()))]) == []


def test_contracts_definition_and_documents_agree(projects: Projects) -> None:
    assert definition.contradictions(projects["longest"]) == []
