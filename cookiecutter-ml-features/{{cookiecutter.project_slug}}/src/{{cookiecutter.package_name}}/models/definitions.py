"""The models of the project: what each predicts, what it must show, who answers for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from databricks_utils.errors import InvalidInput
from databricks_utils.models import Gate

#: Days that a prediction looks ahead.
HORIZON_DAYS = 30
#: Days without a visit after which a household is no longer asked about.
ACTIVE_DAYS = 90


#: What a model predicts: a probability, or an amount.
Kind = Literal["classifier", "regressor"]
#: Gives a parameter of the configuration by its name.
Parameter = Callable[[str], Any]


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
        purpose: What it is for, and what not.
        limits: What is known to go wrong.
        label_version: Raised by whoever changes what the label means: how models/examples.py counts it.
    """

    name: str
    label: str
    kind: Kind
    gates: Callable[[Parameter], tuple[Gate, ...]]
    alarms: Callable[[Parameter], tuple[Gate, ...]]
    headline: str
    greater_is_better: bool
    purpose: str
    limits: tuple[str, ...] = ()
    label_version: int = 1

    @property
    def unit(self) -> str:
        """What contributions of features to its predictions are counted in."""
        return "log odds" if self.kind == "classifier" else "USD"

    @property
    def learned(self) -> dict[str, str]:
        """What the label means, under a name of its own; a version keeps it beside the meanings of its features.

        One that has learned what happens in 30 days would be measured by, and compared with, what happens in 60.
        """
        ahead, active = f"{HORIZON_DAYS} days ahead", f"of households active for {ACTIVE_DAYS} days"
        return {f"label {self.label}": f"{self.kind}, {ahead}, {active}, version {self.label_version}"}


CHURN = ModelDefinition(
    name="household_churn",
    label="churned",
    kind="classifier",
    gates=lambda limit: (
        # Few households of either kind, and every number below is chance.
        Gate("test_positives", at_least=limit("churn_least_positives")),
        Gate("test_negatives", at_least=limit("churn_least_positives")),
        # Against the champion a little loss is allowed, since the test months of two trainings differ.
        Gate("test_auc", at_least=limit("churn_least_auc"), gain=-0.02),
        Gate("test_auc_low", above=limit("churn_least_auc_low")),
        # No limit on the Brier score itself: where few churn, a constant has a small one.
        Gate("test_skill_low", above=limit("churn_least_skill")),
        Gate(
            "test_auc",
            too_good=limit("churn_too_good_auc"),
            acknowledged=limit("churn_acknowledged_version"),
            acknowledge_in="parameters.churn_acknowledged_version",
        ),
    ),
    alarms=lambda limit: (
        Gate("auc", at_least=limit("performance_churn_least_auc")),
        # Of one month the upper end: the lower one alone would be below 0 in many a month by chance.
        Gate("skill_high", above=limit("performance_churn_least_skill")),
    ),
    headline="auc",
    greater_is_better=True,
    purpose=f"Probability that an active household buys nothing in the next {HORIZON_DAYS} days. Not for prices.",
    limits=("Holidays and moves look like churn.", f"Says nothing of households away for {ACTIVE_DAYS} days."),
)

SPEND = ModelDefinition(
    name="household_spend",
    label="next_spend",
    kind="regressor",
    gates=lambda limit: (
        Gate("test_r2_low", above=limit("spend_least_r2")),
        Gate(
            "test_r2",
            too_good=limit("spend_too_good_r2"),
            acknowledged=limit("spend_acknowledged_version"),
            acknowledge_in="parameters.spend_acknowledged_version",
        ),
        Gate("test_mae", gain=-5.0, greater_is_better=False),
    ),
    alarms=lambda limit: (Gate("r2", at_least=limit("performance_spend_least_r2")),),
    headline="mae",
    greater_is_better=False,
    purpose=f"Money (USD) that an active household spends in the next {HORIZON_DAYS} days. For plans, not for bills.",
    limits=("Rare large purchases are underestimated.",),
)

MODELS = (CHURN, SPEND)


def model_named(name: str) -> ModelDefinition:
    """Return a model.

    Raises:
        InvalidInput: There is none of that name.
    """
    for model in MODELS:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in MODELS)
    raise InvalidInput(f"There is no model {name!r}", where="--model", hint=f"Known: {known}")
