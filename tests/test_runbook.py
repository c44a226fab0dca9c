"""Every kind of failure that a run can report has its section in the runbook that the error names."""

from __future__ import annotations

import re

from baking import ROOT
from databricks_utils.medallion.failure import KINDS, OWN, RUNBOOK, UNKNOWN

PROJECT = ROOT / "cookiecutter-batch-pipeline" / "{{cookiecutter.project_slug}}"


def test_each_kind_of_failure_has_a_section_of_the_runbook() -> None:
    headings = re.findall(r"^### (\S+)$", (PROJECT / RUNBOOK).read_text(encoding="utf-8"), re.MULTILINE)

    kinds = {kind.name for kind in (*KINDS, UNKNOWN)} | set(OWN.values())
    assert set(headings) == kinds
    assert len(headings) == len(set(headings))
