"""Defects of the streaming template: every kind of file that only it has."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from baking import STREAMING
from checks import definition, files, links, style, texts
from checks.files import EXPECTED
from mutation.defect import DEFAULTS, PACKAGE, Defect

CLASSIC = {**DEFAULTS, "compute": "classic"}
EXPECTED_FILES = partial(files.unexpected, answers=DEFAULTS, folder=EXPECTED / "streaming")
DEFINITION = f"{PACKAGE}/orchestration/pipeline_definition.py"

_DEFECTS = {
    "stream: entry point of the job for single events": Defect(
        "resources/jobs.yml",
        "            entry_point: {{ cookiecutter.project_slug }}\n            parameters:\n              - alert\n",
        "            entry_point: alerts\n            parameters:\n              - alert\n",
        definition.broken_bundle,
        "resources/jobs.yml: jobs.point_of_sale_streams_alerts_job.",
        "entry_point 'alerts' is not in",
        CLASSIC,
    ),
    "stream: chart of a dataset that is not there": Defect(
        "dashboards/streams.lvdash.json",
        '"datasetName": "alerts"',
        '"datasetName": "alarms"',
        definition.broken_bundle,
        "resources/dashboards.yml: dashboards.streams: streams.lvdash.json: widgets.",
        "there is no dataset alarms",
    ),
    "stream: dashboard over the tables of one target": Defect(
        "dashboards/streams.lvdash.json",
        "FROM pipeline_runs",
        "FROM operations.pipeline_runs",
        definition.broken_bundle,
        "resources/dashboards.yml: dashboards.streams: streams.lvdash.json: datasets.runs:",
        "names the schema operations",
    ),
    "stream: declarative pipeline of a file that is not there": Defect(
        "resources/pipelines.yml",
        "orchestration/lakeflow.py",
        "orchestration/declared.py",
        definition.broken_bundle,
        "resources/pipelines.yml: pipelines.point_of_sale_streams_pipeline:",
        "declared.py matches no file",
    ),
    "stream: job that checks at an impossible time": Defect(
        "bundle.yml",
        "0 30 * * * ?",
        "30 * * * *",
        definition.broken_bundle,
        "resources/jobs.yml: jobs.point_of_sale_streams_check_job.schedule:",
        "has 5 fields",
    ),
    "stream: check that takes too long without a word": Defect(
        "resources/jobs.yml",
        "        on_duration_warning_threshold_exceeded: ${var.notification_emails}\n",
        "",
        definition.broken_bundle,
        "resources/jobs.yml: jobs.point_of_sale_streams_check_job.health:",
        "nobody is told of RUN_DURATION_SECONDS",
    ),
    "stream: setting that does not exist": Defect(
        "config/base.yaml",
        "  fail_on_data_loss: true",
        "  fail_on_dataloss: true",
        definition.invalid_settings,
        "config/",
        "fail_on_dataloss",
    ),
    "stream: contract without its table": Defect(
        DEFINITION,
        '    StreamSilver("clicks", reads="bronze.clicks", transform=clean_clicks, watermark=LATENESS),\n',
        "",
        definition.contradictions,
        "",
        "silver.clicks",
    ),
    "stream: brace left in a guide": Defect(
        "docs/sources.md",
        "# Sources\n",
        "# Sources of {% raw %}{{ cookiecutter.project_slug }}{% endraw %}\n",
        texts.template_syntax,
        "docs/sources.md:1:",
        "template syntax is left",
    ),
    "stream: unformatted transformation": Defect(
        f"{PACKAGE}/transformations/gold/large_sales.py",
        "    return sales.where(",
        "    return  sales.where(",
        style.unformatted,
        "src/point_of_sale_streams/transformations/gold/large_sales.py:*:",
        "unformatted",
    ),
    "stream: runbook that is missing": Defect(
        "docs/runbooks/replay.md", "", None, EXPECTED_FILES, "docs/runbooks/replay.md:", "is expected and was not baked"
    ),
    "stream: link to nowhere": Defect(
        "docs/runbooks/lag.md",
        "see [replay](replay.md)",
        "see [replay](again.md)",
        links.dead,
        "docs/runbooks/lag.md:*:",
        "again.md",
    ),
}
DEFECTS = {name: replace(defect, template=STREAMING.name) for name, defect in _DEFECTS.items()}
