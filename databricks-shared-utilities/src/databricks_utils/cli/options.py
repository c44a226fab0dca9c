"""The options that every command has which opens a project, and the project they open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from databricks_utils.cli import actions
from databricks_utils.cli.project import Opened, Project, default_environment
from databricks_utils.errors import InvalidInput

SCHEMA_OPTIONS = ("bronze", "silver", "gold", "operations")


def project_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options by which jobs and people say which environment it works on.

    The function takes them as keywords and hands them to `opened_with`.
    """
    options = [
        click.option(
            "--env",
            "environment",
            default=default_environment,
            help="Environment in config/ (default: local).",
        ),
        click.option("--project", "folder", default=None, help="Folder of the project (default: found from here)."),
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set a configuration value."),
        click.option("--catalog", default=None, help="Catalog, instead of the configuration's."),
        *[
            click.option(f"--schema-{layer}", default=None, help=f"Schema of the {layer} layer.")
            for layer in SCHEMA_OPTIONS
        ],
        click.option("--debug", is_flag=True, help="Show a traceback for unexpected errors."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def opened_with(project: Project[Any], options: dict[str, Any], *, writes: bool = False) -> Opened:
    """Read and check a project as the options of `project_options` say.

    Args:
        project: The project.
        options: Values of the options.
        writes: The command writes files of the project, and so only into the folder it is called in, or that is named.

    Raises:
        InvalidInput: A setting is not KEY=VALUE, or something in the project is wrong.
    """
    overrides = dict(pairs(options["settings"], "--set", "quality.minimum_score=0.9"))
    if options["catalog"]:
        overrides["catalog"] = options["catalog"]
    for layer in SCHEMA_OPTIONS:
        if options[f"schema_{layer}"]:
            overrides[f"schemas.{layer}"] = options[f"schema_{layer}"]
    folder = options["folder"] or (str(Path.cwd()) if writes else None)
    return actions.opened(project, folder, options["environment"], overrides)


def pairs(texts: Iterable[str], option: str, example: str) -> list[tuple[str, str]]:
    """Return the values of an option that is given as KEY=VALUE, as often as one likes.

    Args:
        texts: The values.
        option: The option, for messages.
        example: A right value, likewise.

    Raises:
        InvalidInput: A value is not KEY=VALUE.
    """
    found = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidInput(f"{option} {text!r} is not KEY=VALUE", hint=f"Write for example {option} {example}")
        found.append((key, value))
    return found
