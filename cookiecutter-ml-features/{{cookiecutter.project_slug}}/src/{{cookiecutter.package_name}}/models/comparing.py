"""What became of the households of either side of a comparison, and whether one version was better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
from databricks_utils.medallion import Lakehouse
from databricks_utils.models import Comparison, compare_arms

from {{ cookiecutter.package_name }}.features.registry import TABLES
from {{ cookiecutter.package_name }}.models.assignments import Assignment
from {{ cookiecutter.package_name }}.models.definitions import HORIZON_DAYS, ModelDefinition
from {{ cookiecutter.package_name }}.models.examples import followed
from {{ cookiecutter.package_name }}.models.families import Array


@dataclass(frozen=True)
class Outcomes:
    """A comparison of one model's versions.

    Args:
        model: Its definition.
        happened: By what the households did: `churned`, or what they spent.
        errors: By how wrong the versions were: squared error of the probability, absolute error of the amount.
        waiting: Households whose future is not known yet.
        crossed: Households that both sides have answered for, as a share that changed makes them; they are left out.
        unknown: Households without features, of which neither version knew anything; they are left out.
    """

    model: ModelDefinition
    happened: Comparison
    errors: Comparison
    waiting: int
    crossed: int
    unknown: int


def judged(assignments: Sequence[Assignment], last_day: date) -> tuple[list[Assignment], int, int, int]:
    """Return the assignments that count, one for each household, and how many wait, have crossed, are unknown.

    Args:
        assignments: Of one model in one comparison.
        last_day: The last day whose events are complete.
    """
    arms: dict[int, set[str]] = {}
    for item in assignments:
        arms.setdefault(item.household, set()).add(item.arm)
    first: dict[int, Assignment] = {}
    for item in sorted(assignments, key=lambda item: item.at):
        first.setdefault(item.household, item)
    # Counted back from the end of the data: a moment that a client has chosen may be the last there is.
    over = datetime(last_day.year, last_day.month, last_day.day, tzinfo=timezone.utc) + timedelta(1 - HORIZON_DAYS)
    staying = [item for item in first.values() if len(arms[item.household]) == 1]
    known = [item for item in staying if item.known]
    counted = [item for item in known if item.at <= over]
    return counted, len(known) - len(counted), len(first) - len(staying), len(staying) - len(known)


def outcomes(
    lakehouse: Lakehouse, model: ModelDefinition, assignments: Sequence[Assignment], last_day: date, *, least: int
) -> Outcomes:
    """Hold what either side said against what its households did in the days that followed.

    Args:
        lakehouse: The environment's tables.
        model: Whose versions are compared.
        assignments: Of this model in one comparison.
        last_day: The last day whose events are complete.
        least: Households that either side must have before one of them wins.
    """
    counted, waiting, crossed, unknown = judged(assignments, last_day)
    labels = _labels(lakehouse, model, counted)
    sides: dict[str, tuple[Array, Array]] = {}
    for arm in ("champion", "challenger"):
        own = [item for item in counted if item.arm == arm]
        happened = np.array([labels[item.household] for item in own], dtype=np.float64)
        wrong = happened - np.array([item.score for item in own], dtype=np.float64)
        sides[arm] = happened, wrong**2 if model.kind == "classifier" else np.abs(wrong)
    (happened, errors), (others, other_errors) = sides["champion"], sides["challenger"]
    # Fewer that go are better, and more that is spent.
    better = model.kind == "regressor"
    return Outcomes(
        model,
        compare_arms(happened, others, least=least, greater_is_better=better),
        compare_arms(errors, other_errors, least=least, greater_is_better=False),
        waiting,
        crossed,
        unknown,
    )


def _labels(lakehouse: Lakehouse, model: ModelDefinition, counted: Sequence[Assignment]) -> dict[int, float]:
    if not counted:
        return {}
    rows = [(item.household, item.at) for item in counted]
    base = lakehouse.spark.createDataFrame(rows, "household_id BIGINT, observed_at TIMESTAMP")
    found: Any = followed(lakehouse.read(TABLES[0].source.table), base).select("household_id", model.label).collect()
    return {row["household_id"]: float(row[model.label]) for row in found}
