"""Why a model predicts what it predicts: the share of each feature in a prediction, and over many of them.

Shares are SHAP values: for each row they add up, with a base, to the raw prediction.
Source: Lundberg et al., From local explanations to global understanding with explainable AI for trees, 2020.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from databricks_utils.models.families import Array, Contributions


@dataclass(frozen=True)
class Weight:
    """How much a feature counts over many rows.

    Args:
        feature: Its name.
        contribution: Mean of the absolute SHAP values, in units of the raw prediction: log odds, or an amount.
        direction: Correlation of the feature's values with its contributions, -1 to 1: above 0, more of it raises
            predictions. 0 where it does not vary.
    """

    feature: str
    contribution: float
    direction: float


@dataclass(frozen=True)
class Reason:
    """What one feature adds to one prediction.

    Args:
        feature: Its name.
        value: Of the row, None where it is not known.
        contribution: What it adds, in units of the raw prediction.
    """

    feature: str
    value: float | None
    contribution: float


def weigh_features(contributions: Contributions, features: Array, names: Sequence[str]) -> list[Weight]:
    """Return what features count for over all rows, greatest first.

    Args:
        contributions: Of the rows.
        features: Rows by features.
        names: Names of the features.
    """
    means = np.abs(contributions.values).mean(axis=0) if len(features) else np.zeros(len(names))
    found = [
        Weight(name, float(means[place]), _direction(features[:, place], contributions.values[:, place]))
        for place, name in enumerate(names)
    ]
    return sorted(found, key=lambda weight: -weight.contribution)


def find_reasons(
    contributions: Contributions, features: Array, names: Sequence[str], *, most: int
) -> list[list[Reason]]:
    """Return for each row what moves its prediction most, greatest first; features that add nothing are left out.

    Args:
        contributions: Of the rows.
        features: Rows by features.
        names: Names of the features.
        most: How many for each row.
    """
    order = np.argsort(-np.abs(contributions.values), axis=1, kind="stable")[:, :most]
    return [
        [
            Reason(names[place], None if np.isnan(row[place]) else float(row[place]), float(added[place]))
            for place in places
            if added[place]
        ]
        for places, row, added in zip(order, features, contributions.values, strict=True)
    ]


def weights_to_json(weights: Sequence[Weight], losses: Mapping[str, float]) -> str:
    """Return the artifact of a training: weights, and beside each the loss when the feature is shuffled."""
    return json.dumps([asdict(weight) | {"loss_when_shuffled": losses[weight.feature]} for weight in weights])


def _direction(values: Array, contributions: Array) -> float:
    known = ~np.isnan(values)
    held, added = values[known], contributions[known]
    if len(held) < 2 or not held.std() or not added.std():
        return 0.0
    return float(np.corrcoef(held, added)[0, 1])
