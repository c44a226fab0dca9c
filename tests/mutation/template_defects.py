"""Defects that show before anything is baked, or keep a project from being baked."""

from __future__ import annotations

from checks import templates
from mutation.defect import PROJECT, TEMPLATE, Defect

DEFECTS = {
    "broken copy of a hook": Defect(
        f"{TEMPLATE}/hooks/pre_gen_project.py",
        "return 1",
        "return 0",
        templates.differing_copies,
        f"{TEMPLATE}/hooks/pre_gen_project.py:",
        "make sync",
        of_template=True,
    ),
    "project file that drifts from the shared one": Defect(
        f"{PROJECT}/Makefile",
        "uv run pytest --cov",
        "uv run pytest",
        templates.differing_copies,
        f"{PROJECT}/Makefile:",
        "make sync",
        of_template=True,
    ),
    "shared project file that a template lacks": Defect(
        f"{PROJECT}/SECURITY.md",
        "",
        None,
        templates.differing_copies,
        f"{PROJECT}/SECURITY.md:",
        "make sync",
        of_template=True,
    ),
    "choice that no hook knows": Defect(
        f"{TEMPLATE}/cookiecutter.json",
        '["azure", "aws", "gcp"]',
        '["azure", "aws", "gcp", "on-premises"]',
        templates.unchecked_answers,
        f"{TEMPLATE}/cookiecutter.json: cloud",
        "on-premises",
        of_template=True,
    ),
    "another encoding": Defect(
        f"{PROJECT}/SECURITY.md",
        "",
        "# Reporting\n\ncaf\u00e9\n".encode("latin-1"),
        templates.foreign_encodings,
        f"{PROJECT}/SECURITY.md:3:",
        "is not UTF-8",
        of_template=True,
    ),
    "file that a hook names and nobody has": Defect(
        f"{PROJECT}/azure-pipelines.yml",
        "",
        None,
        templates.failed_generation,
        "The template lacks a file",
        "azure-pipelines.yml",
        of_template=True,
    ),
    "broken Jinja": Defect(
        f"{PROJECT}/bundle.yml",
        'cookiecutter.compute == "serverless"',
        'cookiecutter.compute = "serverless"',
        templates.failed_generation,
        "",
        "bundle.yml",
        of_template=True,
    ),
}
