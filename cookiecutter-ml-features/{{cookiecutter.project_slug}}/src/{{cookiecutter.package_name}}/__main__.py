"""The project's command: `uv run {{ cookiecutter.project_slug }} …`, and the entry point of every job task."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from databricks_utils.cli import Project, command_line
from databricks_utils.cli.model_commands import feature_pages, model_commands

from {{ cookiecutter.package_name }}.models.project import MODEL_PROJECT
from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE

_PROJECT = Project(pipeline=PIPELINE, command="{{ cookiecutter.project_slug }}", package_folder=Path(__file__).parent)
PROJECT = replace(_PROJECT, commands=model_commands(_PROJECT, MODEL_PROJECT), pages=feature_pages(MODEL_PROJECT))


def main() -> None:
    """Run the command line with the arguments of this process.

    A wheel task counts every SystemExit as a failure, so a good end just returns.
    """
    code = command_line(PROJECT, sys.argv[1:])
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
