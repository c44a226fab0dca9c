"""Two little models of guests: one says whether something comes about, one how much of it."""

from __future__ import annotations

from databricks_utils.features import Events, Feature, FeatureTable
from databricks_utils.models import Gate, ModelDefinition, ModelProject

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
VISITS = FeatureTable(
    "gold.guest_features",
    source=Events("silver.visits", timestamp="visited_at"),
    entity=("guest_id",),
    features=(Feature("visits", "count", windows=(30,), description="Visits."),),
    description="What guests do.",
    owner="hosts",
    ttl_days=7,
)
PROJECT = ModelProject(
    key="guest_id",
    entities="guests",
    tables=(VISITS,),
    models=MODELS,
    horizon_days=30,
    moments=lambda first, last: [],
    population=lambda events, moments: events,
    examples=lambda events, moments: events,
    outcomes=lambda events, base: base,
    scores="gold.guest_scores",
    about="guests of the last 90 days",
)
