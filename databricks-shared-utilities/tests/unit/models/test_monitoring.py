"""What is said of scores when their future is known. Without Spark."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, cast

import numpy as np
import pytest
from little_models import LEAVING, PROJECT, SPENDING

from databricks_utils.config import Configuration
from databricks_utils.errors import InvalidInput
from databricks_utils.features import Drift, array_distributions, measure_drift
from databricks_utils.models import ModelDefinition, ModelVersion
from databricks_utils.models.families import Array
from databricks_utils.models.monitoring import (
    Performance,
    drift_thresholds,
    find_newest,
    judge_scores,
    warn_if_degraded,
)
from databricks_utils.models.page import Watched, render_models

pytest.importorskip("sklearn")

MOMENT = datetime(2017, 11, 1, tzinfo=timezone.utc)
LABEL = np.array([0.0, 1.0] * 10)
#: Scores by what came about: right, as good as chance, and the wrong way round.
RIGHT, CHANCE, WRONG = 0.2 + 0.6 * LABEL, np.repeat([0.4, 0.6], 10), 0.8 - 0.6 * LABEL
SPENT = np.linspace(10, 200, 20)


LIMITS = {
    "performance_minimum_rows": 20,
    "performance_leaving_least_auc": 0.55,
    "performance_leaving_least_skill": 0.0,
    "performance_spending_least_r2": -0.1,
}


class Settings:
    """Stands in for a configuration, of which nothing but parameters is asked."""

    def __init__(self, limits: dict[str, float]) -> None:
        self.parameter = limits.__getitem__


def judged(model: ModelDefinition, label: Array, score: Array, **more: float) -> Performance:
    return judge_scores(cast("Configuration", Settings({**LIMITS, **more})), model, 3, MOMENT, label, score)


@pytest.mark.parametrize(
    ("model", "label", "score", "status", "reasons"),
    [
        (LEAVING, LABEL, RIGHT, "ok", []),
        (LEAVING, LABEL, CHANCE, "degraded", ["auc is 0.5, at least 0.55 is needed"]),
        (
            LEAVING,
            LABEL,
            WRONG,
            "degraded",
            ["auc is 0, at least 0.55 is needed", "skill_high is -1.56, more than 0 is needed"],
        ),
        (LEAVING, LABEL[1:], WRONG[1:], "too few rows", ["fewer than 20 rows"]),
        (LEAVING, np.zeros(20), RIGHT, "too few rows", ["left is 0 in all rows"]),
        (SPENDING, SPENT, SPENT + 5, "ok", []),
        (SPENDING, SPENT, SPENT + 100, "degraded", ["r2 is -2.00752, at least -0.1 is needed"]),
        (SPENDING, SPENT[1:], SPENT[1:] + 100, "too few rows", ["fewer than 20 rows"]),
        (SPENDING, np.zeros(20), SPENT, "too few rows", ["spent is 0 in all rows"]),
    ],
    ids=[
        "right",
        "by chance",
        "wrong",
        "few",
        "all alike",
        "amounts",
        "amounts far off",
        "few amounts",
        "nothing spent",
    ],
)
def test_scores_are_judged_by_what_came_true(
    model: ModelDefinition, label: Array, score: Array, status: str, reasons: list[str]
) -> None:
    found = judged(model, label, score)

    assert (found.status, list(found.reasons)) == (status, reasons)
    assert (found.model, found.version, found.observed_at, found.entities) == (model.name, 3, MOMENT, len(label))


def test_the_configuration_says_from_where_on_a_model_is_degraded() -> None:
    assert judged(LEAVING, LABEL, CHANCE, performance_leaving_least_auc=0.5).status == "ok"
    assert judged(LEAVING, LABEL, RIGHT, performance_leaving_least_skill=0.9).status == "degraded"
    assert judged(SPENDING, SPENT, SPENT + 100, performance_spending_least_r2=-3.0).status == "ok"
    assert judged(LEAVING, LABEL, WRONG, performance_minimum_rows=21).status == "too few rows"


@pytest.mark.parametrize("value", ["many", -1, 0.5, True, math.nan])
def test_a_parameter_that_is_no_number_is_named(value: Any) -> None:
    def limits(**more: Any) -> Configuration:
        return cast("Configuration", Settings({"drift_psi": 0.2, "drift_effect": 0.2, "drift_minimum_rows": 9, **more}))

    with pytest.raises(InvalidInput, match=r"config: parameters\.performance_minimum_rows"):
        judged(LEAVING, LABEL, RIGHT, performance_minimum_rows=value)
    with pytest.raises(InvalidInput, match=r"config: parameters\.drift_minimum_rows"):
        drift_thresholds(limits(drift_minimum_rows=value))
    if value not in (-1, 0.5):
        with pytest.raises(InvalidInput, match="drift, psi"):
            drift_thresholds(limits(drift_psi=value))
        with pytest.raises(InvalidInput, match="gate auc, at_least"):
            judged(LEAVING, LABEL, RIGHT, performance_leaving_least_auc=value)


def test_what_counts_is_the_newest_moment_of_the_version_in_use() -> None:
    old, new = (
        judged(LEAVING, LABEL, WRONG),
        replace(judged(LEAVING, LABEL, RIGHT), observed_at=MOMENT.replace(month=12)),
    )
    of_another = replace(judged(LEAVING, LABEL, WRONG), version=4, observed_at=MOMENT.replace(year=2018))

    assert find_newest([new, old, of_another], 3) is new
    assert find_newest([new, old], 5) is None


def test_a_degraded_champion_is_a_warning_and_others_are_not(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("databricks_utils")
    logger.addHandler(caplog.handler)
    try:
        for lately in (None, judged(LEAVING, LABEL, RIGHT), judged(LEAVING, LABEL[1:], WRONG[1:])):
            warn_if_degraded(lately)
        assert caplog.records == []

        warn_if_degraded(judged(LEAVING, LABEL, WRONG))
    finally:
        logger.removeHandler(caplog.handler)

    record = caplog.records[-1]
    assert record.levelname == "WARNING"
    assert "guest_leaving version 3 is degraded: 2017-11-01, 20 scores: auc is 0" in record.getMessage()
    assert (record.__dict__["event"], record.__dict__["model"]) == ("model_degraded", LEAVING.name)


def watched_of(features: Sequence[Drift], **more: Any) -> Watched:
    scores = array_distributions({"score": RIGHT})
    found = Watched(
        model=LEAVING,
        champion=ModelVersion("c.gold.guest_leaving", 3, "run", "", {"test_auc": 0.9}, {}),
        challenger=None,
        importance='{"visits": 0.1}',
        explanations="[]",
        curves='{"points": [[0.2, 0.0], [0.8, 1.0]], "test_moment": "2017-11-01"}',
        features=features,
        predictions=measure_drift(scores, scores),
        before=scores["score"],
        now=scores["score"],
        performance=[],
    )
    return replace(found, **more)


def test_the_page_marks_what_is_degraded_and_says_why() -> None:
    scores = array_distributions({"score": RIGHT})
    results = [judged(LEAVING, LABEL, RIGHT), judged(LEAVING, LABEL, CHANCE), judged(LEAVING, LABEL[1:], WRONG[1:])]
    watched = watched_of(measure_drift(scores, scores), performance=results)

    page = render_models(PROJECT, "Models", "", [watched], 0.2)

    assert page.count("<td>ok</td>") == 1
    assert page.count("<td class=bad>degraded: auc is 0.5, at least 0.55 is needed</td>") == 1
    assert page.count("<td>too few rows: fewer than 20 rows</td>") == 1


def test_the_page_names_every_feature_that_has_drifted_though_the_chart_has_room_for_fifteen() -> None:
    """A feature may drift by its share of NULL, or its mean, and have one of the smallest indices."""
    steady = [Drift(f"steady_{n}", "stable", 2000, 2000, 0.1, 0.0, 0.0, 0.0) for n in range(20)]
    hidden = Drift(
        "hidden", "drifted", 2000, 2000, 0.01, 0.0, 0.0, 0.06, ("share of NULL changed by 0.06, limit 0.05",)
    )

    page = render_models(PROJECT, "Models", "", [watched_of([*steady, hidden])], 0.2)

    assert "<td>hidden</td><td>share of NULL changed by 0.06, limit 0.05</td>" in page
    assert "Drifted: 1 of 21." in page


def test_the_page_gives_numbers_with_their_intervals_in_one_column() -> None:
    version = ModelVersion("c.gold.guest_leaving", 3, "run", "", {"auc": 0.9, "auc_low": 0.85, "auc_high": 0.93}, {})

    page = render_models(PROJECT, "Models", "", [watched_of([], champion=version)], 0.2)

    assert "<td class=number>0.9 (0.85 to 0.93)</td>" in page
    assert "<th>auc_low</th>" not in page


def test_the_page_says_of_which_month_the_calibration_is() -> None:
    """Said of the test month, `came true` would be taken for what has become of today's scores."""
    page = render_models(PROJECT, "Models", "", [watched_of([])], 0.2)
    old = render_models(PROJECT, "Models", "", [watched_of([], curves='{"points": [[0.2, 0.0]]}')], 0.2)

    assert "Predicted and observed in the test month" in page
    assert "guests of the 30 days from 2017-11-01, which this version had not seen" in page
    assert "guests of its test month, which" in old
    assert "came true</text>" not in page
