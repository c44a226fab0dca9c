"""A baked machine learning project does what its README says: linters, tests, and the way from files to a page."""

from __future__ import annotations

import pytest
from baking import ML, Bakery
from installed import Installed, install

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(bakery: Bakery) -> Installed:
    """A project of the defaults with its environment; tests may run it and leave files in it."""
    return install(bakery.bake({}, "ml-installed", ML))


def test_a_fresh_project_passes_its_own_linters(models: Installed) -> None:
    models.succeed("make", "lint")


def test_a_fresh_project_passes_its_own_tests(models: Installed) -> None:
    assert "passed" in models.succeed("make", "test")


@pytest.mark.matrix
def test_files_become_a_champion_scores_and_a_page(models: Installed) -> None:
    for words in (("run",), ("features",), ("train", "--trials", "2"), ("promote", "--approved-by", "Ann"), ("score",)):
        models.succeed(*models.command(*words))

    said = models.succeed(*models.command("monitor"))

    assert "Report: " in said
