"""The project's command: `uv run {{ cookiecutter.project_slug }} …`, and the entry point of every job task."""

from __future__ import annotations

import sys
from pathlib import Path

from databricks_utils.cli import Project, command_line

from {{ cookiecutter.package_name }}.orchestration.pipeline_definition import PIPELINE

PROJECT = Project(pipeline=PIPELINE, command="{{ cookiecutter.project_slug }}", package_folder=Path(__file__).parent)


def main() -> None:
    """Run the command line with the arguments of this process."""
    sys.exit(command_line(PROJECT, sys.argv[1:]))


if __name__ == "__main__":
    main()
