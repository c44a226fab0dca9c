"""What the streaming template bakes: it keeps what the batch template keeps, over every choice at least once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from baking import STREAMING, Bakery, covering, files_of, label
from bundles.bundle_reader import Bundle, read_bundle, targets_of
from bundles.bundle_schema import SCHEMA, bundle_validator, deepest, documents
from checks import definition, files, links, style, texts
from checks.files import EXPECTED
from conftest import NAMES, found
from databricks_utils.config import load_configuration

LISTS = EXPECTED / "streaming"
CHECKS = (
    texts.template_syntax,
    texts.traces,
    texts.untidy,
    texts.unreadable,
    files.illegal_paths,
    style.unformatted,
    style.unclean,
    style.unclean_yaml,
    links.dead,
    links.unknown_commands,
    definition.invalid_settings,
    definition.missing_wheel,
    definition.missing_entry_points,
    definition.broken_bundle,
)

Projects = dict[str, Path]


@pytest.fixture(scope="module")
def projects(bakery: Bakery, request: pytest.FixtureRequest) -> Projects:
    """Projects of the choices and of the shortest and the longest names; their lists of files, where asked for."""
    answers = {label(chosen): chosen for chosen in covering()} | NAMES
    baked = {name: bakery.bake(given, f"streaming-{name}", STREAMING) for name, given in answers.items()}
    if request.config.getoption("--update-expected"):
        write_expected({label(chosen): files_of(baked[label(chosen)]) for chosen in covering()})
    return baked


def write_expected(baked: dict[str, list[str]]) -> None:
    """Write the list that all projects share, and one for each system of CI, which alone decides about files."""
    LISTS.mkdir(exist_ok=True)
    common = set.intersection(*(set(paths) for paths in baked.values()))
    lists = {"common": common} | {f"ci-{chosen['ci']}": set(baked[label(chosen)]) - common for chosen in covering()}
    for name, paths in lists.items():
        (LISTS / f"{name}.txt").write_text("".join(f"{path}\n" for path in sorted(paths)), encoding="utf-8")


def test_every_choice_is_baked_and_has_exactly_the_expected_files(projects: Projects) -> None:
    unexpected = [
        f"{finding}  ({label(chosen)})"
        for chosen in covering()
        for finding in files.unexpected(projects[label(chosen)], chosen, LISTS)
    ]

    assert unexpected == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_check_of_the_family_finds_nothing(check: Callable[[Path], list[str]], projects: Projects) -> None:
    assert found(check, projects) == []


def test_every_file_of_a_bundle_satisfies_the_schema_of_the_cli(projects: Projects) -> None:
    if not SCHEMA.is_file():
        pytest.skip("no schema: see tests/bundles/test_bundles.py")
    validator = bundle_validator(SCHEMA)
    seen = {
        json.dumps(document): f"{name}: {path}"
        for name, project in projects.items()
        for path, document in documents(project)
    }
    errors = [
        f"{place}: {error.json_path}: {error.message[:200]}"
        for text, place in seen.items()
        for error in deepest(validator.iter_errors(json.loads(text)))
    ]

    assert errors == []


def test_generated_python_passes_its_own_type_checker(projects: Projects) -> None:
    assert style.untyped(projects[label(next(covering()))]) == []


def test_contracts_definition_and_documents_agree(projects: Projects) -> None:
    assert definition.contradictions(projects["longest"]) == []


def bundles(projects: Projects) -> Iterator[tuple[str, Bundle]]:
    """Yield every target of every project."""
    for name, project in projects.items():
        for target in targets_of(project):
            yield f"{name} {target}", read_bundle(project, target)


def jobs_of(bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Return the jobs by what they are for: `streams`, `check`, `pipeline` and, where there is a cluster, `alerts`."""
    (package,) = (path.parent.name for path in bundle.root.glob("src/*/__main__.py"))
    names = {
        key.removeprefix(package).strip("_").removesuffix("job").strip("_"): key for key in bundle.resources("jobs")
    }
    return {name or "streams": bundle.resources("jobs")[key] for name, key in names.items()}


def test_every_target_names_who_may_do_what(projects: Projects) -> None:
    for name, bundle in bundles(projects):
        owner = bundle.variables["owner_group"]
        levels = {"jobs": "CAN_MANAGE_RUN", "pipelines": "CAN_RUN", "dashboards": "CAN_READ"}
        for kind, level in levels.items():
            for resource in bundle.resources(kind).values():
                assert resource["permissions"] == [{"group_name": owner, "level": level}], (name, kind)
        readers = {
            key: {grant["principal"] for grant in schema["grants"]} - {owner}
            for key, schema in bundle.resources("schemas").items()
        }
        # Readers see gold and nothing before it; nobody writes into a schema or a checkpoint by hand.
        assert readers == {key: set() for key in readers} | {"gold": {bundle.variables["reader_group"]}}, name
        schemas = [grant for schema in bundle.resources("schemas").values() for grant in schema["grants"]]
        assert {privilege for grant in schemas for privilege in grant["privileges"]} == {"USE_SCHEMA", "SELECT"}, name
        (grant,) = bundle.resources("volumes")["checkpoints"]["grants"]
        assert grant == {"principal": owner, "privileges": ["READ_VOLUME"]}, name


def test_streams_start_again_as_their_compute_allows_and_never_twice_at_once(projects: Projects) -> None:
    kinds = set()
    for name, bundle in bundles(projects):
        jobs = jobs_of(bundle)
        assert {job["max_concurrent_runs"] for job in jobs.values()} == {1}, name
        task = jobs["streams"]["tasks"][0]
        limits = {key: value for key, value in task.items() if "retr" in key or "timeout" in key}
        kinds.add("continuous" in jobs["streams"])
        if "continuous" in jobs["streams"]:
            # Databricks starts it again by itself, and refuses tries and limits of its own.
            assert limits == {}, name
            assert "timeout_seconds" not in jobs["streams"], name
            assert jobs.keys() == {"streams", "smoke", "check", "maintenance", "pipeline", "alerts"}, name
            assert jobs["alerts"]["continuous"] == {"pause_status": "PAUSED"}, name
        else:
            assert limits == {
                "max_retries": 2,
                "min_retry_interval_millis": 60000,
                "retry_on_timeout": False,
                "timeout_seconds": 7200,
            }, name
            assert jobs["streams"]["timeout_seconds"] > limits["timeout_seconds"], name
            # A start that meets the run before is left out: nothing can pile up while runs take longer than their pace.
            assert jobs["streams"]["queue"] == {"enabled": False}, name
            assert jobs["streams"]["notification_settings"]["no_alert_for_skipped_runs"] is True, name
            assert jobs.keys() == {"streams", "check", "maintenance", "pipeline"}, name
        for other in ("check", "pipeline"):
            # What has found a breach once finds it again, so that a second try would only cost.
            assert [task.get("max_retries", 0) for task in jobs[other]["tasks"]] == [0], name
            assert jobs[other]["timeout_seconds"] > 0, name
            assert jobs[other]["queue"] == {"enabled": True}, name
    assert kinds == {True, False}


def test_a_cluster_of_streams_does_not_autoscale(projects: Projects) -> None:
    for name, bundle in bundles(projects):
        streaming = [job for purpose, job in jobs_of(bundle).items() if purpose != "maintenance"]
        clusters = [item["new_cluster"] for job in streaming for item in job.get("job_clusters", [])]
        assert ["autoscale" in cluster for cluster in clusters] == [False] * len(clusters), name
        assert all(int(cluster["num_workers"]) > 0 for cluster in clusters), name


def test_streams_without_end_are_tried_by_a_run_that_ends(projects: Projects) -> None:
    for name, bundle in bundles(projects):
        jobs = jobs_of(bundle)
        if "smoke" not in jobs:
            continue
        (streams,), (smoke,) = (
            [task["python_wheel_task"]["parameters"] for task in jobs[kind]["tasks"]] for kind in ("streams", "smoke")
        )
        assert sorted(smoke) == sorted([*streams, "--set=streaming.trigger=available_now"]), name
        assert jobs["smoke"].keys() & {"continuous", "schedule", "trigger"} == set(), name


def test_streams_run_by_themselves_in_lab_and_prod_only(projects: Projects) -> None:
    for name, bundle in bundles(projects):
        jobs, running = jobs_of(bundle), "PAUSED" if bundle.target == "dev" else "UNPAUSED"
        start = jobs["streams"].get("continuous") or jobs["streams"]["schedule"]
        assert (start["pause_status"], jobs["check"]["schedule"]["pause_status"]) == (running, running), name
        assert jobs["pipeline"]["schedule"]["pause_status"] == "PAUSED", name


def test_somebody_hears_of_failures_of_backlogs_and_of_long_runs(projects: Projects) -> None:
    for name, bundle in bundles(projects):
        emails, webhooks = bundle.variables["notification_emails"], bundle.variables["failure_webhooks"]
        for purpose, job in jobs_of(bundle).items():
            metrics = {rule["metric"]: rule["value"] for rule in job["health"]["rules"]}
            if purpose in ("streams", "alerts"):
                told = both = {"on_failure", "on_streaming_backlog_exceeded"}
                assert metrics["STREAMING_BACKLOG_SECONDS"] > 0, (name, purpose)
            else:
                told, both = {"on_failure", "on_duration_warning_threshold_exceeded"}, {"on_failure"}
                assert metrics["RUN_DURATION_SECONDS"] < job["timeout_seconds"], (name, purpose)
            assert job["email_notifications"] == dict.fromkeys(told, emails), (name, purpose)
            assert job["webhook_notifications"] == dict.fromkeys(both, webhooks), (name, purpose)
        # The API refuses a notification to nobody, so there is none until somebody is named.
        (pipeline,) = bundle.resources("pipelines").values()
        assert pipeline["notifications"] == bundle.variables["pipeline_notifications"] == [], name


def test_the_backlog_that_the_job_tells_of_is_the_one_that_the_check_breaches(projects: Projects) -> None:
    for name, bundle in bundles(projects):
        limits = load_configuration(bundle.root / "config", bundle.target).streaming.thresholds
        rules = {rule["metric"]: rule["value"] for rule in jobs_of(bundle)["streams"]["health"]["rules"]}

        assert rules["STREAMING_BACKLOG_RECORDS"] == limits.fail_lag_events, name
