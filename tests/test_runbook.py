"""Every runbook that errors name is in the projects whose errors they are, with a section for each kind of failure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from baking import ML, ROOT, STREAMING, TEMPLATE
from databricks_utils.pipeline.failure import KINDS, OWN, RUNBOOK, UNKNOWN

LIBRARY = ROOT / "databricks-shared-utilities" / "src" / "databricks_utils"
NAMED = re.compile(r"docs/runbooks/[a-z-]+\.md")


def project(template: Path) -> Path:
    return template / "{{cookiecutter.project_slug}}"


@pytest.mark.parametrize("template", [TEMPLATE, STREAMING, ML], ids=lambda template: template.name)
def test_each_kind_of_failure_has_a_section_of_the_runbook(template: Path) -> None:
    headings = re.findall(r"^### (\S+)$", (project(template) / RUNBOOK).read_text(encoding="utf-8"), re.MULTILINE)

    kinds = {kind.name for kind in (*KINDS, UNKNOWN)} | set(OWN.values())
    assert set(headings) == kinds
    assert len(headings) == len(set(headings))


#: Commands about models, which only projects with models have.
MODEL_COMMANDS = ["cli/model_*.py", "cli/opened_models.py"]


@pytest.mark.parametrize(
    ("template", "modules", "others", "least"),
    [
        (STREAMING, ["streaming/*.py", "cli/*.py"], MODEL_COMMANDS, 3),
        (ML, ["models/*.py", "serving/*.py", *MODEL_COMMANDS], [], 2),
    ],
    ids=["streaming", "ml"],
)
def test_every_runbook_that_errors_name_is_in_the_projects_whose_errors_they_are(
    template: Path, modules: list[str], others: list[str], least: int
) -> None:
    left_out = {path for pattern in others for path in LIBRARY.glob(pattern)}
    paths = {path for pattern in modules for path in LIBRARY.glob(pattern)} - left_out
    named = {name for path in paths for name in NAMED.findall(path.read_text(encoding="utf-8"))} | {RUNBOOK}

    assert len(named) >= least
    assert [name for name in sorted(named) if not (project(template) / name).is_file()] == []
