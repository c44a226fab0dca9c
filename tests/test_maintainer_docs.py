"""The documents for maintainers name places that exist, and following them works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from baking import ROOT, Bakery
from checks import templates
from checks.links import LINK, OUTSIDE, TARGET
from repositories import DIRECTORY, copied_family
from sync import synchronise, templates_of
from team import replaced

GUIDES = ("adding-an-option.md", "adding-a-template.md", "releasing.md", "testing.md")
DOCUMENTS = [*(ROOT / "docs" / name for name in GUIDES), ROOT / "CONTRIBUTING.md", ROOT / "README.md"]
QUOTED = re.compile(r"`([^`\s]+)`")
#: Looks like a path: has a slash, or the ending of a file.
PATH = re.compile(r"[\w.{}/-]+/[\w.{}/-]*|[\w.-]+\.(?:md|py|json|toml|yml|yaml|sh|txt)")
#: Files of a generated project, which are below the template and not here.
GENERATED = ROOT / DIRECTORY / "{{cookiecutter.project_slug}}"
#: What only a baked project has, what make installs, and the folder that the first shared partial makes.
MADE_LATER = {".cruft.json", "libs/", ".venv/", ".tools/", "templates/"}


def named_paths(document: Path) -> list[str]:
    """Return what looks like a path between back quotes, and where links lead to, relative to the root."""
    text = document.read_text(encoding="utf-8")
    quoted = [word for word in QUOTED.findall(text) if PATH.fullmatch(word)]
    links = [link.partition("#")[0] for link in LINK.findall(text) if not OUTSIDE.match(link)]
    return quoted + [(document.parent / link).resolve().relative_to(ROOT).as_posix() for link in links]


def exists(name: str) -> bool:
    """Tell whether a path is one of this repository, of a generated project or the name of a file in one of them."""
    if name in MADE_LATER:
        return True
    if (ROOT / name).exists() or (GENERATED / name).exists():
        return True
    return "/" not in name and any(any(folder.rglob(name)) for folder in (GENERATED, ROOT / ".github"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    paths = named_paths(document)

    assert paths
    assert [name for name in paths if not exists(name)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_target_of_make_that_a_document_names_exists(document: Path) -> None:
    own = TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    generated = TARGET.findall((GENERATED / "Makefile").read_text(encoding="utf-8"))
    named = re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE)

    assert set(named) <= {*own, *generated}


@pytest.mark.parametrize("name", GUIDES[:3])
def test_a_guide_begins_with_the_file_to_open_and_others_lead_to_it(name: str) -> None:
    first = (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines()[2]

    assert first.startswith("Open [`")
    for document in ("README.md", "CONTRIBUTING.md"):
        assert f"(docs/{name})" in (ROOT / document).read_text(encoding="utf-8")


def with_option(family: Path, steps: int) -> Path:
    """Add an option to a copy of the family as docs/adding-an-option.md says, as far as some step."""
    template = family / DIRECTORY
    if steps > 0:
        questions, wording = '  "ci": ["github"', '    "ci": {\n'
        replaced(template / "cookiecutter.json", questions, f'  "region": ["europe", "america"],\n{questions}')
        replaced(template / "cookiecutter.json", wording, f'    "region": "Region of the workspace",\n{wording}')
    if steps > 1:
        choices = '    "ci": ("github"'
        replaced(family / "hooks" / "pre_gen_project.py", choices, f'    "region": ("europe", "america"),\n{choices}')
        for each in templates_of(family):
            synchronise(family, each)
    if steps > 2:
        bundle = template / "{{cookiecutter.project_slug}}" / "bundle.yml"
        tags = "      tags:\n"
        replaced(bundle, tags, f"{tags}        region: {{{{ cookiecutter.region }}}}\n")
    return family


def test_the_three_places_of_an_option_are_enough(bakery: Bakery, scratch: Path) -> None:
    family = with_option(copied_family(scratch / "family"), 3)

    project = bakery.bake({"region": "america"}, "with-an-option", family / DIRECTORY)

    assert templates.unchecked_answers(family) + templates.differing_copies(family) == []
    assert "region: america" in (project / "bundle.yml").read_text(encoding="utf-8")


def test_an_option_without_its_check_is_named(scratch: Path) -> None:
    findings = templates.unchecked_answers(with_option(copied_family(scratch / "family"), 1))

    assert any("region is not checked in hooks/pre_gen_project.py" in finding for finding in findings)
