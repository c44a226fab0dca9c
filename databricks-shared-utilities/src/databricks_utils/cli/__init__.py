"""The command line of a generated project: one surface for laptops, CI and job tasks."""

from __future__ import annotations

from databricks_utils.cli.commands import command_line
from databricks_utils.cli.declarative import declare_project
from databricks_utils.cli.options import opened_with, project_options
from databricks_utils.cli.project import Opened, Project
from databricks_utils.cli.refusal import tell_uncaught

__all__ = ["Opened", "Project", "command_line", "declare_project", "opened_with", "project_options"]

tell_uncaught()
