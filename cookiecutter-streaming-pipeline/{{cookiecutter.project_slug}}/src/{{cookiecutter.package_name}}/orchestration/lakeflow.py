"""The streams as a declarative pipeline: the job's own definition, contracts and functions; alerts stay in the job."""

from __future__ import annotations

from databricks_utils.cli import declare_project

from {{ cookiecutter.package_name }}.__main__ import PROJECT

declare_project(PROJECT)
