"""What the library's engine works with: the features, examples and models of this project."""

from __future__ import annotations

from databricks_utils.models import ModelProject

from {{ cookiecutter.package_name }}.features.registry import TABLES
from {{ cookiecutter.package_name }}.models.definitions import ACTIVE_DAYS, HORIZON_DAYS, MODELS
from {{ cookiecutter.package_name }}.models.examples import examples, followed, moments, population

MODEL_PROJECT = ModelProject(
    key="household_id",
    entities="households",
    tables=TABLES,
    models=MODELS,
    horizon_days=HORIZON_DAYS,
    moments=moments,
    population=population,
    examples=examples,
    outcomes=followed,
    scores="gold.household_scores",
    about=f"households active for {ACTIVE_DAYS} days",
)
