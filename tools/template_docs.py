"""Writes the documents that follow from the templates' contracts into the templates.

usage: template_docs.py [--check]

A generated project checks them with `docs --check`; this script makes them once for all answers.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import sync
from cookiecutter.main import cookiecutter
from databricks_utils.cli.documents import out_of_date, written_documents
from databricks_utils.cli.project import Project

ROOT = Path(__file__).resolve().parent.parent
#: Answers that occur nowhere else in the documents, so that they can be put back as answers.
ANSWERS = {
    "project_slug": "slug-of-the-project",
    "package_name": "package_of_the_project",
    "owner_group": "owner-of-it",
}


def main(arguments: list[str]) -> int:
    """Write the documents, or with --check say which are out of date."""
    documents = {
        path: text for template in sync.templates_of(ROOT) for path, text in _template_documents(template).items()
    }
    stale = out_of_date(documents)
    for path in stale:
        print(f"{'Out of date' if '--check' in arguments else 'Written'}: {path.relative_to(ROOT)}")
        if "--check" not in arguments:
            path.write_text(documents[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


def _template_documents(template: Path) -> dict[Path, str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(
            cookiecutter(str(template), no_input=True, accept_hooks=False, extra_context=ANSWERS, output_dir=folder)
        )
        project = _project(root)
        opened = project.open("local", str(root))
        target = template / "{{cookiecutter.project_slug}}"
        # The job is the template's own text, with choices in it; a project's lint checks its tasks.
        return {
            target / path.relative_to(opened.root): _as_template(text)
            for path, text in written_documents(opened).items()
            if path.is_relative_to(opened.root / "docs")
        }


def _project(root: Path) -> Project[Any]:
    """Import a baked project; the one before it had the same name, and is forgotten."""
    package = ANSWERS["package_name"]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    sys.path.insert(0, str(root / "src"))
    try:
        project: Project[Any] = importlib.import_module(f"{package}.__main__").PROJECT
    finally:
        sys.path.pop(0)
    return project


def _as_template(text: str) -> str:
    for name, answer in ANSWERS.items():
        text = text.replace(answer, "{{ cookiecutter." + name + " }}")
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
