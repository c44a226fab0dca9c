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


@pytest.mark.parametrize(("template", "rooms"), [(STREAMING, ["streaming", "cli"])], ids=["streaming"])
def test_every_runbook_that_errors_name_is_in_the_projects_whose_errors_they_are(
    template: Path, rooms: list[str]
) -> None:
    texts = [path.read_text(encoding="utf-8") for room in rooms for path in sorted((LIBRARY / room).rglob("*.py"))]
    named = {name for text in texts for name in NAMED.findall(text)} | {RUNBOOK}

    assert len(named) >= 3
    assert [name for name in sorted(named) if not (project(template) / name).is_file()] == []
