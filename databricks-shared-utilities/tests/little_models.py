"""Two little models: one says whether something comes about, one how much of it."""

from __future__ import annotations

from databricks_utils.models import Gate, ModelDefinition

LEAVING = ModelDefinition(
    name="guest_leaving",
    label="left",
    kind="classifier",
    gates=lambda limit: (Gate("test_auc", at_least=limit("leaving_least_auc")),),
    alarms=lambda limit: (
        Gate("auc", at_least=limit("performance_leaving_least_auc")),
        Gate("skill_high", above=limit("performance_leaving_least_skill")),
    ),
    headline="auc",
    greater_is_better=True,
    greater_label="worse",
    purpose="Probability that a guest stays away.",
)
SPENDING = ModelDefinition(
    name="guest_spending",
    label="spent",
    kind="regressor",
    gates=lambda limit: (Gate("test_r2", at_least=limit("spending_least_r2")),),
    alarms=lambda limit: (Gate("r2", at_least=limit("performance_spending_least_r2")),),
    headline="mae",
    greater_is_better=False,
    greater_label="better",
    purpose="Money that a guest spends.",
    amount_unit="EUR",
)
MODELS = (LEAVING, SPENDING)
