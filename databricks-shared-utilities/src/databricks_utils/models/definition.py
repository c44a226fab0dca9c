"""What a project says of its models: what each predicts and must show, and what all of them learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from databricks_utils.errors import InvalidInput
from databricks_utils.models.families import FAMILIES, Family, Kind
from databricks_utils.models.gates import Gate

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from databricks_utils.features import FeatureRegistry, FeatureTable

#: Gives a parameter of the configuration by its name.
Parameter = Callable[[str], Any]
#: What a greater value of a label means to the business.
Outcome = Literal["better", "worse"]


@dataclass(frozen=True)
class ModelDefinition:
    """A model as its author says it is.

    Args:
        name: Last part of catalog.schema.model.
        label: Column of the examples that it predicts.
        kind: `classifier` predicts a probability, `regressor` an amount.
        gates: What a version must show before it may take over; its limits are the configuration's parameters.
        alarms: What its scores must show when their future is known; where they do not, the model is trained anew.
        headline: The metric that the search makes as great, or as small, as it can.
        greater_is_better: Which of the two.
        greater_label: Whether it is better or worse if more of the label comes about: `compare` finds a winner by it.
        purpose: What it is for, and what not.
        limits: What is known to go wrong.
        amount_unit: Unit of a regressor's amounts, such as USD.
        label_version: Raised by whoever changes how the label is counted.
    """

    name: str
    label: str
    kind: Kind
    gates: Callable[[Parameter], tuple[Gate, ...]]
    alarms: Callable[[Parameter], tuple[Gate, ...]]
    headline: str
    greater_is_better: bool
    greater_label: Outcome
    purpose: str
    limits: tuple[str, ...] = ()
    amount_unit: str = ""
    label_version: int = 1

    @property
    def unit(self) -> str:
        """What contributions of features to its predictions are counted in."""
        return "log odds" if self.kind == "classifier" else self.amount_unit


@dataclass(frozen=True)
class ModelProject:
    """All models of a project: they are about the same entities, and learn from the same features and examples.

    Args:
        key: Column that names an entity in features, examples and scores, such as `household_id`; BIGINT.
        entities: What they are called in messages and on pages, such as `households`.
        tables: Feature tables, in the order in which their columns are learned from. An entity is known while it has
            a valid row in the first one, whose source holds the events.
        models: The models.
        horizon_days: Days that a prediction looks ahead.
        moments: Takes the days of the first and the last event, and returns the moments, in UTC, of examples with a
            full past and a full future.
        population: Takes events and moments, and returns (key, observed_at TIMESTAMP): the entities that are scored.
        examples: Takes events and moments with a known future, and returns (key, observed_at, labels).
        outcomes: Takes events and (key, observed_at), and returns (key, observed_at, labels) of moments that differ by
            entity.
        scores: Table of the scores, as `layer.table`.
        about: Whom labels are about, in words, such as `households active for 90 days`: whoever changes the population
            changes what a label means.
        families: What can learn, by the name that the parameter `model_family` has.
    """

    key: str
    entities: str
    tables: tuple[FeatureTable, ...]
    models: tuple[ModelDefinition, ...]
    horizon_days: int
    moments: Callable[[date, date], list[datetime]]
    population: Callable[[DataFrame, Sequence[datetime]], DataFrame]
    examples: Callable[[DataFrame, Sequence[datetime]], DataFrame]
    outcomes: Callable[[DataFrame, DataFrame], DataFrame]
    scores: str
    about: str
    families: Mapping[str, Family] = field(default_factory=lambda: FAMILIES)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features, in the order in which models take them."""
        return tuple(column for table in self.tables for column in table.columns)

    def label_meaning(self, model: ModelDefinition) -> dict[str, str]:
        """Return what a label means, under a name of its own; a version keeps it beside the meanings of its features.

        One that has learned what happens in 30 days would be measured by, and compared with, what happens in 60.
        """
        ahead = f"{self.horizon_days} days ahead"
        return {f"label {model.label}": f"{model.kind}, {ahead}, of {self.about}, version {model.label_version}"}

    def meanings(self, features: FeatureRegistry) -> dict[str, str]:
        """Return what features and labels mean today, as a version notes what they meant when it learned."""
        found = features.fingerprints(self.columns)
        for model in self.models:
            found |= self.label_meaning(model)
        return found

    @property
    def events(self) -> str:
        """Table of the events that examples are made from, as `layer.table`."""
        return self.tables[0].source.table

    def model(self, name: str) -> ModelDefinition:
        """Return a model.

        Raises:
            InvalidInput: There is none of that name.
        """
        for model in self.models:
            if model.name == name:
                return model
        known = ", ".join(model.name for model in self.models)
        raise InvalidInput(f"There is no model {name!r}", where="--model", hint=f"Known: {known}")
