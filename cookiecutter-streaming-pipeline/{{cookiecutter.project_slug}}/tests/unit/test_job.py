from __future__ import annotations

from typing import Any

import pytest
import yaml
from databricks_utils.cli.project import Opened
from databricks_utils.config import load_configuration

from {{ cookiecutter.package_name }}.__main__ import PROJECT

Job = dict[str, Any]


@pytest.fixture(scope="module")
def job(project: Opened) -> Job:
    """Return the job."""
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)["resources"]["jobs"]
    return dict(found["{{ cookiecutter.package_name }}_job"])


def parameters(job: Job) -> list[str]:
    return list(job["tasks"][0]["python_wheel_task"]["parameters"])


def test_one_task_runs_all_streams(job: Job) -> None:
    task, *others = job["tasks"]

    assert [other["task_key"] for other in others] == {{ '["verdict"]' if cookiecutter.compute == "serverless" else "[]" }}
    assert task["python_wheel_task"]["entry_point"] == PROJECT.command
    assert parameters(job)[0] == "run"
    assert not any(word.startswith("--tables") for word in parameters(job))


def test_two_runs_never_share_a_checkpoint(job: Job) -> None:
    assert job["max_concurrent_runs"] == 1


def test_somebody_hears_of_a_backlog(job: Job) -> None:
    metrics = {rule["metric"] for rule in job["health"]["rules"]}

    assert "STREAMING_BACKLOG_SECONDS" in metrics
    assert job["email_notifications"]["on_streaming_backlog_exceeded"]


def test_the_trigger_suits_the_compute(job: Job, project: Opened) -> None:
    trigger = load_configuration(project.root / "config", "prod").streaming.trigger

    assert ("continuous" in job) == (trigger == "processing_time")
    assert ("schedule" in job) == (trigger == "available_now")


def test_rules_about_whole_tables_are_checked_by_a_job_of_their_own(project: Opened) -> None:
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)["resources"]["jobs"]["{{ cookiecutter.package_name }}_check_job"]

    assert parameters(job)[0] == "check"
    assert job["schedule"]["quartz_cron_expression"] == "${var.check_schedule}"


def test_the_values_that_the_task_sets_are_keys_of_the_configuration(job: Job, project: Opened) -> None:
    settings = {word.removeprefix("--set=").partition("=")[0] for word in parameters(job) if word.startswith("--set=")}
    # The level is a choice of a few words; what the bundle puts in its place is one of them.
    values = {key: "INFO" if key == "logging.level" else "/Volumes/c/s/v" for key in settings}

    configuration = load_configuration(project.root / "config", "dev", values)

    assert {"storage.landing", "storage.checkpoints", "storage.reports"} <= settings
    assert configuration.storage.checkpoints == "/Volumes/c/s/v"
{% if cookiecutter.compute == "classic" %}

def test_single_events_are_told_by_a_job_of_its_own_on_a_cluster_that_real_time_mode_accepts(project: Opened) -> None:
    text = (project.root / "resources" / "jobs.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)["resources"]["jobs"]["{{ cookiecutter.package_name }}_alerts_job"]
    (cluster,) = (item["new_cluster"] for item in job["job_clusters"])

    assert parameters(job)[0] == "alert"
    assert cluster["runtime_engine"] == "STANDARD"
    assert "autoscale" not in cluster
    assert cluster["spark_conf"]["spark.databricks.streaming.realTimeMode.enabled"] == "true"
{% endif -%}
{%- if cookiecutter.compute == "serverless" %}

def test_a_breach_is_told_by_the_last_task_which_is_never_tried_again(job: Job) -> None:
    """Streams that are tried again find nothing new, and would clear the breach."""
    streams, verdict = job["tasks"]

    assert (verdict["run_if"], verdict["max_retries"]) == ("ALL_DONE", 0)
    assert verdict["depends_on"] == [{"task_key": streams["task_key"]}]
    words = verdict["python_wheel_task"]["parameters"]
    assert words[0] == "verdict"
    assert "--no-verdict" in parameters(job)
    assert {word for word in words if word.startswith("--run-id")} < set(parameters(job))
{% endif -%}
