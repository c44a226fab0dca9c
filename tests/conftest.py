"""Fixtures of the harness: projects baked once for each set of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from baking import Answers, Bakery, combinations, label, made_once
from hypothesis import settings
from installed import Installed, install

Bake = Callable[[Answers], Path]

#: Answers at the ends of what the checks allow; the description holds every mark that is allowed.
SHORTEST = {"project_name": "Q", "description": "d", "owner_group": "g"}
LONGEST = {
    "project_name": "Wholesale, Retail and E-Commerce + Returns of 2_00",
    "project_slug": "warehouse-and-storefront-sales",
    "package_name": "warehouse_and_storefront_sales",
    "description": "100 % of the caf\u00e9\u2019s sales: e-mail, web/app (and till) @ 3 + 1 stores, "
    "from files to reports people_read every day: here.",
    "owner_group": "data-engineers.wholesale-and-retail_north-america-and-europe",
}
NAMES = {"shortest": SHORTEST, "longest": LONGEST}


def found(check: Callable[[Path], list[str]], projects: Mapping[str, Path]) -> list[str]:
    """Return what a check finds in projects, once where several share a finding, after the name of the first."""
    first: dict[str, str] = {}
    for name, project in projects.items():
        for finding in check(project):
            first.setdefault(finding, name)
    return [f"{finding}  ({name})" for finding, name in first.items()]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the option that rewrites the expected lists of files."""
    parser.addoption("--update-expected", action="store_true", help="write tests/expected/ anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with slow tests first: the quick ones fill what is left when processes run side by side."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> Bakery:
    """A scratch folder to bake in."""
    return Bakery(tmp_path_factory.mktemp("bakery"))


@pytest.fixture(scope="session")
def shared_bakery(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Bakery:
    """A scratch folder of all test processes."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # the folder of a test process lies in that of the whole run
        folder = folder.parent
    shared = folder / "shared-bakery"
    shared.mkdir(exist_ok=True)
    return Bakery(shared)


@pytest.fixture(scope="session")
def bake(shared_bakery: Bakery) -> Bake:
    """Bake the batch template; the same answers give the same folder to every process, so a test must not change it."""
    return shared_bakery.baked_once


@pytest.fixture(scope="session")
def every_project(bake: Bake) -> dict[str, Path]:
    """Projects of every combination of choices, and of the shortest and the longest names."""
    projects = {label(answers): bake(answers) for answers in combinations()}
    return projects | {name: bake(answers) for name, answers in NAMES.items()}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """An empty folder; what a test leaves in it is looked at by the test itself."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def installed(shared_bakery: Bakery) -> Installed:
    """A project of the defaults with its environment, one for all test processes: tests may run it, and not edit it."""
    return Installed(
        made_once(shared_bakery.folder, "installed", lambda: install(shared_bakery.bake({}, "installed")).folder)
    )


@pytest.fixture(scope="session")
def ran(installed: Installed, shared_bakery: Bakery) -> Installed:
    """The installed project after a first run on the sample."""

    def run() -> Path:
        installed.succeed(*installed.command("run", "--env", "local"))
        return installed.folder

    return Installed(made_once(shared_bakery.folder, "ran", run))


# The same examples everywhere, and none that fails because a machine is busy.
settings.register_profile("repository", deadline=None, derandomize=True)
settings.load_profile("repository")
