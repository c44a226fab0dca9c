"""What every combination of answers bakes: the exact files, complete, legal everywhere, formatted."""

from __future__ import annotations

import sys
from functools import reduce
from pathlib import Path

import pytest
from baking import ROOT, Answers, choices, combinations, files_of, label
from checks import definition, files, links, style, templates, texts
from checks.files import EXPECTED
from conftest import LONGEST, NAMES, Bake, found

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def write_expected(baked: dict[str, list[str]]) -> None:
    """Write the list that all combinations share, and one for each choice that adds files."""
    for path in EXPECTED.glob("*.txt"):
        path.unlink()
    common = reduce(set.__and__, (set(paths) for paths in baked.values()))
    lists = {"common": common}
    for key, values in choices().items():
        for value in values:
            having = [set(baked[label(answers)]) for answers in combinations() if answers[key] == value]
            lists[f"{key}-{value}"] = reduce(set.__and__, having) - common
    for name, paths in lists.items():
        if paths:
            (EXPECTED / f"{name}.txt").write_text("".join(f"{path}\n" for path in sorted(paths)), encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def _updated(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-expected"):
        projects: dict[str, Path] = request.getfixturevalue("every_project")
        write_expected({name: files_of(project) for name, project in projects.items() if name not in NAMES})


@pytest.mark.parametrize("answers", list(combinations()), ids=label)
def test_a_combination_has_exactly_the_expected_files(answers: Answers, bake: Bake) -> None:
    assert files.unexpected(bake(answers), answers) == []


def test_no_template_syntax_is_left(every_project: dict[str, Path]) -> None:
    assert found(texts.template_syntax, every_project) == []


def test_nothing_tells_where_the_template_was_written(every_project: dict[str, Path]) -> None:
    assert found(texts.traces, every_project) == []


def test_every_text_file_is_tidy(every_project: dict[str, Path]) -> None:
    assert found(texts.untidy, every_project) == []


def test_every_path_is_legal_and_unique_on_windows(every_project: dict[str, Path]) -> None:
    assert found(files.illegal_paths, every_project) == []


def test_generated_python_is_formatted(every_project: dict[str, Path]) -> None:
    assert found(style.unformatted, every_project) == []


def test_generated_python_passes_its_own_linter(every_project: dict[str, Path]) -> None:
    assert found(style.unclean, every_project) == []


def test_generated_python_passes_its_own_type_checker(bake: Bake) -> None:
    assert style.untyped(bake({})) == []


def test_generated_yaml_passes_its_own_linter(every_project: dict[str, Path]) -> None:
    assert found(style.unclean_yaml, every_project) == []


def test_structured_files_can_be_read(every_project: dict[str, Path]) -> None:
    assert found(texts.unreadable, every_project) == []


def test_links_and_commands_in_documents_exist(every_project: dict[str, Path]) -> None:
    assert found(links.dead, every_project) + found(links.unknown_commands, every_project) == []


def test_the_configuration_of_every_environment_is_valid(every_project: dict[str, Path]) -> None:
    assert found(definition.invalid_settings, every_project) == []


def test_the_wheel_and_the_command_that_a_project_names_exist(every_project: dict[str, Path]) -> None:
    assert found(definition.missing_wheel, every_project) + found(definition.missing_entry_points, every_project) == []


@pytest.mark.parametrize("answers", [{}, *NAMES.values()], ids=["defaults", *NAMES])
def test_contracts_definition_and_documents_agree(answers: Answers, bake: Bake) -> None:
    assert definition.contradictions(bake(answers)) == []


def test_the_longest_answers_arrive_unchanged(bake: Bake) -> None:
    project = bake(LONGEST)

    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project.name == LONGEST["project_slug"] == declared["name"]
    assert declared["description"] == LONGEST["description"]
    assert LONGEST["project_name"] in (project / "README.md").read_text(encoding="utf-8")
    assert LONGEST["owner_group"] in "".join(path.read_text(encoding="utf-8") for path in project.rglob("*.yml"))


def test_the_copies_of_hooks_and_partials_are_identical() -> None:
    assert templates.differing_copies(ROOT) == []


def test_every_source_is_utf_8() -> None:
    assert templates.foreign_encodings(ROOT) == []


def test_a_template_with_its_defaults_can_be_baked() -> None:
    assert templates.failed_generation(ROOT) == []
