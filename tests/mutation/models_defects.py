"""Defects of the machine learning template: every kind of file that only it has."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from baking import ML
from checks import clients, definition, files, links, style, texts
from checks.files import EXPECTED
from mutation.defect import DEFAULTS, PACKAGE, Defect

EXPECTED_FILES = partial(files.unexpected, answers=DEFAULTS, folder=EXPECTED / "ml")

_DEFECTS = {
    "models: entry point of the job": Defect(
        "resources/jobs.yml",
        "entry_point: {{ cookiecutter.project_slug }}",
        "entry_point: train",
        definition.broken_bundle,
        "resources/jobs.yml: jobs.",
        "entry_point 'train' is not in",
    ),
    "models: a task without the client that its command joins with": Defect(
        "resources/jobs.yml",
        '"score", "monitor", "report"]',
        '"score", "monitor"]',
        clients.missing_client,
        "resources/jobs.yml: jobs.household_models_job.report:",
        "nothing brings databricks-feature-engineering",
    ),
    "models: limit of a gate that is no value": Defect(
        "config/base.yaml",
        "  churn_least_auc: 0.6",
        "  churn_least_auc: [",
        texts.unreadable,
        "config/base.yaml:*:",
        "",
    ),
    "models: setting that does not exist": Defect(
        "config/base.yaml",
        "  registry_uri: databricks-uc",
        "  register_uri: databricks-uc",
        definition.invalid_settings,
        "config/",
        "register_uri",
    ),
    "models: unclean code": Defect(
        f"{PACKAGE}/models/definitions.py",
        "from databricks_utils.models import Gate, ModelDefinition\n",
        "from databricks_utils.models import Gate, ModelDefinition, ModelVersion\n",
        style.unclean,
        "src/household_models/models/definitions.py:*:",
        "ModelVersion",
    ),
    "models: page of the features that says something else": Defect(
        f"{PACKAGE}/features/campaigns.py",
        "Campaigns that began.",
        "Campaigns that ended.",
        definition.contradictions,
        "Out of date: docs/features.md",
        "",
    ),
    "models: guide that is missing": Defect(
        "docs/new-feature.md", "", None, EXPECTED_FILES, "docs/new-feature.md:", "is expected and was not baked"
    ),
    "models: link to nowhere": Defect(
        "docs/new-feature.md",
        "(runbooks/drift.md)",
        "(runbooks/drifting.md)",
        links.dead,
        "docs/new-feature.md:*:",
        "drifting.md",
    ),
}
DEFECTS = {name: replace(defect, template=ML.name) for name, defect in _DEFECTS.items()}
