"""Writes the documents that follow from the template's contracts into the template.

usage: template_docs.py [--check]

A generated project checks them with `docs --check`; this script makes them once for all answers.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from cookiecutter.main import cookiecutter
from databricks_utils.cli.documents import out_of_date, written_documents
from databricks_utils.cli.project import Project

TEMPLATE = Path(__file__).resolve().parent.parent / "cookiecutter-batch-pipeline"
#: Answers that occur nowhere else in the documents, so that they can be put back as answers.
ANSWERS = {
    "project_slug": "slug-of-the-project",
    "package_name": "package_of_the_project",
    "owner_group": "owner-of-it",
}


def main(arguments: list[str]) -> int:
    """Write the documents, or with --check say which are out of date."""
    documents = _template_documents()
    stale = out_of_date(documents)
    for path in stale:
        print(f"{'Out of date' if '--check' in arguments else 'Written'}: {path.name}")
        if "--check" not in arguments:
            path.write_text(documents[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


def _template_documents() -> dict[Path, str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(
            cookiecutter(str(TEMPLATE), no_input=True, accept_hooks=False, extra_context=ANSWERS, output_dir=folder)
        )
        sys.path.insert(0, str(root / "src"))
        project: Project[Any] = importlib.import_module(f"{ANSWERS['package_name']}.__main__").PROJECT
        opened = project.open("local", str(root))
        target = TEMPLATE / "{{cookiecutter.project_slug}}"
        return {
            target / path.relative_to(opened.root): _as_template(text)
            for path, text in written_documents(opened).items()
        }


def _as_template(text: str) -> str:
    for name, answer in ANSWERS.items():
        text = text.replace(answer, "{{ cookiecutter." + name + " }}")
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
