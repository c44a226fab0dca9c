"""An opened project with its models: what every command about models needs of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

import click

from databricks_utils.cli.project import Opened
from databricks_utils.config import Configuration
from databricks_utils.contracts import Contract
from databricks_utils.features import FeatureRegistry, FeatureStore, last_event_day
from databricks_utils.models import ModelDefinition, ModelProject, ModelRegistry, ModelVersion
from databricks_utils.models.versions import open_model_registry, registered_name, require_champion
from databricks_utils.pipeline import Lakehouse
from databricks_utils.pipeline.lakehouse import namespace_of

_LOG = logging.getLogger(__name__)
#: Stands for all models.
EVERY = "all"


@dataclass(frozen=True)
class OpenedModels:
    """A project whose configuration and contracts are in order, and its models.

    Args:
        opened: The project.
        models: What it says of its models.
    """

    opened: Opened
    models: ModelProject

    @property
    def configuration(self) -> Configuration:
        """The configuration of the environment."""
        return self.opened.configuration

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """The contracts by table."""
        return self.opened.contracts

    @property
    def command(self) -> str:
        """The project's command, after which its experiment is called."""
        return self.opened.project.command

    def lakehouse(self) -> Lakehouse:
        """Start or join the session and return the open lakehouse."""
        return self.opened.lakehouse()

    def registry(self) -> ModelRegistry:
        """Open the registry of the environment."""
        return open_model_registry(self.configuration)

    def features(self) -> FeatureRegistry:
        """Return the definitions of the features.

        Raises:
            InputProblems: Everything wrong with any definition.
        """
        return FeatureRegistry(self.models.tables, self.contracts)

    def store(self) -> FeatureStore:
        """Return the feature tables of the environment."""
        return FeatureStore(namespace_of(self.configuration), self.features())

    def definitions(self) -> Mapping[str, str]:
        """Return the fingerprints of the features of today."""
        return self.models.meanings(self.features())

    def name(self, model: ModelDefinition) -> str:
        """Return catalog.schema.model, under which a model is registered."""
        return registered_name(self.configuration, self.models, model)

    def champion(self, registry: ModelRegistry, model: ModelDefinition) -> ModelVersion:
        """Return the version in use.

        Raises:
            InvalidInput: No version has been promoted yet.
        """
        return require_champion(self.configuration, self.models, registry, model)

    def chosen(self, name: str) -> Sequence[ModelDefinition]:
        """Return the models that a name stands for.

        Raises:
            InvalidInput: It stands for none.
        """
        return self.models.models if name == EVERY else (self.models.model(name),)

    def begun(self, registry: ModelRegistry, models: Sequence[ModelDefinition]) -> Sequence[ModelDefinition]:
        """Return the models of which a version was ever promoted, and tell which are new.

        A model that had a champion and has none is among them: that is a fault, and what follows says so.
        """
        found = tuple(model for model in models if registry.ever_promoted(self.name(model)))
        for model in models:
            if model not in found:
                _LOG.warning("%s is new: no version was ever promoted", model.name, extra={"event": "model_is_new"})
                click.echo(
                    f"{model.name} is new: no version was ever promoted, so nothing is done with it. Next: train, then "
                    f"promote --model {model.name} --approved-by NAME",
                    err=True,
                )
        return found

    def in_use(self, registry: ModelRegistry, name: str, *, unless_new: bool) -> Sequence[ModelDefinition]:
        """Return the models that a name stands for, each with a champion; without new ones where that is wanted.

        Raises:
            InvalidInput: The name stands for no model, or one has no champion.
        """
        models = self.begun(registry, self.chosen(name)) if unless_new else self.chosen(name)
        for model in models:
            self.champion(registry, model)
        return models

    def last_day(self, lakehouse: Lakehouse) -> date:
        """Return the last day that is over: that of the newest event, since deliveries are of whole days."""
        return last_event_day(lakehouse.read(self.models.events), self.store(), self.models.tables[0].name)

    def moment(self, lakehouse: Lakehouse, at: datetime | None) -> datetime:
        """Return the moment wanted, in UTC, or the first one after the last complete day."""
        if at is not None:
            return at.replace(tzinfo=timezone.utc)
        day = self.last_day(lakehouse) + timedelta(1)
        return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
