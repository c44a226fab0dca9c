"""The CI files of every platform: valid, pinned, no more rights than they need, and their steps really work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from baking import ROOT, choices
from checks import workflows
from conftest import Bake

CHECKS: list[Callable[[Path], list[str]]] = [
    workflows.invalid,
    workflows.mistakes,
    workflows.weaknesses,
    workflows.unpinned,
    workflows.stored_secrets,
    workflows.excessive_rights,
]


@pytest.mark.parametrize("ci", choices()["ci"])
@pytest.mark.parametrize("check", [*CHECKS, workflows.not_validated], ids=lambda check: check.__name__)
def test_ci_files_pass(check: Callable[[Path], list[str]], ci: str, bake: Bake) -> None:
    project = bake({"ci": ci})

    assert {platform for platform, _ in workflows.ci_files(project)} == {ci}
    assert check(project) == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_workflows_of_this_repository_pass(check: Callable[[Path], list[str]]) -> None:
    assert workflows.github_files(ROOT)
    assert check(ROOT) == []
