"""Defects of what must agree: pipeline definition, contracts, configuration, bundle, package."""

from __future__ import annotations

from checks import definition
from mutation.defect import Defect

JOBS = "resources/jobs.yml"

DEFECTS = {
    "wrong entry point in the bundle": Defect(
        JOBS,
        "entry_point: {{ cookiecutter.project_slug }}",
        "entry_point: {{ cookiecutter.package_name }}",
        definition.broken_bundle,
        "resources/jobs.yml: jobs.retail_lakehouse_job.",
        "entry_point 'retail_lakehouse' is not in",
    ),
    "dead include": Defect(
        "bundle.yml",
        "  - resources/*.yml\n",
        "  - resources/*.yml\n  - dashboards/*.yml\n",
        definition.broken_bundle,
        "bundle.yml: include:",
        "dashboards/*.yml matches no file",
    ),
    "schema named by hand": Defect(
        "resources/volumes.yml",
        "${resources.schemas.bronze.name}",
        "bronze",
        definition.broken_bundle,
        "resources/volumes.yml: resources.volumes.landing",
        "schema 'bronze' is not",
    ),
    "wheel that the bundle looks for elsewhere": Defect(
        JOBS,
        "              - ../libs/*.whl\n",
        "              - ../wheels/*.whl\n",
        definition.broken_bundle,
        "resources/jobs.yml: jobs.retail_lakehouse_job.environments",
        "../wheels/*.whl matches no file",
    ),
    "table of the job that the code does not know": Defect(
        JOBS,
        "        - task_key: gold_dim_date\n",
        "        - task_key: gold_dim_store\n          <<: *table_task\n        - task_key: gold_dim_date\n",
        definition.job_differs,
        "resources/jobs.yml:",
        "a task for gold.dim_store",
    ),
    "table of the code that the job forgets": Defect(
        JOBS,
        "        - task_key: gold_business_metrics\n          <<: *table_task\n          depends_on:\n"
        "            - task_key: gold_fact_sales\n            - task_key: gold_dim_product\n",
        "",
        definition.job_differs,
        "resources/jobs.yml:",
        "no task for gold.business_metrics",
    ),
    "task that waits for too little": Defect(
        JOBS,
        "            - task_key: bronze_transactions\n            - task_key: silver_products\n",
        "            - task_key: bronze_transactions\n",
        definition.job_differs,
        "resources/jobs.yml: silver.transactions needs",
        "waits for ['bronze.transactions']",
    ),
    "task that does not wait for what its contract refers to": Defect(
        JOBS,
        "            - task_key: gold_dim_product\n            - task_key: gold_dim_date\n",
        "            - task_key: gold_dim_product\n",
        definition.job_differs,
        "resources/jobs.yml: gold.fact_sales needs",
        "waits for ['gold.dim_household', 'gold.dim_product', 'silver.transactions']",
    ),
    "task of a job that is out of date": Defect(
        JOBS,
        "            - task_key: bronze_transactions\n            - task_key: silver_products\n",
        "            - task_key: bronze_transactions\n",
        definition.contradictions,
        "Out of date: resources/jobs.yml",
        "",
    ),
    "task whose retry clears the breach": Defect(
        JOBS,
        "      - --no-verdict\n",
        "",
        definition.broken_bundle,
        "resources/jobs.yml: jobs.retail_lakehouse_job.",
        "a retry finds nothing new and clears the breach",
    ),
    "verdict that a failure upstream leaves out": Defect(
        JOBS,
        "        - task_key: verdict\n          run_if: ALL_DONE\n",
        "        - task_key: verdict\n",
        definition.broken_bundle,
        "resources/jobs.yml: jobs.retail_lakehouse_job.verdict:",
        "a verdict has run_if: ALL_DONE",
    ),
    "task beside the verdict that nobody waits for": Defect(
        JOBS,
        "            - task_key: report\n          {{- place() }}\n          max_retries: 0",
        "          {{- place() }}\n          max_retries: 0",
        definition.broken_bundle,
        "resources/jobs.yml: jobs.retail_lakehouse_job.report:",
        "the verdict does not wait for it",
    ),
    "wrong path of the wheel": Defect(
        "pyproject.toml",
        "libs/databricks_shared_utilities-",
        "libs/databricks_shared_utilities-0.",
        definition.missing_wheel,
        "pyproject.toml:*:",
        "and libs/ holds",
    ),
    "wrong entry point of the package": Defect(
        "pyproject.toml",
        "__main__:main",
        "__main__:start",
        definition.missing_entry_points,
        "pyproject.toml:*:",
        "retail_lakehouse.__main__:start, which does not exist",
    ),
    "unknown setting": Defect(
        "config/lab.yaml",
        "minimum_score: 0.8",
        "minimum_scor: 0.8",
        definition.invalid_settings,
        "config/lab.yaml:*,",
        "quality.minimum_scor: Unknown key",
    ),
    "table without a contract": Defect(
        "contracts/gold/agg_daily_sales.yaml",
        "",
        None,
        definition.contradictions,
        "",
        "gold.agg_daily_sales",
    ),
    "document that is out of date": Defect(
        "contracts/gold/dim_date.yaml",
        "description: ",
        "description: Newly worded, ",
        definition.contradictions,
        "",
        "data-dictionary.md",
    ),
}
