"""A baked streaming project does what its README says: linters, tests, a run on files, and the proof."""

from __future__ import annotations

import pytest
from baking import STREAMING, Bakery
from installed import Installed, install

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
def test_events_that_are_produced_arrive_once(streams: Installed) -> None:
    streams.succeed(*streams.command("run", "--env", "local"))
    streams.succeed(*streams.command("produce", "--rate", "20", "--seconds", "5", "--name", "more"))

    said = streams.succeed(*streams.command("run", "--env", "local"))
    proof = streams.succeed(*streams.command("verify"))

    assert "succeeded" in said
    assert "nothing is lost and nothing doubled" in proof
