"""What became of the entities of either side of a comparison, and whether one version was better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np

from databricks_utils.models import Comparison, ModelDefinition, ModelProject, compare_arms
from databricks_utils.models.families import Array
from databricks_utils.pipeline import Lakehouse
from databricks_utils.serving.assignments import Assignment


@dataclass(frozen=True)
class Outcomes:
    """A comparison of one model's versions.

    Args:
        model: Its definition.
        happened: By the labels that came about.
        errors: By how wrong the versions were: squared error of the probability, absolute error of the amount.
        waiting: Entities whose future is not known yet.
        crossed: Entities that both sides have answered for, as a share that changed makes them; they are left out.
        unknown: Entities without features, of which neither version knew anything; they are left out.
    """

    model: ModelDefinition
    happened: Comparison
    errors: Comparison
    waiting: int
    crossed: int
    unknown: int


def select_assignments(
    assignments: Sequence[Assignment], horizon_days: int, last_day: date
) -> tuple[list[Assignment], int, int, int]:
    """Return the assignments that count, one for each entity, and how many wait, have crossed, are unknown.

    Args:
        assignments: Of one model in one comparison.
        horizon_days: Days after an answer in which its label comes about.
        last_day: The last day whose events are complete.
    """
    arms: dict[int, set[str]] = {}
    for item in assignments:
        arms.setdefault(item.entity, set()).add(item.arm)
    first: dict[int, Assignment] = {}
    for item in sorted(assignments, key=lambda item: item.at):
        first.setdefault(item.entity, item)
    # Counted back from the end of the data: a moment that a client has chosen may be the last there is.
    over = datetime(last_day.year, last_day.month, last_day.day, tzinfo=timezone.utc) + timedelta(1 - horizon_days)
    staying = [item for item in first.values() if len(arms[item.entity]) == 1]
    known = [item for item in staying if item.known]
    counted = [item for item in known if item.at <= over]
    return counted, len(known) - len(counted), len(first) - len(staying), len(staying) - len(known)


def compare_versions(
    lakehouse: Lakehouse,
    project: ModelProject,
    model: ModelDefinition,
    assignments: Sequence[Assignment],
    last_day: date,
    *,
    least: int,
) -> Outcomes:
    """Hold what either side answered against what came about for its entities in the days that followed.

    Args:
        lakehouse: The environment's tables.
        project: Whose events and outcomes count.
        model: Whose versions are compared.
        assignments: Of this model in one comparison.
        last_day: The last day whose events are complete.
        least: Entities that either side must have before one of them wins.
    """
    counted, waiting, crossed, unknown = select_assignments(assignments, project.horizon_days, last_day)
    labels = _labels(lakehouse, project, model, counted)
    sides: dict[str, tuple[Array, Array]] = {}
    for arm in ("champion", "challenger"):
        own = [item for item in counted if item.arm == arm]
        happened = np.array([labels[item.entity] for item in own], dtype=np.float64)
        wrong = happened - np.array([item.score for item in own], dtype=np.float64)
        sides[arm] = happened, wrong**2 if model.kind == "classifier" else np.abs(wrong)
    (happened, errors), (others, other_errors) = sides["champion"], sides["challenger"]
    better = model.greater_label == "better"
    return Outcomes(
        model,
        compare_arms(happened, others, least=least, greater_is_better=better),
        compare_arms(errors, other_errors, least=least, greater_is_better=False),
        waiting,
        crossed,
        unknown,
    )


def _labels(
    lakehouse: Lakehouse, project: ModelProject, model: ModelDefinition, counted: Sequence[Assignment]
) -> dict[int, float]:
    if not counted:
        return {}
    rows = [(item.entity, item.at) for item in counted]
    base = lakehouse.spark.createDataFrame(rows, f"{project.key} BIGINT, observed_at TIMESTAMP")
    labels = project.outcomes(lakehouse.read(project.events), base).select(project.key, model.label)
    found: Any = labels.collect()
    return {row[project.key]: float(row[model.label]) for row in found}
