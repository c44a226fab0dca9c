"""What every combination of answers bakes: the exact files, complete, legal everywhere, formatted."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import pytest
import yaml
from baking import ROOT, Answers, choices, combinations, files_of, label, text_files
from conftest import LONGEST, NAMES, Bake

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXPECTED = ROOT / "tests" / "expected"

#: Braces that belong to the platforms: GitHub expressions, Databricks references to jobs, tasks, secrets.
ALLOWED_SYNTAX = re.compile(r"\$\{\{|\{\{ ?(?:job|tasks|secrets|backfill)[./]")
TEMPLATE_SYNTAX = re.compile(r"\{\{|\{%|\{#|cookiecutter\.")
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment and return what it said."""
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)


def expected_files(answers: Answers) -> list[str]:
    """Return the files that the lists in tests/expected/ promise for a combination."""
    names = ["common", *(f"{key}-{value}" for key, value in answers.items())]
    lists = [EXPECTED / f"{name}.txt" for name in names]
    return sorted(line for path in lists if path.exists() for line in path.read_text(encoding="utf-8").splitlines())


def write_expected(baked: dict[str, list[str]]) -> None:
    """Write the list that all combinations share, and one for each choice that adds files."""
    for path in EXPECTED.glob("*.txt"):
        path.unlink()
    common = reduce(set.__and__, (set(files) for files in baked.values()))
    lists = {"common": common}
    for key, values in choices().items():
        for value in values:
            having = [set(baked[label(answers)]) for answers in combinations() if answers[key] == value]
            lists[f"{key}-{value}"] = reduce(set.__and__, having) - common
    for name, files in lists.items():
        if files:
            (EXPECTED / f"{name}.txt").write_text("".join(f"{file}\n" for file in sorted(files)), encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def _updated(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-expected"):
        projects: dict[str, Path] = request.getfixturevalue("every_project")
        write_expected({name: files_of(project) for name, project in projects.items() if name not in NAMES})


@pytest.mark.parametrize("answers", list(combinations()), ids=label)
def test_a_combination_has_exactly_the_expected_files(answers: Answers, bake: Bake) -> None:
    assert files_of(bake(answers)) == expected_files(answers)


def test_no_template_syntax_is_left(every_project: dict[str, Path]) -> None:
    left = [
        f"{name}: {path.relative_to(project)}: {line.strip()}"
        for name, project in every_project.items()
        for path in text_files(project)
        for line in path.read_text(encoding="utf-8").splitlines()
        if TEMPLATE_SYNTAX.search(ALLOWED_SYNTAX.sub("", line))
    ]

    assert left == []


def test_every_text_file_is_utf_8_with_unix_line_ends_and_one_final_newline(
    every_project: dict[str, Path],
) -> None:
    wrong = [
        f"{name}: {path.relative_to(project)}"
        for name, project in every_project.items()
        for path in text_files(project)
        if not is_tidy(path.read_bytes())
    ]

    assert wrong == []


def is_tidy(content: bytes) -> bool:
    """Tell whether a text is empty, or UTF-8 with Unix line ends and exactly one newline at its end."""
    content.decode("utf-8")
    return not content or (b"\r" not in content and content.endswith(b"\n") and not content.endswith(b"\n\n"))


def test_every_path_is_legal_and_unique_on_windows(every_project: dict[str, Path]) -> None:
    for project in every_project.values():
        names = files_of(project)
        parts = {part for name in names for part in name.split("/")}

        assert [
            part for part in parts if re.search(r'[<>:"\\|?*\x00-\x1f]|[. ]$', part) or DEVICE.fullmatch(part)
        ] == []
        assert len({name.lower() for name in names}) == len(names)
        assert max(len(name) for name in names) <= 150  # leaves room below the 260 of a Windows path


def test_generated_python_is_formatted_and_passes_its_own_linter(every_project: dict[str, Path]) -> None:
    options = ("--no-cache", "--output-format", "concise")
    folders = [str(project) for project in every_project.values()]

    formatted = run("ruff", "format", "--check", *options, *folders)
    linted = run("ruff", "check", *options, *folders)

    assert formatted.returncode == 0, findings(formatted.stdout, every_project)
    assert linted.returncode == 0, findings(linted.stdout, every_project)


def test_generated_yaml_passes_yamllint(every_project: dict[str, Path]) -> None:
    folders = [str(project) for project in every_project.values()]

    linted = run(
        "yamllint",
        "--strict",
        "--format",
        "parsable",
        "--config-file",
        str(ROOT / ".yamllint.yaml"),
        *folders,
    )

    assert linted.returncode == 0, findings(linted.stdout, every_project)


def findings(output: str, projects: dict[str, Path]) -> str:
    """Return what a linter said with paths inside a project, once where several projects share a finding."""
    for project in projects.values():
        output = output.replace(f"{project}/", "")
    return "\n".join(dict.fromkeys(output.splitlines()))


def test_structured_files_can_be_read(every_project: dict[str, Path]) -> None:
    readers: dict[str, Callable[[str], object]] = {
        ".py": ast.parse,
        ".toml": tomllib.loads,
        ".json": json.loads,
        ".yml": lambda text: list(yaml.safe_load_all(text)),
        ".yaml": lambda text: list(yaml.safe_load_all(text)),
    }
    for project in every_project.values():
        for path in text_files(project):
            if path.suffix in readers and ".vscode" not in path.parts and ".devcontainer" not in path.parts:
                readers[path.suffix](path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("ci", "schema", "pattern"),
    [
        ("github", "vendor.github-workflows", ".github/workflows/*.yml"),
        ("azure-devops", "vendor.azure-pipelines", "azure-pipelines.yml"),
        ("gitlab", "vendor.gitlab-ci", ".gitlab-ci.yml"),
    ],
)
def test_ci_files_satisfy_the_schema_of_their_platform(
    ci: str, schema: str, pattern: str, bake: Bake, scratch: Path
) -> None:
    files = sorted(bake({"ci": ci}).glob(pattern))
    if ci == "azure-devops":  # its schema describes every number and truth value as the text that stands in the file
        files = [as_text(path, scratch) for path in files]

    checked = run("check_jsonschema", "--regex-variant", "nonunicode", "--builtin-schema", schema, *map(str, files))

    assert files
    assert checked.returncode == 0, checked.stdout


def as_text(path: Path, folder: Path) -> Path:
    """Return a JSON file with the content of a YAML file, all its scalars as strings."""
    target = folder / f"{path.stem}.json"
    with path.open(encoding="utf-8") as stream:
        target.write_text(json.dumps(yaml.load(stream, yaml.BaseLoader)), encoding="utf-8")
    return target


def test_actions_of_generated_workflows_are_pinned_to_a_commit(bake: Bake) -> None:
    workflows = (bake({"ci": "github"}) / ".github" / "workflows").glob("*.yml")
    used = [use for path in workflows for use in re.findall(r"uses: *(\S+)", path.read_text(encoding="utf-8"))]

    assert used
    assert [use for use in used if not use.startswith("./") and not re.search(r"@[0-9a-f]{40}$", use)] == []


def test_the_longest_answers_arrive_unchanged(bake: Bake) -> None:
    project = bake(LONGEST)

    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project.name == LONGEST["project_slug"] == declared["name"]
    assert declared["description"] == LONGEST["description"]
    assert LONGEST["project_name"] in (project / "README.md").read_text(encoding="utf-8")
    assert LONGEST["owner_group"] in "".join(path.read_text(encoding="utf-8") for path in project.rglob("*.yml"))


def test_the_copies_of_hooks_and_partials_are_identical() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "sync.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout
