"""A project takes the newer version of its template: the team's edits stay, the new content arrives."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from baking import LIBRARY, ML, ROOT, STREAMING, Bakery, choices
from checks import definition
from checks.workflows import ci_files
from conftest import Bake
from installed import Installed, from_cache_or_fetched
from releases import recorded
from repositories import DIRECTORY, committed, copied_family, cruft, git, published_change, published_family
from team import TABLE, add_table, replaced

pytestmark = pytest.mark.slow

RELEASED = version("databricks-shared-utilities")
NEWER = f"{RELEASED}.post1"
#: Where the team's own task stands, and what it is: the bundle's rules want the verdict to wait for it.
VERDICT = "        # Says how the run ended"
OWN_TASK = """\
        - task_key: refresh
          sql_task: {warehouse_id: abc, query: {query_id: def}}

"""
VERDICT_WAITS = "            # end of the last tables\n            - task_key: report\n"
OWN_SCHEDULE = ("0 0 6 ? * MON-FRI", "0 0 8 ? * MON-FRI")


@dataclass(frozen=True)
class Team:
    """A published family and a project made from its first version.

    Args:
        family: Working copy of the family.
        project: The team's project.
    """

    family: Path
    project: Path

    @staticmethod
    def of(folder: Path, bakery: Bakery) -> Team:
        """Publish the first version and make a project with plain cookiecutter, nothing committed yet."""
        family = published_family(folder)
        done = bakery.command(str(family), "--directory", DIRECTORY, "--no-input", folder=folder)
        assert done.returncode == 0, done.stderr
        return Team(family, folder / "retail-lakehouse")

    def recorded(self) -> str:
        """Return the commit that the project says it comes from."""
        return str(json.loads((self.project / ".cruft.json").read_text(encoding="utf-8"))["commit"])

    def edit(self) -> None:
        """Add a table, a task of the team's own and two settings, most of it in files that the template changes too."""
        add_table(self.project)
        replaced(self.project / "resources" / "jobs.yml", VERDICT, OWN_TASK + VERDICT)
        replaced(
            self.project / "resources" / "jobs.yml", VERDICT_WAITS, VERDICT_WAITS + "            - task_key: refresh\n"
        )
        replaced(self.project / "config" / "lab.yaml", "minimum_score: 0.8", "minimum_score: 0.7")
        replaced(self.project / "config" / "base.yaml", "max_files_per_batch: 1000", "max_files_per_batch: 500")

    def publish_second_version(self) -> str:
        """Publish a version with a changed document, setting, bundle and job, a new file, and a newer library."""
        (template,) = (self.family / DIRECTORY).glob("{{*")
        replaced(template / "README.md", "No workspace and no account are needed.", "All you need is your laptop.")
        replaced(
            template / "config" / "base.yaml", "  holiday_country: US\n", "  holiday_country: US\n  loyal_after: 10\n"
        )
        replaced(template / "bundle.yml", OWN_SCHEDULE[0], "0 0 7 ? * MON-FRI")
        replaced(template / "resources" / "jobs.yml", "  max_retries: 2", "  max_retries: 4")
        replaced(template / "pyproject.toml", f"utilities-{RELEASED}-py3", f"utilities-{NEWER}-py3")
        replaced(self.family / LIBRARY.name / "pyproject.toml", f'version = "{RELEASED}"', f'version = "{NEWER}"')
        (template / "docs" / "glossary.md").write_text("# Glossary\n\nBasket: one visit to a till.\n", encoding="utf-8")
        return published_change(self.family, "Second version")

    def status(self) -> set[str]:
        """Return what git says about the project, one `XY path` for each file."""
        return set(git("status", "--porcelain", "--untracked-files=all", folder=self.project).splitlines())

    def text(self, name: str) -> str:
        """Return the content of a file of the project."""
        return (self.project / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, bakery: Bakery) -> Team:
    """The project after a team's first edits, when the second version is out; tests get copies of it."""
    team = Team.of(tmp_path_factory.mktemp("team"), bakery)
    committed(team.project)
    team.edit()
    committed(team.project, "A table of our own")
    team.publish_second_version()
    return team


@pytest.fixture
def edited(prepared: Team, scratch: Path) -> Team:
    """A copy of the prepared project."""
    folder = scratch / prepared.project.name
    shutil.copytree(prepared.project, folder)
    return Team(prepared.family, folder)


def assert_updated(team: Team) -> None:
    """Assert that the edits are still there and everything of the second version has come."""
    assert "All you need is your laptop." in team.text("README.md")
    assert "loyal_after: 10" in team.text("config/base.yaml")
    assert "0 0 7 ? * MON-FRI" in team.text("bundle.yml")
    assert "Basket" in team.text("docs/glossary.md")
    assert "max_files_per_batch: 500" in team.text("config/base.yaml")
    assert "minimum_score: 0.7" in team.text("config/lab.yaml")
    jobs = team.text("resources/jobs.yml")
    assert jobs.count(f"- task_key: {TABLE.replace('.', '_')}\n") == 3
    assert OWN_TASK in jobs
    assert "  max_retries: 4\n" in jobs
    assert team.recorded() == git("rev-parse", "HEAD", folder=team.family)
    assert definition.job_differs(team.project) + definition.broken_bundle(team.project) == []
    assert definition.contradictions(team.project) + definition.invalid_settings(team.project) == []


def test_an_update_keeps_the_edits_and_brings_what_is_new(edited: Team) -> None:
    wheels = [path.name for path in (edited.project / "libs").iterdir()]

    done = cruft("update", "--skip-apply-ask", folder=edited.project)

    assert done.returncode == 0, done.stderr
    assert_updated(edited)
    assert [path.name for path in (edited.project / "libs").iterdir()] == wheels
    changed = {"README.md", "bundle.yml", "config/base.yaml", "pyproject.toml", "docs/glossary.md", ".cruft.json"}
    changed |= {"resources/jobs.yml"}
    assert {line[2:].strip() for line in edited.status()} == changed
    assert cruft("check", folder=edited.project).returncode == 0


@pytest.mark.parametrize("template", [STREAMING, ML], ids=lambda template: template.name)
def test_an_update_of_another_template_keeps_the_edits_and_brings_what_is_new(
    template: Path, bakery: Bakery, scratch: Path
) -> None:
    family = published_family(scratch)
    assert bakery.command(str(family), "--directory", template.name, "--no-input", folder=scratch).returncode == 0
    (record,) = scratch.glob("*/.cruft.json")
    team = Team(family, record.parent)
    committed(team.project)
    replaced(
        team.project / "config" / "lab.yaml", "environment: lab\n", "environment: lab\nfeature_flags: {ours: true}\n"
    )
    committed(team.project, "A flag of our own")
    (source,) = (family / template.name).glob("{{*")
    replaced(source / "README.md", "## Updates", "## News\n\nMore of it.\n\n## Updates")
    replaced(source / "config" / "base.yaml", "vacuum_hours: 168", "vacuum_hours: 240")
    (source / "docs" / "glossary.md").write_text("# Glossary\n\nBasket: one visit to a till.\n", encoding="utf-8")
    published_change(family, "Second version")

    done = cruft("update", "--skip-apply-ask", folder=team.project)

    assert done.returncode == 0, done.stderr
    changed = {"README.md", "config/base.yaml", "docs/glossary.md", ".cruft.json"}
    assert {line[2:].strip() for line in team.status()} == changed
    assert "feature_flags: {ours: true}" in team.text("config/lab.yaml")
    assert "vacuum_hours: 240" in team.text("config/base.yaml")
    assert team.recorded() == git("rev-parse", "HEAD", folder=family)
    assert definition.broken_bundle(team.project) + definition.invalid_settings(team.project) == []
    assert cruft("check", folder=team.project).returncode == 0


def test_a_project_of_the_release_before_takes_this_one(bakery: Bakery, scratch: Path) -> None:
    before = recorded()[-1].commit
    if git_or_none("cat-file", "-e", before) is None and git_or_none("fetch", "--depth=1", "origin", before) is None:
        pytest.skip(f"this copy of the repository has no commit {before[:8]} and cannot fetch it")
    family = published_family(scratch)
    for path in family.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    with tarfile.open(fileobj=io.BytesIO(git_or_none("archive", before) or b"")) as archive:
        archive.extractall(family, filter="data")
    published_change(family, "The release before")
    assert bakery.command(str(family), "--directory", DIRECTORY, "--no-input", folder=scratch).returncode == 0
    team = Team(family, scratch / "retail-lakehouse")
    committed(team.project)
    for path in family.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    copied_family(family)
    published_change(family, "This one")

    done = cruft("update", "--skip-apply-ask", folder=team.project)

    assert done.returncode == 0, done.stderr
    assert not [line for line in team.status() if line.endswith(".rej") or line.startswith("U")]
    assert team.recorded() == git("rev-parse", "HEAD", folder=family)
    assert f"utilities-{RELEASED}-py3" in team.text("pyproject.toml")
    assert definition.job_differs(team.project) + definition.broken_bundle(team.project) == []
    assert definition.invalid_settings(team.project) == []


def git_or_none(*arguments: str) -> bytes | None:
    """Return what git prints in this repository, or None where it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return None if done.returncode else done.stdout


def test_the_record_of_the_template_does_not_grow_with_updates(edited: Team) -> None:
    before = json.loads(edited.text(".cruft.json"))

    cruft("update", "--skip-apply-ask", folder=edited.project)

    after = json.loads(edited.text(".cruft.json"))
    assert 'skip = ["libs", "uv.lock"]' in edited.text("pyproject.toml")
    assert after.keys() == before.keys()
    assert "skip" not in after


def upgrade(team: Team, *arguments: str) -> tuple[int, str]:
    """Run `make upgrade` and return its exit code and everything it said."""
    # With a network: uv refuses to look for a newer library without one.
    done = Installed(team.project, network=True).run("make", "--no-print-directory", "upgrade", *arguments)
    return done.returncode, done.stdout + done.stderr


def test_lines_that_both_have_changed_are_left_to_the_team(edited: Team) -> None:
    replaced(edited.project / "bundle.yml", *OWN_SCHEDULE)
    committed(edited.project, "Later")

    code, said = upgrade(edited)

    assert code != 0
    assert re.search(r"so you decide:\n  bundle\.yml\n\n", said)
    assert "holds both versions between <<<<<<< and >>>>>>>" in said
    assert "git add --all && git commit" in said
    text = edited.text("bundle.yml")
    assert re.search(r"<<<<<<<.*MON-FRI.*=======.*MON-FRI.*>>>>>>>", text, re.DOTALL)
    assert OWN_SCHEDULE[1] in text
    assert "UU bundle.yml" in edited.status()
    assert "All you need is your laptop." in edited.text("README.md")


def test_a_part_that_cannot_be_merged_is_left_beside_the_file(scratch: Path, bakery: Bakery) -> None:
    team = Team.of(scratch, bakery)
    # The file as it was made is in no commit, so git has nothing to merge with.
    replaced(team.project / "bundle.yml", *OWN_SCHEDULE)
    committed(team.project)
    team.publish_second_version()

    code, said = upgrade(team)

    assert code != 0
    assert re.search(r"so you decide:\n  bundle\.yml\.rej\n\n", said)
    assert "holds what could not be applied" in said
    assert "0 0 7 ? * MON-FRI" in team.text("bundle.yml.rej")
    assert OWN_SCHEDULE[1] in team.text("bundle.yml")
    assert "All you need is your laptop." in team.text("README.md")


def test_the_readme_of_a_project_explains_both_kinds_of_conflict(bake: Bake) -> None:
    updates = (bake({}) / "README.md").read_text(encoding="utf-8").partition("## Updates")[2].partition("\n## ")[0]

    for mark in ("`<<<<<<<`", "`>>>>>>>`", "`.rej`", "`git add --all`", "`make upgrade`"):
        assert mark in updates


def test_changes_that_are_not_committed_stop_an_upgrade(edited: Team) -> None:
    before = edited.recorded()
    replaced(edited.project / "config" / "lab.yaml", "minimum_score: 0.7", "minimum_score: 0.6")

    code, said = upgrade(edited)

    assert code != 0
    assert "changes that are not committed" in said
    assert "M config/lab.yaml" in said
    assert edited.recorded() == before


def test_a_project_outside_git_is_told_to_start_a_repository(edited: Team) -> None:
    shutil.rmtree(edited.project / ".git")

    code, said = upgrade(edited)

    assert code != 0
    assert 'git init && git add --all && git commit --message "Start"' in said


def test_a_project_that_knows_no_template_asks_for_its_address(edited: Team) -> None:
    (edited.project / ".cruft.json").unlink()

    code, said = upgrade(edited)

    assert code != 0
    assert "Say where the template lies: make upgrade FROM=<address or folder>" in said


def test_a_template_that_has_moved_is_named_and_nothing_is_changed(edited: Team) -> None:
    replaced(edited.project / ".cruft.json", "family.git", "moved.git")
    committed(edited.project, "Moved")

    code, said = upgrade(edited)

    assert code != 0
    assert "The template could not be applied; nothing was changed." in said
    assert "uvx cruft link <address>" in said
    assert edited.status() == set()


def test_an_upgrade_brings_files_and_library_in_one_step(edited: Team) -> None:
    project = from_cache_or_fetched(edited.project, "uv", "lock", "--quiet")
    committed(edited.project, "Lock")

    code, said = upgrade(edited)

    assert code == 0, said
    assert_updated(edited)
    wheel = f"libs/databricks_shared_utilities-{NEWER}-py3-none-any.whl"
    assert f"The shared library is now {wheel}, {NEWER} (content " in said
    assert f"  before: {RELEASED} (content " in said
    assert definition.missing_wheel(edited.project) == []
    assert [path.name for path in (edited.project / "libs").iterdir()] == [Path(wheel).name]
    assert wheel in edited.text("uv.lock")
    assert not [line for line in edited.status() if line.endswith(".rej")]
    committed(edited.project, "Update")
    assert upgrade(edited)[0] == 0
    assert edited.status() == set()
    project.succeed("make", "lint")


@pytest.mark.matrix
def test_a_project_passes_its_tests_after_an_upgrade(edited: Team) -> None:
    project = from_cache_or_fetched(edited.project, "uv", "sync", "--quiet")
    committed(edited.project, "Lock")
    assert upgrade(edited)[0] == 0

    assert " passed" in project.succeed("uv", "run", "pytest", "-q")


def test_every_place_that_names_cruft_names_the_tested_version(bake: Bake) -> None:
    projects = [bake({"ci": ci}) for ci in choices()["ci"]]
    files = [path for project in projects for _, path in ci_files(project)] + [projects[0] / "scripts" / "upgrade.sh"]
    pins = [re.findall(r"\bcruft(?:@|==)([\d.]+)", path.read_text(encoding="utf-8")) for path in files]

    assert sum(map(bool, pins)) == len(projects) + 1
    assert {pin for found in pins for pin in found} == {version("cruft")}
