"""A baked machine learning project does what its README says: linters, tests, and the way from files to a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from baking import ML, Bakery
from bundles.bundle_reader import read_bundle
from checks.definition import defined_tables
from installed import Installed, install
from local_job import PREFIX, landed, local_calls, run_from_wheels

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


@pytest.mark.matrix
def test_the_jobs_of_the_bundle_run_from_its_wheels_and_end_with_scores_of_a_champion(
    models: Installed, scratch: Path
) -> None:
    bundle, volumes = read_bundle(models.folder, "dev"), scratch / "Volumes"
    landed(models, bundle, volumes)
    jobs = {key.rpartition("_job")[0].rpartition("_")[2]: job for key, job in bundle.resources("jobs").items()}
    asked = {"train": {"trials": "2"}, "promote": {"approved_by": "Ann"}}
    by_hand = [call for name, given in asked.items() for call in local_calls(bundle, volumes, jobs[name], given)]
    (daily,) = (job for name, job in jobs.items() if name not in (*asked, "pipeline"))
    calls = local_calls(bundle, volumes, daily)
    # The first scoring needs a champion, and the first training needs features.
    first = 1 + next(number for number, call in enumerate(calls) if call.task == "features")

    done = run_from_wheels(models, [*calls[:first], *by_hand, *calls[first:]], scratch)

    assert done["tasks"] == dict.fromkeys([call.task for call in (*calls, *by_hand)], "succeeded")
    assert Path(done["code"]).is_relative_to(done["packages"])
    tables = {f"{PREFIX}{table}" for table in defined_tables(models.folder)}
    assert {name for name in tables if not done["tables"].get(name)} == set()
    assert [name for name, count in done["tables"].items() if name.startswith(f"{PREFIX}gold.") and not count] == []
    assert [name for name in done["tables"] if name.startswith(("bronze.", "silver.", "gold."))] == []
