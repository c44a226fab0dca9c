"""From files to a page: the commands that people and jobs type, on real tables and a real registry."""

from __future__ import annotations

import io
import json
import math
import re
import shlex
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import date, datetime, timezone
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databricks_utils.cli import command_line
from databricks_utils.cli.project import Opened
from databricks_utils.features import (
    FeatureRegistry,
    FeatureStore,
    OnlineStore,
    OtherDefinitions,
    create_training_set,
    refresh,
    seen_version,
)
from databricks_utils.features.online import fingerprint
from databricks_utils.medallion import Lakehouse
from databricks_utils.models import FAMILIES, ModelDefinition, asks_challenger, identify_family
from databricks_utils.models.comparison import Side
from databricks_utils.models.experiment import read_training_data
from databricks_utils.models.monitoring import PERFORMANCE, find_drift, measure_prediction_drift, monitor_model
from databricks_utils.models.scoring import score_population
from databricks_utils.models.versions import EXPLANATIONS, open_model_registry, registered_name, verify_version
from databricks_utils.serving import Assignment, AssignmentLog
from databricks_utils.serving.scorer import Scorer, answer_request, check_health, open_scorer, open_server
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from {{ cookiecutter.package_name }}.__main__ import PROJECT
from {{ cookiecutter.package_name }}.features.registry import COLUMNS, TABLES, feature_registry
from {{ cookiecutter.package_name }}.models.definitions import CHURN, MODELS, SPEND
from {{ cookiecutter.package_name }}.models.examples import examples, population
from {{ cookiecutter.package_name }}.models.project import MODEL_PROJECT

Command = Callable[..., tuple[int, str]]
ROOT = Path(__file__).resolve().parents[2]
NEWEST = datetime(2018, 1, 2, tzinfo=timezone.utc)
LAST_DAY = date(2018, 1, 1)
#: A scoring whose month is over.
PAST = datetime(2017, 12, 1, tzinfo=timezone.utc)
DRIFT = "operations.feature_drift"
SCORES = MODEL_PROJECT.scores


def scorer_of(opened: Opened, share: float, experiment: str) -> Scorer:
    features = feature_registry(opened.contracts)
    return open_scorer(opened.configuration, MODEL_PROJECT, features, share=share, experiment=experiment)


def name_of(opened: Opened, model: ModelDefinition) -> str:
    return registered_name(opened.configuration, MODEL_PROJECT, model)


@pytest.fixture(scope="module")
def command(spark: SparkSession, own: dict[str, str]) -> Iterator[Command]:
    """Return a function that runs a command in this process and this session, and returns its code and words."""
    settings = [f"--set={key}={value}" for key, value in own.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("databricks_utils.cli.project.create_session", lambda *_, **__: spark)

        def typed(*words: str) -> tuple[int, str]:
            said = io.StringIO()
            with redirect_stdout(said), redirect_stderr(said):
                code = command_line(PROJECT, [*words, f"--project={ROOT}", *settings])
            return code, said.getvalue()

        yield typed


@pytest.fixture(scope="module")
def said(command: Command) -> dict[str, tuple[int, str]]:
    """Go the whole way once, and return codes and words by step."""
    steps = {
        "too early": ("score",),
        "run": ("run",),
        "features": ("features",),
        "train": ("train", "--trials=1"),
        "promote": ("promote", "--approved-by=Ann"),
        "score": ("score",),
        "score the past": ("score", "--at=2017-12-01"),
        "monitor": ("monitor",),
        "train again": ("train", "--trials=1"),
    }
    return {name: command(*words) for name, words in steps.items()}


@pytest.fixture(scope="module")
def scorer(opened: Opened, said: dict[str, tuple[int, str]]) -> Scorer:
    """Return what the service answers with."""
    return scorer_of(opened, 0.0, "test")


def test_every_step_does_its_work(said: dict[str, tuple[int, str]]) -> None:
    codes = {name: code for name, (code, _) in said.items() if name not in ("too early", "promote")}

    assert codes == dict.fromkeys(codes, 0), said


def test_scoring_without_a_champion_says_what_to_do(said: dict[str, tuple[int, str]]) -> None:
    code, words = said["too early"]

    assert code == 2
    assert "household_churn has no champion" in words
    assert "promote --model household_churn" in words
    assert "Traceback" not in words


def test_scores_are_kept_by_moment_and_version_and_scoring_again_adds_none(
    command: Command, lakehouse: Lakehouse, said: dict[str, tuple[int, str]]
) -> None:
    before = lakehouse.read(SCORES).count()

    command("score")

    rows = lakehouse.read(SCORES)
    assert rows.count() == before > 0
    assert rows.select("model", "version", "observed_at").distinct().count() == 4
    assert rows.groupBy("household_id", "model", "version", "observed_at").count().where("count > 1").count() == 0
    assert rows.where("model = 'household_churn' AND NOT score BETWEEN 0 AND 1").count() == 0


def test_each_score_has_its_reasons_and_they_add_up_to_it(
    lakehouse: Lakehouse, store: FeatureStore, scorer: Scorer, said: dict[str, Any]
) -> None:
    rows = lakehouse.read(SCORES).where(F.col("observed_at") == F.lit(NEWEST)).orderBy("household_id").collect()

    for row in rows:
        model, champion, _ = scorer.contenders[row.model]
        features, family = scorer.features(row.household_id, NEWEST), identify_family(champion.estimator, FAMILIES)
        found = family.contributions(champion.estimator, features)
        named = dict(zip(COLUMNS, zip(features[0], found.values[0], strict=True), strict=True))
        raw = found.base + float(found.values.sum())
        assert row.score == pytest.approx(1 / (1 + math.exp(-raw)) if model is CHURN else raw)
        assert len(row.reasons) <= 3
        for reason in row.reasons:
            value, contribution = named[reason.feature]
            assert reason.contribution == pytest.approx(contribution)
            assert reason.value == value or (reason.value is None and np.isnan(value))
    assert any(row.reasons for row in rows)


def test_the_same_seed_and_data_give_the_champion_s_metrics_again(opened: Opened, said: dict[str, Any]) -> None:
    registry = open_model_registry(opened.configuration)

    for model in MODELS:
        name = name_of(opened, model)
        champion, again = registry.champion(name), registry.challenger(name)
        assert champion is not None
        assert again is not None
        assert again.version > champion.version
        assert again.metrics == champion.metrics


def test_performance_is_measured_where_the_future_is_known(lakehouse: Lakehouse, said: dict[str, Any]) -> None:
    rows = lakehouse.read(PERFORMANCE)

    assert {str(row.observed_at)[:10] for row in rows.collect()} == {"2017-12-01"}
    assert {row.model for row in rows.collect()} == {model.name for model in MODELS}


def test_what_was_measured_is_not_measured_and_written_again(
    command: Command, lakehouse: Lakehouse, said: dict[str, tuple[int, str]]
) -> None:
    version, rows = lakehouse.version(PERFORMANCE), lakehouse.read(PERFORMANCE).count()

    code, words = command("monitor")

    assert code == 0, words
    assert (lakehouse.version(PERFORMANCE), lakehouse.read(PERFORMANCE).count()) == (version, rows)
    assert re.search(r"came true on 2017-12-01: .*auc", words)
    command("score", "--at=2017-12-01", f"--model={SPEND.name}")
    command("monitor")
    again = lakehouse.read(PERFORMANCE).groupBy("model").agg(F.countDistinct("measured_at")).collect()
    assert {row[0]: row[1] for row in again} == {CHURN.name: 1, SPEND.name: 2}


def test_a_feature_that_means_something_else_stops_every_step_until_it_is_computed_and_trained_again(
    opened: Opened, lakehouse: Lakehouse, scorer: Scorer, said: dict[str, tuple[int, str]], monkeypatch: Any
) -> None:
    first = TABLES[0]
    changed = replace(first.features[0], where={"department": "GROCERY"})
    other = replace(first, features=(changed, *first.features[1:]))
    registry = FeatureRegistry((other, *TABLES[1:]), opened.contracts)
    redefined, models = FeatureStore(lakehouse.namespace, registry), open_model_registry(opened.configuration)
    champion = models.champion(name_of(opened, CHURN))
    assert champion is not None

    steps: dict[str, Callable[[], object]] = {
        "features": lambda: refresh(lakehouse, redefined, first.name, LAST_DAY, backfill=False),
        "train": lambda: read_training_data(lakehouse, redefined, MODEL_PROJECT),
        "score": lambda: score_population(
            opened.configuration, lakehouse, redefined, MODEL_PROJECT, models, CHURN, NEWEST
        ),
        "monitor": lambda: monitor_model(
            opened.configuration, lakehouse, redefined, MODEL_PROJECT, models, CHURN, NEWEST
        ),
        "serve, promote and roll back": lambda: verify_version(champion, COLUMNS, MODEL_PROJECT.meanings(registry)),
    }
    for attempt in steps.values():
        with pytest.raises(OtherDefinitions, match=f"{changed.name}_7d"):
            attempt()

    asked = json.dumps({"household_id": 1332, "at": NEWEST.isoformat()}).encode()
    # A running service of the old definitions, beside a store of the new ones.
    path = opened.configuration.models.online_store
    assert path is not None
    with closing(sqlite3.connect(path)) as connection, connection:
        kept = connection.execute("SELECT feature_table, fingerprint FROM definitions").fetchall()
        connection.execute("UPDATE definitions SET fingerprint = ?", [fingerprint(registry, other)])
    try:
        reply = answer_request(scorer, asked)
        assert (reply.status, "published from other definitions" in str(reply.content["detail"])) == (503, True)
        assert check_health(scorer).status == 503
    finally:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executemany("UPDATE definitions SET fingerprint = ?2 WHERE feature_table = ?1", kept)
    assert answer_request(scorer, asked).status == 200


def test_the_page_holds_everything_it_needs(said: dict[str, tuple[int, str]]) -> None:
    path = re.search(r"Report: (\S+models-\S+\.html)", said["monitor"][1])
    assert path is not None
    page = Path(path[1]).read_text(encoding="utf-8")

    assert page.count("<svg") == 8
    assert page.count("households of the 30 days from 2017-12-01, which this version had not seen") == len(MODELS)
    assert page.count("Features that count most") == len(MODELS)
    assert re.findall(r'(?:src|href)="', page) == []
    assert all(model.name in page for model in MODELS)


def test_the_run_notes_seed_data_versions_and_a_card(opened: Opened, said: dict[str, Any]) -> None:
    import mlflow

    champion = open_model_registry(opened.configuration).champion(name_of(opened, CHURN))
    assert champion is not None
    parameters = mlflow.get_run(champion.run_id).data.params

    assert parameters["seed"] == "1"
    assert {f"version_of.{table.name}" for table in TABLES} <= parameters.keys()
    assert re.fullmatch(r"[0-9a-f]{16}", parameters["rows_hash"])
    assert (parameters["family"], parameters["fixed.deterministic"]) == ("lightgbm", "True")
    card = mlflow.artifacts.load_text(f"runs:/{champion.run_id}/model-card.md")
    assert CHURN.purpose in card
    assert "mean contribution (log odds)" in card
    weights = json.loads(mlflow.artifacts.load_text(f"runs:/{champion.run_id}/{EXPLANATIONS}"))
    assert {weight["feature"] for weight in weights} == set(COLUMNS)


def test_online_features_are_those_of_a_training_set(
    lakehouse: Lakehouse, store: FeatureStore, scorer: Scorer, said: dict[str, Any]
) -> None:
    active = population(lakehouse.read(TABLES[0].source.table), [NEWEST])
    rows: Any = create_training_set(store, active, COLUMNS, timestamp="observed_at").load_df().toPandas()
    offline = rows[list(COLUMNS)].to_numpy(dtype=np.float64)

    online = [scorer.features(int(household), NEWEST)[0] for household in rows["household_id"]]

    assert len(online) > 20
    assert np.array(online).tobytes() == offline.tobytes()


def test_the_service_answers_as_the_batch_does(lakehouse: Lakehouse, scorer: Scorer, said: dict[str, Any]) -> None:
    rows = (
        lakehouse.read(SCORES).where(F.col("observed_at") == F.lit(NEWEST)).orderBy("household_id").limit(6).collect()
    )
    server = open_server(scorer, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = HTTPConnection("127.0.0.1", server.server_address[1])

    for row in rows:
        body = json.dumps({"household_id": row.household_id, "at": NEWEST.isoformat()})
        connection.request("POST", "/score", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        assert answer["known"] is row.known is True
        assert answer["models"][row.model] == {"score": row.score, "version": row.version}
    connection.close()
    server.shutdown()
    server.server_close()


def test_mlflow_alone_answers_as_the_batch_does(lakehouse: Lakehouse, scorer: Scorer, said: dict[str, Any]) -> None:
    import mlflow.pyfunc

    rows = lakehouse.read(SCORES).where(F.col("observed_at") == F.lit(NEWEST)).orderBy("household_id").collect()

    for name, (_, champion, _) in scorer.contenders.items():
        own = [row for row in rows if row.model == name]
        features = np.concatenate([scorer.features(row.household_id, NEWEST) for row in own])
        answers = mlflow.pyfunc.load_model(champion.version.uri).predict(features)
        assert answers.tolist() == [row.score for row in own]


def test_a_challenger_answers_for_its_share_of_the_households(
    opened: Opened, lakehouse: Lakehouse, said: dict[str, Any]
) -> None:
    rows = lakehouse.read(SCORES).where(F.col("observed_at") == F.lit(NEWEST)).select("household_id").distinct()
    households = [row.household_id for row in rows.collect()]
    first, again = (scorer_of(opened, 0.5, "autumn") for _ in range(2))

    answers = {household: first.score(household, NEWEST)["models"] for household in households}

    for model in MODELS:
        _, champion, challenger = first.contenders[model.name]
        assert challenger is not None
        versions = [answer[model.name]["version"] for answer in answers.values()]
        assert set(versions) == {champion.version.version, challenger.version.version}
    assert answers == {household: again.score(household, NEWEST)["models"] for household in households}


def test_a_comparison_says_what_became_of_either_side_and_lets_nobody_win_too_early(
    command: Command, opened: Opened, lakehouse: Lakehouse, said: dict[str, tuple[int, str]]
) -> None:
    """The oracle counts in plain Python who was answered by whom, and who bought nothing in the days that followed."""
    seconds = F.col("transaction_timestamp").cast("bigint").alias("seconds")
    bought = lakehouse.read(TABLES[0].source.table).select("household_id", seconds).collect()
    households = sorted({row.household_id for row in bought})
    sides: dict[Side, list[float]] = {"champion": [], "challenger": []}
    log = AssignmentLog(Path(str(opened.configuration.models.assignments)))
    for household in households:
        arm: Side = "challenger" if asks_challenger((household,), share=0.5, experiment="november") else "champion"
        log.note([Assignment("november", CHURN.name, household, arm, 1, 0.25, True, PAST)])
        after = (row.seconds - PAST.timestamp() for row in bought if row.household_id == household)
        sides[arm].append(float(not any(0 <= passed < 30 * 86400 for passed in after)))

    code, words = command("compare", "--experiment=november")
    early = command("compare", "--experiment=november", "--set=parameters.comparison_households=2")

    assert code == 0, words
    assert "household_churn in november: 0 households wait for their 30 days, 0 met both sides" in words
    for name, values in sides.items():
        found = rf"churned: .*{name} {np.mean(values):.3g} \(\S+ to \S+\) of {len(values)}\b"
        assert re.search(found, words), words
    assert words.count("nobody wins") == 2
    assert "entities on the smaller side, 500 are needed" in words
    assert "are needed" not in early[1]
    unknown = command("compare", "--experiment=summer")
    assert unknown[0] == 2
    assert re.search(r"Known: .*november", unknown[1])


def test_what_is_no_request_is_refused_in_words(scorer: Scorer) -> None:
    assert answer_request(scorer, b"[]").status == 400
    assert answer_request(scorer, b'{"household_id": "1"}').status == 400
    assert answer_request(scorer, b'{"household_id": 1, "at": "2018-01-02T00:00:00"}').status == 400


@pytest.fixture
def port(scorer: Scorer) -> Iterator[int]:
    """Start the service, and return its port."""
    server = open_server(scorer, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_first_call_of_the_documentation_is_answered_for_a_household_that_is_known(port: int) -> None:
    """Who tries the service first must not get the score of somebody of whom nothing is known."""
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    found = re.search(r"^```sh\n(curl .*?)^```", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    words = shlex.split(found[1].replace("\\\n", " ").replace(":8080/", f":{port}/"))

    done = subprocess.run(words, capture_output=True, text=True, check=True)

    answer = json.loads(done.stdout)
    assert answer["known"] is True, answer
    assert answer["features_as_of"] == "2018-01-02T00:00:00+00:00"
    assert answer["models"].keys() == {model.name for model in MODELS}


def test_a_household_that_never_came_is_marked_in_the_answer(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port)
    body = json.dumps({"household_id": 987654321, "at": NEWEST.isoformat()})

    connection.request("POST", "/score", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()

    assert (answer["known"], answer["features_as_of"], answer["features_age_hours"]) == (False, None, None)
    assert "has no row of it" in answer["unknown_because"]


def test_households_without_features_are_marked_among_the_scores_and_counted(
    command: Command, lakehouse: Lakehouse, said: dict[str, tuple[int, str]]
) -> None:
    """Ten days after the last features all of them are too old, and every score is that of a stranger."""
    code, words = command("score", f"--model={CHURN.name}", "--at=2018-01-12")

    rows = lakehouse.read(SCORES).where("observed_at = TIMESTAMP '2018-01-12 00:00:00Z'").collect()
    assert code == 0
    assert {row.known for row in rows} == {False}
    assert len({row.score for row in rows}) == 1 < len(rows)
    assert f"{len(rows)} of them without features" in words
    lakehouse.spark.sql(f"DELETE FROM {lakehouse.identifier(SCORES)} WHERE observed_at > '2018-01-03'")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("spoil", [cut, Path.unlink], ids=["cut", "gone"])
def test_the_service_is_down_while_its_store_is_cut_or_gone(
    scorer: Scorer, opened: Opened, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    whole = Path(str(opened.configuration.models.online_store))
    path = tmp_path / "online.db"
    shutil.copy(whole, path)
    own = replace(scorer, store=OnlineStore(path, feature_registry(opened.contracts)))
    before = check_health(own).status
    own.score(1332, NEWEST)

    spoil(path)

    assert (before, check_health(own).status, check_health(own).content["state"]) == (200, 503, "down")
    shutil.copy(whole, path)
    assert check_health(own).status == 200
    assert own.score(1332, NEWEST)["models"] == scorer.score(1332, NEWEST)["models"]


def test_late_sales_are_mended_as_a_backfill_would_have_them(
    lakehouse: Lakehouse, store: FeatureStore, said: dict[str, Any]
) -> None:
    table = TABLES[0]
    source = lakehouse.identifier(table.source.table)
    some = lakehouse.read(table.source.table).orderBy("transaction_timestamp").limit(40)
    late = some.withColumns(
        {
            "basket_id": F.col("basket_id") + 1_000_000_000_000,
            "transaction_timestamp": F.col("transaction_timestamp") + F.expr("INTERVAL 75 DAYS"),
        }
    )
    late.writeTo(source).append()

    mended = refresh(lakehouse, store, table.name, LAST_DAY, backfill=False)
    incremental = store.read(lakehouse.spark, table.name).localCheckpoint()
    refresh(lakehouse, store, table.name, LAST_DAY, backfill=True)

    again = store.read(lakehouse.spark, table.name)
    assert mended.mended > 0
    assert seen_version(lakehouse, table.name) == lakehouse.version(table.source.table)
    assert incremental.exceptAll(again).count() + again.exceptAll(incremental).count() == 0


def test_a_store_that_is_spoilt_is_said_to_be_so(opened: Opened, said: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    path.write_bytes(b"no database" * 1000)
    models = opened.configuration.models.model_copy(update={"online_store": str(path)})
    spoilt = Opened(
        opened.project,
        opened.root,
        opened.configuration.model_copy(update={"models": models}),
        opened.contracts,
    )

    with pytest.raises(Exception, match=r"online\.db") as caught:
        scorer_of(spoilt, 0.0, "test")

    assert type(caught.value).__name__ == "CorruptStore"


def test_a_rollback_needs_a_champion_before(command: Command, said: dict[str, Any]) -> None:
    code, words = command("rollback", "--model=household_churn", "--by=Bob", "--because=complaints")

    assert code == 2
    assert "no champion to go back to" in words


@pytest.fixture(scope="module")
def shifted(command: Command, lakehouse: Lakehouse, said: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Change what households do from December on and what was said of them before, and go from scores to a training."""
    table = TABLES[0]
    moved = ", ".join(f"{column} = 3 * {column} + 20" for column in table.columns)
    features = lakehouse.identifier(table.name)
    lakehouse.spark.sql(f"UPDATE {features} SET {moved} WHERE available_at > '2017-12-01'")
    truth = examples(lakehouse.read(table.source.table), [PAST]).select("household_id", "observed_at", "churned")
    truth.createOrReplaceTempView("truth")
    lakehouse.spark.sql(
        f"MERGE INTO {lakehouse.identifier(SCORES)} AS scores USING truth ON truth.household_id = scores.household_id "
        f"AND truth.observed_at = scores.observed_at AND scores.model = '{CHURN.name}' "
        "WHEN MATCHED THEN UPDATE SET score = 1 - truth.churned, scored_at = current_timestamp()"
    )
    lakehouse.spark.sql(f"UPDATE {lakehouse.identifier(DRIFT)} SET status = 'stable'")
    lakehouse.spark.sql(f"UPDATE {lakehouse.identifier(PERFORMANCE)} SET status = 'ok'")
    steps = {
        "score": ("score", f"--model={CHURN.name}"),
        "monitor": ("monitor", f"--model={CHURN.name}"),
        "nothing new": ("train", "--if-drifted", "--trials=1"),
        "train": ("train", "--if-drifted", "--trials=1", "--set=parameters.retrain_least_months=0"),
    }
    return {name: command(*words) for name, words in steps.items()}


def test_a_shift_of_features_and_scores_is_measured_and_written_down(
    lakehouse: Lakehouse, shifted: dict[str, tuple[int, str]]
) -> None:
    rows = lakehouse.read(DRIFT).where(F.col("feature_table").startswith(f"{CHURN.name}: ")).collect()
    newest = max(row.measured_at for row in rows)
    features, predictions = (
        {row.column_name: row for row in rows if row.measured_at == newest and row.feature_table.endswith(subject)}
        for subject in (": features", ": predictions")
    )
    drifted = [row for row in [*features.values(), *predictions.values()] if row.status == "drifted"]

    assert shifted["monitor"][0] == 0, shifted["monitor"]
    assert set(features) == set(COLUMNS)
    assert sum(row.status == "drifted" for row in features.values()) > len(COLUMNS) / 2
    assert predictions["score"].status == "drifted"
    assert all(min(row.reference_rows, row.current_rows) >= 20 and row.reasons for row in drifted)
    assert features["visit_days_90d"].effect >= 0.2
    assert any(reason.startswith("effect size") for reason in features["visit_days_90d"].reasons)
    assert {row.status for row in features.values()} <= {"drifted", "stable"}


def test_of_too_few_households_no_drift_is_said(
    opened: Opened, lakehouse: Lakehouse, shifted: dict[str, tuple[int, str]]
) -> None:
    champion = open_model_registry(opened.configuration).champion(name_of(opened, CHURN))
    assert champion is not None
    parameters = {**opened.configuration.parameters, "drift_minimum_rows": 1000}
    strict = replace(opened, configuration=opened.configuration.model_copy(update={"parameters": parameters}))

    (found,) = measure_prediction_drift(strict.configuration, lakehouse, MODEL_PROJECT, champion, NEWEST)

    assert (found.status, found.reasons) == ("too few rows", ("fewer than 1000 rows",))
    assert found.psi > 0.2


def test_scores_that_did_not_come_true_are_degraded_in_the_table_and_on_the_page(
    lakehouse: Lakehouse, shifted: dict[str, tuple[int, str]]
) -> None:
    rows = lakehouse.read(PERFORMANCE).where(F.col("model") == CHURN.name).collect()
    newest = [row for row in rows if row.measured_at == max(row.measured_at for row in rows)]
    path = re.search(r"Report: (\S+models-\S+\.html)", shifted["monitor"][1])
    assert path is not None

    assert {(row.status, row.in_use) for row in newest} == {("degraded", True)}
    assert {row.metric: row.value for row in newest}["auc"] == 0.0
    assert newest[0].households >= 20
    assert newest[0].reasons[0] == "auc is 0, at least 0.55 is needed"
    assert "<td class=bad>degraded: auc is 0, at least" in Path(path[1]).read_text(encoding="utf-8")
    assert re.search(r"came true on 2017-12-01: .*; degraded", shifted["monitor"][1])


def test_a_model_that_has_seen_every_month_is_not_trained_anew_however_much_has_drifted(
    shifted: dict[str, tuple[int, str]],
) -> None:
    """A season differs from its training on the first day already; what would be learned is what is known."""
    code, words = shifted["nothing new"]

    assert code == 0
    assert "household_churn has drifted or is degraded, and is not trained: version 2 has not seen 0" in words
    assert f"{CHURN.name} version 3" not in words


def test_a_model_that_has_drifted_is_trained_anew_and_waits_for_approval(
    opened: Opened, said: dict[str, Any], shifted: dict[str, tuple[int, str]]
) -> None:
    code, words = shifted["train"]
    registry, name = open_model_registry(opened.configuration), name_of(opened, CHURN)
    champion, challenger = registry.champion(name), registry.challenger(name)

    assert code == 0, words
    assert champion is not None
    assert challenger is not None
    assert (champion.version, challenger.version) == (1, 3)
    assert f"{CHURN.name} version 3" in words
    assert SPEND.name not in words


def test_a_degraded_model_is_trained_anew_though_nothing_has_drifted(
    lakehouse: Lakehouse, shifted: dict[str, tuple[int, str]]
) -> None:
    lakehouse.spark.sql(f"UPDATE {lakehouse.identifier(DRIFT)} SET status = 'stable'")

    assert find_drift(lakehouse, MODEL_PROJECT, CHURN) == ["performance"]
    assert find_drift(lakehouse, MODEL_PROJECT, SPEND) == []


def test_nothing_is_trained_where_nothing_has_drifted_and_an_earlier_champion_was_degraded(
    command: Command, lakehouse: Lakehouse, shifted: dict[str, tuple[int, str]]
) -> None:
    lakehouse.spark.sql(f"UPDATE {lakehouse.identifier(DRIFT)} SET status = 'stable'")
    lakehouse.spark.sql(f"UPDATE {lakehouse.identifier(PERFORMANCE)} SET version = version + 100")

    code, words = command("train", "--if-drifted", "--trials=1")

    assert code == 0
    assert "no model is trained" in words
