"""The models of the project: what each predicts, what it must show, who answers for it."""

from __future__ import annotations

from databricks_utils.models import Gate, ModelDefinition

#: Days that a prediction looks ahead.
HORIZON_DAYS = 30
#: Days without a visit after which a household is no longer asked about.
ACTIVE_DAYS = 90

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
    greater_label="worse",
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
    greater_label="better",
    purpose=f"Money (USD) that an active household spends in the next {HORIZON_DAYS} days. For plans, not for bills.",
    limits=("Rare large purchases are underestimated.",),
    amount_unit="USD",
)

MODELS = (CHURN, SPEND)
