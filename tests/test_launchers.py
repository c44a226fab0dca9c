"""Every way to start the generator gives the same project, and one that its template can update."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from baking import ML, ROOT, STREAMING, Bakery, files_of
from checks.templates import hook
from repositories import DIRECTORY, committed, cruft, git, published_change, published_family

post_gen = hook(ROOT, "post_gen_project")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of a published family: a bare repository with one commit, and a working copy of it."""
    return published_family(tmp_path_factory.mktemp("family"))


def zipped(family: Path) -> Path:
    """Return the family as the archive that git hosts offer."""
    archive = family.parent / "family.zip"
    if not archive.exists():
        git("archive", "--format=zip", "--prefix=family/", f"--output={archive}", "HEAD", folder=family)
    return archive


LAUNCHERS: dict[str, Callable[[Path, str], tuple[str, ...]]] = {
    "path": lambda family, template: (str(family), "--directory", template),
    "relative path": lambda family, template: (os.path.join("..", "family"), "--directory", template),
    "template folder": lambda family, template: (str(family / template),),
    # The first of the menu is taken where nobody answers.
    "menu": lambda family, template: (str(family),),
    "git": lambda family, template: (f"file://{family.parent / 'family.git'}", "--directory", template),
    "zip": lambda family, template: (str(zipped(family)), "--directory", template),
}
#: The folder of each template's project, as its defaults name it.
SLUGS = {DIRECTORY: "retail-lakehouse", STREAMING.name: "point-of-sale-streams", ML.name: "household-models"}
WAYS = [(DIRECTORY, name) for name in LAUNCHERS]
WAYS += [(template.name, name) for template in (STREAMING, ML) for name in LAUNCHERS if name != "menu"]


@pytest.fixture(scope="module")
def references(published: Path, bakery: Bakery) -> dict[str, Path]:
    """The project of each template as the working copy bakes it in this process."""
    return {template: bakery.bake({}, f"reference-{template}", ROOT / template) for template in SLUGS}


def launch(name: str, family: Path, bakery: Bakery, folder: Path, template: str = DIRECTORY) -> Path:
    """Bake with one launcher from inside a folder beside the family and return the project."""
    folder.mkdir(exist_ok=True)
    done = bakery.command(*LAUNCHERS[name](family, template), "--no-input", folder=folder)
    assert done.returncode == 0, done.stderr
    assert f"is ready in {SLUGS[template]}/" in done.stdout
    assert "not in libs/ yet" not in done.stdout
    return folder / SLUGS[template]


@pytest.mark.parametrize(("template", "name"), WAYS)
def test_a_launcher_gives_the_same_project(
    template: str, name: str, published: Path, bakery: Bakery, references: dict[str, Path]
) -> None:
    reference = references[template]
    project = launch(name, published, bakery, published.parent / f"{template} by {name}", template)

    assert files_of(project) == files_of(reference)
    contents = ((name, (project / name).read_bytes(), (reference / name).read_bytes()) for name in files_of(project))
    assert [name for name, here, there in contents if here != there] == []


@pytest.mark.slow
@pytest.mark.parametrize("template", SLUGS)
def test_cruft_gives_the_same_project(
    template: str, published: Path, references: dict[str, Path], scratch: Path
) -> None:
    made = cruft("create", str(published), "--directory", template, "--no-input", folder=scratch)

    project = scratch / SLUGS[template]
    assert made.returncode == 0, made.stderr
    assert files_of(project) == files_of(references[template])
    assert cruft("check", folder=project).returncode == 0
    assert cruft("diff", "--exit-code", folder=project).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["path", "menu", "git"])
def test_a_project_made_without_cruft_remembers_its_template(name: str, published: Path, bakery: Bakery) -> None:
    project = launch(name, published, bakery, published.parent / f"remembered by {name}")

    record = json.loads((project / ".cruft.json").read_text(encoding="utf-8"))

    assert record["commit"] == git("rev-parse", "HEAD", folder=published)
    assert record["template"].endswith("/family.git")
    assert record["directory"] == DIRECTORY
    assert record["context"]["cookiecutter"]["project_slug"] == "retail-lakehouse"
    difference = cruft("diff", "--exit-code", folder=project)
    assert difference.returncode == 0, difference.stdout


def test_an_archive_has_no_address_and_the_message_says_how_to_add_one(
    published: Path, bakery: Bakery, scratch: Path
) -> None:
    done = bakery.command(*LAUNCHERS["zip"](published, DIRECTORY), "--no-input", folder=scratch)

    assert not (scratch / "retail-lakehouse" / ".cruft.json").exists()
    assert f"uvx cruft link <address> --directory {DIRECTORY}" in done.stdout


@pytest.mark.slow
def test_a_commit_that_nobody_can_fetch_is_not_recorded(published: Path, bakery: Bakery, scratch: Path) -> None:
    clone = scratch / "family"
    git("clone", "--quiet", str(published.parent / "family.git"), str(clone), folder=scratch)
    git("commit", "--quiet", "--allow-empty", "--message", "Not pushed", folder=clone)

    done = bakery.command(str(clone), "--directory", DIRECTORY, "--no-input", folder=scratch)

    assert done.returncode == 0
    assert not (scratch / "retail-lakehouse" / ".cruft.json").exists()
    assert "cruft link" in done.stdout


@pytest.mark.slow
def test_a_change_of_the_template_reaches_a_project_made_without_cruft(
    published: Path, bakery: Bakery, scratch: Path
) -> None:
    bare, clone = scratch / "family.git", scratch / "family"
    git("clone", "--quiet", "--bare", str(published.parent / "family.git"), str(bare), folder=scratch)
    git("clone", "--quiet", str(bare), str(clone), folder=scratch)
    project = launch("path", clone, bakery, scratch / "made")
    committed(project)
    readme = next((clone / DIRECTORY).glob("{{*")) / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8") + "\nA later thought.\n", encoding="utf-8")
    published_change(clone, "Second version")

    assert cruft("check", folder=project).returncode == 1
    updated = cruft("update", "--skip-apply-ask", folder=project)

    assert updated.returncode == 0, updated.stderr
    assert (project / "README.md").read_text(encoding="utf-8").endswith("\nA later thought.\n")
    assert list((project / "libs").glob("*.whl"))


@pytest.mark.parametrize(
    ("address", "recorded"),
    [
        ("https://user:token@git.example.org/team/family.git", "https://git.example.org/team/family.git"),
        (
            "https://token@git.example.org:8443/family.git?key=1#main",
            "https://git.example.org:8443/family.git",
        ),
        ("ssh://git:secret@git.example.org/family.git", "ssh://git@git.example.org/family.git"),
        ("git@git.example.org:team/family.git", "git@git.example.org:team/family.git"),
        ("/srv/git/family.git", "/srv/git/family.git"),
    ],
)
def test_an_address_is_recorded_without_credentials(address: str, recorded: str) -> None:
    assert post_gen.without_credentials(address) == recorded
