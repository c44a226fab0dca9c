"""A baked streaming project does what its README says: linters, tests, a run on files, and the proof."""

from __future__ import annotations

from pathlib import Path

import pytest
from baking import STREAMING, Bakery
from bundles.bundle_reader import read_bundle
from installed import Installed, install
from local_job import PREFIX, landed, local_calls, run_from_wheels, volume_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def streams(bakery: Bakery) -> Installed:
    """A project of the defaults with its environment; tests may run it and leave files in it."""
    return install(bakery.bake({}, "streaming-installed", STREAMING))


def test_a_fresh_project_passes_its_own_linters(streams: Installed) -> None:
    streams.succeed("make", "lint")


def test_a_fresh_project_passes_its_own_tests(streams: Installed) -> None:
    assert "passed" in streams.succeed("make", "test")


@pytest.mark.matrix
@pytest.mark.parametrize(("runtime", "spark"), [("17.3-lts", "4.0."), ("16.4-lts", "3.5.")])
def test_a_project_for_an_older_runtime_passes_its_tests(runtime: str, spark: str, bakery: Bakery) -> None:
    project = install(bakery.bake({"runtime": runtime}, f"streaming-{runtime}", STREAMING))

    version = project.succeed("uv", "run", "python", "-c", "import pyspark; print(pyspark.__version__)")

    assert version.startswith(spark)
    assert "passed" in project.succeed("make", "test")


@pytest.mark.matrix
def test_events_that_are_produced_arrive_once(streams: Installed) -> None:
    streams.succeed(*streams.command("run", "--env", "local"))
    streams.succeed(*streams.command("produce", "--rate", "20", "--seconds", "5", "--name", "more"))

    said = streams.succeed(*streams.command("run", "--env", "local"))
    proof = streams.succeed(*streams.command("verify"))

    assert "succeeded" in said
    assert "nothing is lost and nothing doubled" in proof


@pytest.mark.matrix
def test_the_jobs_of_the_bundle_run_from_its_wheels_and_fill_the_renamed_schemas(
    streams: Installed, scratch: Path
) -> None:
    bundle, volumes = read_bundle(streams.folder, "dev"), scratch / "Volumes"
    landed(streams, bundle, volumes)
    jobs = bundle.resources("jobs")
    keys = [key for key in jobs if not key.endswith("_pipeline_job")]
    keys.sort(key=lambda key: key.endswith("_check_job"))
    calls = [call for key in keys for call in local_calls(bundle, volumes, jobs[key])]

    done = run_from_wheels(streams, calls, scratch)

    assert done["tasks"] == {"streams": "succeeded", "check": "succeeded"}
    assert Path(done["code"]).is_relative_to(done["packages"])
    filled = {name for name, count in done["tables"].items() if count}
    layers = [f"{PREFIX}{layer}.{name}" for layer in ("bronze", "silver") for name in ("sales", "payments", "clicks")]
    gold = [f"{PREFIX}gold.{name}" for name in ("agg_store_minutes", "sale_payments", "click_sessions")]
    assert {*layers, *gold} <= filled
    assert [name for name in done["tables"] if name.startswith(("bronze.", "silver.", "gold."))] == []
    assert list(volume_folder(bundle, "checkpoints", volumes).glob("*/*/gold.agg_store_minutes/v1"))
