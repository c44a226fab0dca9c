"""A project as the command line sees it: its pipeline, its folders, its environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import click
from typing_extensions import TypeVar

from databricks_utils.cli.kind import Kind, kind_of
from databricks_utils.config import Configuration, load_configuration
from databricks_utils.contracts import Contract, read_contracts
from databricks_utils.data_quality import row_rules, table_rules
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError
from databricks_utils.medallion import Pipeline
from databricks_utils.observability import configure_metrics, configure_tracing
from databricks_utils.pipeline import Lakehouse
from databricks_utils.pipeline.arguments import argument_problems
from databricks_utils.session import create_session
from databricks_utils.session.keeping import FOLDER
from databricks_utils.streaming import StreamPipeline

#: A file every project has at its root.
MARKER = "bundle.yml"
#: Sources of streams that need the Kafka connector.
BROKERS = ("kafka", "event_hubs")

AnyPipeline = TypeVar("AnyPipeline", bound=Pipeline | StreamPipeline, default=Pipeline)


@dataclass(frozen=True)
class Project(Generic[AnyPipeline]):
    """What a generated project hands to the command line.

    Args:
        pipeline: The pipeline definition.
        command: Name of the command, as the user types it.
        package_folder: Folder of the project's package; the root is looked for above it.
        commands: Commands of the project's own, beside those that every project has.
        pages: Gives the pages of the project's own, Markdown by file name; `docs` writes them into `docs/` beside those
            that every project has.
    """

    pipeline: AnyPipeline
    command: str
    package_folder: Path
    commands: tuple[click.Command, ...] = ()
    pages: Callable[[Opened], Mapping[str, str]] | None = None

    @property
    def kind(self) -> Kind:
        """What the command line does with a pipeline of this kind."""
        return kind_of(self.pipeline)

    def root(self, given: str | None = None) -> Path:
        """Return the folder with `bundle.yml`, `config/` and `contracts/`.

        Args:
            given: The folder, where the caller knows it, as a job's parameter does.

        Raises:
            InvalidInput: There is no project at or above the places looked at.
        """
        starts = [Path(given)] if given else [Path.cwd(), self.package_folder]
        for start in starts:
            for folder in (start, *start.parents):
                if (folder / MARKER).is_file() and (folder / "config").is_dir():
                    return folder.resolve()
        raise InvalidInput(
            "This is not a project folder: no bundle.yml with config/ beside it",
            where=str(starts[0]),
            hint="Change into the project's folder, or name it with --project",
        )

    def open(self, environment: str | None = None, folder: str | None = None, **overrides: str) -> Opened:
        """Read and check configuration and contracts, for a notebook or a script.

        Args:
            environment: Name of a file in `config/`; LAKEHOUSE_ENV or `local` by default.
            folder: Folder of the project, where it cannot be found from here.
            overrides: Configuration values.
        """
        return open_project(self, folder=folder, environment=environment or default_environment(), overrides=overrides)


@dataclass(frozen=True)
class Opened:
    """A project whose configuration and contracts have been read and found in order."""

    project: Project[Any]
    root: Path
    configuration: Configuration
    contracts: Mapping[str, Contract]

    @property
    def jar_groups(self) -> tuple[str, ...]:
        """Return the groups of locked jars that a Spark on this machine needs."""
        return ("delta", "kafka") if self.configuration.streaming.source in BROKERS else ("delta",)

    def lakehouse(self) -> Lakehouse:
        """Start or join the session and return the open lakehouse."""
        storage = self.configuration.storage
        warehouse = Path(storage.warehouse) if storage.warehouse else None
        configure_tracing(self.configuration.telemetry)
        configure_metrics(self.configuration.telemetry)
        spark = create_session(
            self.configuration.spark,
            self.project.command,
            warehouse=warehouse,
            short_lived=self.configuration.spark.short_runs,
            jar_groups=self.jar_groups,
            kept=self.root / FOLDER,
        )
        return Lakehouse(spark, self.configuration, self.contracts)


def open_project(
    project: Project[Any], *, folder: str | None, environment: str, overrides: Mapping[str, str]
) -> Opened:
    """Read configuration and contracts, and compare the contracts with the pipeline.

    Raises:
        InputProblems: Everything wrong in any of them, in one block.
    """
    root = project.root(folder)
    problems: list[LakehouseError] = []
    configuration: Configuration | None = None
    contracts: Mapping[str, Contract] = {}
    try:
        configuration = load_configuration(root / "config", environment, overrides)
    except InvalidInput as error:
        problems += _single(error)
    try:
        contracts = read_contracts(root / "contracts")
        problems += _impossible_rules(contracts)
        if configuration is not None:
            problems += argument_problems(project.pipeline.definitions, configuration)
        project.kind.require_agreement(contracts)
    except InvalidInput as error:
        problems += _single(error)
    if problems or configuration is None:
        raise InputProblems(problems)
    return Opened(project, root, configuration, contracts)


def _impossible_rules(contracts: Mapping[str, Contract]) -> list[LakehouseError]:
    """Return what is wrong with the rules themselves, which would otherwise show when their table is computed."""
    problems: list[LakehouseError] = []
    for contract in contracts.values():
        for compiled in (row_rules, table_rules):
            try:
                compiled(contract)
            except InvalidInput as error:
                problems += _single(error)
    return list({str(problem): problem for problem in problems}.values())


def default_environment() -> str:
    """Return the environment named by LAKEHOUSE_ENV, or `local`."""
    return os.environ.get("LAKEHOUSE_ENV", "local")


def _single(error: InvalidInput) -> list[LakehouseError]:
    return list(error.problems) if isinstance(error, InputProblems) else [error]
