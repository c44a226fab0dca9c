"""Defects of CI files."""

from __future__ import annotations

from checks import workflows
from mutation.defect import DEFAULTS, Defect

CI, DEPLOY = ".github/workflows/ci.yml", ".github/workflows/deploy.yml"

DEFECTS = {
    "unpinned action": Defect(
        CI,
        "actions/checkout@",
        "actions/checkout@v7 # ",
        workflows.unpinned,
        f"{CI}:*:",
        "actions/checkout@v7 is not pinned",
    ),
    "foreign text in a script": Defect(
        CI,
        "run: make lint",
        "run: echo {% raw %}${{ github.head_ref }}{% endraw %}",
        workflows.weaknesses,
        f"{CI}:",
        "template-injection",
    ),
    "wrong key": Defect(
        CI, "timeout-minutes: 15", "timeout-minuets: 15", workflows.invalid, f"{CI}: $.jobs.lint", "timeout-minuets"
    ),
    "no YAML": Defect(CI, "permissions: {}\n", "permissions: {\n", workflows.invalid, f"{CI}:", "Failed to parse"),
    "unknown key of a matrix": Defect(
        CI,
        "SPARK_MODE: {% raw %}${{ matrix.spark-mode }}",
        "SPARK_MODE: {% raw %}${{ matrix.mode }}",
        workflows.mistakes,
        f"{CI}:",
        'property "mode" is not defined',
    ),
    "identity for a job that needs none": Defect(
        CI,
        "    permissions:\n      contents: read\n    steps:\n",
        "    permissions:\n      contents: read\n      id-token: write\n    steps:\n",
        workflows.excessive_rights,
        f"{CI}: jobs.lint.permissions:",
        "'id-token': 'write'",
    ),
    "stored secret": Defect(
        DEPLOY,
        "DATABRICKS_AUTH_TYPE: github-oidc",
        "DATABRICKS_TOKEN: {% raw %}${{ secrets.DATABRICKS_TOKEN }}{% endraw %}",
        workflows.stored_secrets,
        f"{DEPLOY}:",
        "uses a stored secret",
    ),
    "forgotten target": Defect(
        CI, "target: [lab, dev, prod]", "target: [dev, prod]", workflows.not_validated, f"{CI}:", "target lab"
    ),
    "wrong key for Azure DevOps": Defect(
        "azure-pipelines.yml",
        "  - stage: check\n    displayName",
        "  - stage: check\n    displayNam",
        workflows.invalid,
        "azure-pipelines.yml:",
        "displayNam",
        {**DEFAULTS, "ci": "azure-devops"},
    ),
    "wrong key for GitLab": Defect(
        ".gitlab-ci.yml",
        "lint:\n  stage: check\n",
        "lint:\n  stages: check\n",
        workflows.invalid,
        ".gitlab-ci.yml: $.lint",
        "stages",
        {**DEFAULTS, "ci": "gitlab"},
    ),
}
