"""Models in a registry of this machine: what they answer, who answers, and who takes over. Without Spark."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
from databricks_utils.cli import command_line
from databricks_utils.cli.model_commands import model_commands
from databricks_utils.cli.project import Opened, Project
from databricks_utils.config import Serving
from databricks_utils.errors import InvalidInput
from databricks_utils.features import OnlineRow, OnlineStore, OtherDefinitions
from databricks_utils.models import (
    FAMILIES,
    Family,
    Gate,
    ModelDefinition,
    ModelProject,
    ModelRegistry,
    ModelVersion,
    asks_challenger,
    predict,
)
from databricks_utils.models.experiment import TrainingData, log_model, open_experiment, run_training
from databricks_utils.models.families import Array
from databricks_utils.models.versions import (
    Contender,
    UnusableModel,
    load_version,
    open_model_registry,
    project_name,
    registered_name,
)
from databricks_utils.serving import AssignmentLog, scorer
from databricks_utils.serving.scorer import Scorer, answer_request, open_scorer

from {{ cookiecutter.package_name }}.__main__ import PROJECT
from {{ cookiecutter.package_name }}.features.registry import COLUMNS, TABLES, feature_registry
from {{ cookiecutter.package_name }}.models.definitions import CHURN, MODELS, SPEND
from {{ cookiecutter.package_name }}.models.project import MODEL_PROJECT

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT.package_folder.name
HOUSEHOLDS = range(1, 101)
MOMENT = datetime(2018, 1, 2, tzinfo=timezone.utc)


class Shelf:
    """Stands in for the online store: a household's features follow from its number, and some are not known.

    Args:
        age: Of every row; None where there are none.
        expired: Whether rows are too old for their table.
    """

    def __init__(self, age: timedelta | None = timedelta(hours=1), *, expired: bool = False) -> None:
        self.age, self.expired = age, expired

    def find(self, name: str, entity: tuple[int], *, at: datetime) -> OnlineRow:
        columns = next(table.columns for table in TABLES if table.name == name)
        draw = np.random.default_rng([*entity, len(columns)])
        values = {column: None if draw.random() < 0.1 else float(draw.normal()) for column in columns}
        unknown = self.age is None or self.expired
        since = None if self.age is None else at - self.age
        return OnlineRow(dict.fromkeys(columns) if unknown else values, since, self.expired)


class Home:
    """An environment whose registry holds no model at first.

    Args:
        own: Configuration values of the tests.
        name: Its schema of gold, which the names of models contain.
    """

    def __init__(self, own: Mapping[str, str], name: str) -> None:
        self.project: Project[Any] = PROJECT
        self.values = {**own, "schemas.gold": name, "parameters.reasons": "0"}
        self.opened: Opened = PROJECT.open("local", str(ROOT), **self.values)
        self.registry: ModelRegistry = open_model_registry(self.opened.configuration)

    def name(self, model: ModelDefinition) -> str:
        return registered_name(self.opened.configuration, MODEL_PROJECT, model)

    def champion(self, model: ModelDefinition) -> int | None:
        found = self.registry.champion(self.name(model))
        return None if found is None else found.version

    def train(self, model: ModelDefinition, seed: int) -> ModelVersion:
        return self.learn(model, example_data(seed), seed)

    def learn(self, model: ModelDefinition, data: TrainingData, seed: int) -> ModelVersion:
        found, _ = run_training(
            self.opened.configuration,
            MODEL_PROJECT,
            self.registry,
            model,
            data,
            experiment="tests",
            trials=1,
            seed=seed,
        )
        return found

    def adopt(self, model: ModelDefinition, other: Home) -> None:
        """Register another environment's champion here too, which takes no time as a training does."""
        found = other.registry.champion(other.name(model))
        assert found is not None
        self.registry.register(self.name(model), found.run_id, found.source)

    def command(self, *words: str, **more: str) -> tuple[int, str]:
        settings = [f"--set={key}={value}" for key, value in {**self.values, **more}.items()]
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = command_line(self.project, [*words, f"--project={ROOT}", *settings])
        return code, said.getvalue()


def example_data(seed: int) -> TrainingData:
    """Return three months of households, whose first feature tells most of what they do; a world for each seed."""
    moments = [datetime(2017, month, 1, tzinfo=timezone.utc) for month in (9, 10, 11)]
    draw, size = np.random.default_rng(seed), 60
    rows = pd.DataFrame(draw.normal(size=(len(moments) * size, len(COLUMNS))), columns=list(COLUMNS))
    rows["household_id"] = np.tile(np.arange(size), len(moments))
    rows["observed_at"] = np.repeat(np.array([moment.replace(tzinfo=None) for moment in moments]), size)
    truth = rows[COLUMNS[0]] + draw.normal(size=len(rows))
    rows["churned"] = (truth > 0).astype(int)
    rows["next_spend"] = 100 + 10 * truth
    rows.loc[::7, COLUMNS[1]] = np.nan
    return TrainingData(rows, moments, {})


def features_of(rows: int = 40) -> Array:
    features = np.random.default_rng(8).normal(size=(rows, len(COLUMNS)))
    features[::3, :5] = np.nan
    return features


def fitted(family: Family, model: ModelDefinition) -> Any:
    data = example_data(3).rows
    return family.estimator(model.kind, {}, 3).fit(data[list(COLUMNS)].to_numpy(), data[model.label].to_numpy())


def registered(
    home: Home, family: Family, model: ModelDefinition, estimator: Any, columns: tuple[str, ...] = COLUMNS
) -> ModelVersion:
    """Register an estimator without the search and the measurements of a training."""
    import mlflow

    mlflow.set_experiment(experiment_id=open_experiment(home.opened.configuration, "tests"))
    with mlflow.start_run() as run:
        address = log_model(family, estimator, columns)
    return home.registry.register(home.name(model), run.info.run_id, address)


def scorer_of(contenders: Mapping[str, tuple[ModelDefinition, Contender, Contender | None]], share: float) -> Scorer:
    return Scorer(MODEL_PROJECT, cast("OnlineStore", Shelf()), contenders, share, "autumn")


def opened_scorer(opened: Opened, share: float) -> Scorer:
    features = feature_registry(opened.contracts)
    return open_scorer(opened.configuration, MODEL_PROJECT, features, share=share, experiment="autumn")


@pytest.fixture
def home(own: dict[str, str], request: pytest.FixtureRequest) -> Home:
    """Return an environment of the test's own."""
    return Home(own, f"gold_{abs(hash(request.node.nodeid))}")


@pytest.fixture(scope="module")
def rivals(own: dict[str, str]) -> Home:
    """Return an environment where each model has a champion, version 1, and a challenger, version 2, that differ."""
    home = Home(own, "gold_rivals")
    for model in MODELS:
        home.train(model, seed=1)
    assert home.command("promote", "--approved-by=Ann")[0] == 0
    for model in MODELS:
        home.train(model, seed=2)
    return home


@pytest.mark.parametrize("family", list(FAMILIES.values()), ids=list(FAMILIES))
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_mlflow_alone_answers_with_the_numbers_that_the_project_gives(
    home: Home, family: Family, model: ModelDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.pyfunc

    estimator, features = fitted(family, model), features_of()
    version = registered(home, family, model, estimator)
    ours = load_version(version, COLUMNS).answer(features)
    for name in [name for name in sys.modules if name.partition(".")[0] in (PACKAGE, "databricks_utils")]:
        monkeypatch.setitem(sys.modules, name, None)

    found = mlflow.pyfunc.load_model(version.uri)
    theirs = found.predict(features)

    assert theirs.dtype == np.float64
    assert theirs.tolist() == ours.tolist() == predict(model, estimator, features).tolist()
    assert found.metadata.signature.outputs.to_dict()[0]["tensor-spec"] == {"dtype": "float64", "shape": (-1,)}
    assert len(set(theirs)) > 10
    assert model is SPEND or (theirs.min() >= 0 and theirs.max() <= 1)


def test_a_registered_model_needs_packages_of_an_index_only(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.artifacts

    monkeypatch.chdir(ROOT)

    version = registered(home, FAMILIES["scikit-learn"], CHURN, fitted(FAMILIES["scikit-learn"], CHURN))

    files = Path(mlflow.artifacts.download_artifacts(version.uri))
    needed = (files / "requirements.txt").read_text(encoding="utf-8").split()

    assert not (files / "uv.lock").exists()
    assert sorted(line.partition("==")[0] for line in needed) == ["mlflow", "numpy", "scikit-learn"]
    assert all(line.partition("==")[2] for line in needed)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (COLUMNS[1:], f"without {COLUMNS[0]}"),
        ((*COLUMNS, "visits_to_the_moon"), "with visits_to_the_moon, which there is no longer"),
        (COLUMNS[::-1], "in another order"),
        ((), "features that it does not name"),
    ],
    ids=["fewer", "more", "another order", "not said"],
)
def test_a_model_of_other_features_is_refused_before_it_answers(
    home: Home, columns: tuple[str, ...], said: str
) -> None:
    family = FAMILIES["lightgbm"]
    version = registered(home, family, CHURN, fitted(family, CHURN), columns)

    with pytest.raises(InvalidInput, match="train, then promote") as caught:
        load_version(version, COLUMNS)

    assert said in str(caught.value)
    assert version.uri in str(caught.value)


@pytest.mark.parametrize(
    "models",
    [
        replace(MODEL_PROJECT, horizon_days=45),
        replace(MODEL_PROJECT, about="households active for 45 days"),
        replace(MODEL_PROJECT, models=tuple(replace(model, label_version=2) for model in MODELS)),
    ],
    ids=["horizon", "population", "version of the label"],
)
def test_a_version_that_has_learned_another_label_neither_answers_nor_is_promoted(
    home: Home, rivals: Home, models: ModelProject
) -> None:
    """Its scores say what happens in 30 days, and would be measured by what has happened in 60."""
    home.adopt(CHURN, rivals)
    version = home.registry.challenger(home.name(CHURN))
    assert version is not None
    features = feature_registry(home.opened.contracts)
    load_version(version, COLUMNS, MODEL_PROJECT.meanings(features))

    home.project = replace(PROJECT, commands=model_commands(PROJECT, models))
    code, said = home.command("promote", "--model=household_churn", "--approved-by=Ann")

    assert (code, home.champion(CHURN)) == (2, None), said
    assert "label churned is defined otherwise by now" in said
    with pytest.raises(OtherDefinitions, match=r"(?s)label churned is defined otherwise.*train, then promote"):
        load_version(version, COLUMNS, models.meanings(features))


def test_each_household_is_answered_by_the_model_that_its_number_draws(rivals: Home) -> None:
    import mlflow.pyfunc

    contenders = {}
    for model in MODELS:
        name = rivals.name(model)
        champion, challenger = rivals.registry.champion(name), rivals.registry.challenger(name)
        assert champion is not None
        assert challenger is not None
        contenders[model.name] = (model, load_version(champion, COLUMNS), load_version(challenger, COLUMNS))
    one, other = scorer_of(contenders, 0.5), scorer_of(contenders, 0.5)
    alone = {
        (model.name, number): mlflow.pyfunc.load_model(f"models:/{rivals.name(model)}/{number}")
        for model in MODELS
        for number in (1, 2)
    }

    drawn = {}
    for household in HOUSEHOLDS:
        answer = one.score(household, MOMENT)
        assert answer == one.score(household, MOMENT) == other.score(household, MOMENT)
        assert answer["known"]
        row = one.features(household)
        for name, said in answer["models"].items():
            assert said["score"] == alone[name, said["version"]].predict(row)[0]
            assert said["score"] != alone[name, 3 - said["version"]].predict(row)[0]
        versions = {said["version"] for said in answer["models"].values()}
        assert versions == {2 if asks_challenger((household,), share=0.5, experiment="autumn") else 1}
        drawn[household] = versions.pop()

    assert 30 < sum(version == 2 for version in drawn.values()) < 70


@pytest.mark.parametrize(("share", "versions"), [(0.0, {1}), (1.0, {2})])
def test_no_share_leaves_all_to_the_champion_and_a_full_one_to_the_challenger(
    rivals: Home, monkeypatch: pytest.MonkeyPatch, share: float, versions: set[int]
) -> None:
    monkeypatch.setattr(scorer, "OnlineStore", lambda *_: Shelf())
    answering = opened_scorer(rivals.opened, share)

    answers = [answering.score(household)["models"] for household in HOUSEHOLDS]

    assert {said["version"] for answer in answers for said in answer.values()} == versions


def test_a_comparison_notes_every_household_on_the_side_that_answered_it_and_wants_a_place_for_that(
    rivals: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Afterwards nobody could tell who got which side: the share may have changed, and the challenger be champion."""
    monkeypatch.setattr(scorer, "OnlineStore", lambda *_: Shelf())
    own = {**rivals.values, "models.assignments": str(tmp_path / "assignments.db")}
    answering = opened_scorer(PROJECT.open("local", str(ROOT), **own), 0.5)

    answers = {household: answering.score(household, MOMENT)["models"] for household in HOUSEHOLDS}

    noted = AssignmentLog(tmp_path / "assignments.db").read("autumn")
    assert {(item.entity, item.model): (item.version, item.score) for item in noted} == {
        (household, name): (said["version"], said["score"])
        for household, models in answers.items()
        for name, said in models.items()
    }
    assert {(item.arm, item.version) for item in noted} == {("champion", 1), ("challenger", 2)}
    assert {(item.known, item.at) for item in noted} == {(True, MOMENT)}
    nowhere = PROJECT.open("local", str(ROOT), **{**own, "models.assignments": "null"})
    with pytest.raises(InvalidInput, match="needs a file for its assignments"):
        opened_scorer(nowhere, 0.5)


def test_a_model_that_breaks_off_is_an_answer_in_words(rivals: Home) -> None:
    class Broken:
        estimator = None

        def predict(self, context: object, features: Array) -> Array:
            raise ValueError("X has 120 features, but 7 are expected")

    champion = rivals.registry.champion(rivals.name(CHURN))
    assert champion is not None
    broken = scorer_of({CHURN.name: (CHURN, Contender(champion, Broken()), None)}, 0.0)

    reply = answer_request(broken, json.dumps({"household_id": 113}).encode())
    answer = reply.content

    assert reply.status == 503
    assert "gives no answer: X has 120 features" in answer["error"]
    assert champion.uri in answer["error"]
    assert "train again and promote" in answer["error"]


@pytest.mark.parametrize("strange", [float("nan"), float("inf")])
def test_an_answer_that_is_no_number_is_none_for_many_households_as_for_one(rivals: Home, strange: float) -> None:
    """In a table of scores it would be a number like the others, until somebody takes its mean."""

    class Odd:
        estimator = None

        def predict(self, context: object, features: Array) -> Array:
            return np.where(np.arange(len(features)) == 0, strange, 0.5)

    champion = rivals.registry.champion(rivals.name(CHURN))
    assert champion is not None

    for ask, said in ((Contender.number, "of 1 of 1"), (Contender.answer, "of 1 of 3")):
        with pytest.raises(UnusableModel, match=f"The model answers {strange}, {said} entities"):
            ask(Contender(champion, Odd()), features_of(1 if ask is Contender.number else 3))


@pytest.mark.parametrize(
    ("shelf", "most", "known", "age", "because"),
    [
        (Shelf(timedelta(hours=30)), None, True, 30.0, None),
        (Shelf(timedelta(hours=30)), 36.0, True, 30.0, None),
        (Shelf(timedelta(hours=30)), 24.0, False, 30.0, "is older than 24 hours"),
        (Shelf(timedelta(days=9), expired=True), None, False, 216.0, "is older than 7 days"),
        (Shelf(None), None, False, None, "has no row of it"),
    ],
    ids=["fresh", "fresh enough", "older than wanted", "too old", "a stranger"],
)
def test_an_answer_says_how_far_a_household_is_known_and_a_configuration_may_refuse_it(
    rivals: Home, shelf: Shelf, most: float | None, known: bool, age: float | None, because: str | None
) -> None:
    """A model has a number for everybody; that nothing stands behind it is to be seen nowhere else."""
    champion = rivals.registry.champion(rivals.name(CHURN))
    assert champion is not None
    contenders = {CHURN.name: (CHURN, load_version(champion, COLUMNS), None)}
    answering, refusing = (
        Scorer(MODEL_PROJECT, cast("OnlineStore", shelf), contenders, 0.0, "autumn", Serving.model_validate(rules))
        for rules in (
            {"unknown": "answer", "maximum_age_hours": most},
            {"unknown": "refuse", "maximum_age_hours": most},
        )
    )
    body = b'{"household_id": 113, "at": "2018-01-02T00:00:00Z"}'

    reply, refused = answer_request(answering, body), answer_request(refusing, body)
    said = reply.content

    assert (reply.status, said["known"], said["features_age_hours"]) == (200, known, age)
    assert (said["features_as_of"] is None) == (age is None)
    assert because is None or because in said["unknown_because"]
    assert refused.status == (200 if known else 422)
    assert known or because is None or because in refused.content["detail"]


@pytest.mark.parametrize("words", [("serve", "--port=0"), ("monitor",), ("score",), ("champions",)], ids=" ".join)
def test_without_a_champion_a_command_says_what_to_do(home: Home, words: tuple[str, ...]) -> None:
    code, said = home.command(*words)

    assert code == 2
    assert "household_churn has no champion" in said
    assert "promote --model household_churn" in said
    assert "Traceback" not in said


def test_closed_gates_leave_the_champion_and_the_next_model_is_promoted_all_the_same(home: Home, rivals: Home) -> None:
    for model in MODELS:
        home.adopt(model, rivals)
    assert home.command("promote", "--approved-by=Ann")[0] == 0
    for model in MODELS:
        home.adopt(model, rivals)

    code, said = home.command("promote", "--approved-by=Ann", **{"parameters.churn_least_auc": "1.01"})

    assert code == 3
    assert "household_churn version 2 stays challenger" in said
    assert "at least 1.01 is needed" in said
    assert (home.champion(CHURN), home.champion(SPEND)) == (1, 2)


def test_a_rollback_brings_the_champion_before_back_and_keeps_who_and_why(home: Home, rivals: Home) -> None:
    import mlflow

    for _ in range(2):
        home.adopt(CHURN, rivals)
        assert home.command("promote", "--model=household_churn", "--approved-by=Ann")[0] == 0
    assert home.champion(CHURN) == 2

    code, said = home.command("rollback", "--model=household_churn", "--by=Bob", "--because=complaints")

    assert (code, home.champion(CHURN)) == (0, 1)
    assert "household_churn version 1 is champion again" in said
    tags = mlflow.MlflowClient().get_model_version(home.name(CHURN), "2").tags
    assert (tags["rolled_back_by"], tags["rolled_back_because"]) == ("Bob", "complaints")


@pytest.mark.parametrize(
    ("spoilt", "code", "words"),
    [("redefined", 2, "is defined otherwise by now"), ("gone", 1, "The model cannot be loaded")],
)
def test_a_version_that_cannot_answer_for_the_features_of_today_comes_back_neither_by_rollback_nor_by_promotion(
    home: Home, rivals: Home, spoilt: str, code: int, words: str
) -> None:
    """The alias moves last: the champion of before is in use until the one that follows has answered."""
    import mlflow

    name, marks = home.name(CHURN), {f"{TABLES[0].name}.{COLUMNS[0]}": "0" * 16} if spoilt == "redefined" else {}
    data = replace(example_data(5), definitions=marks)
    first = home.learn(CHURN, data, 5)
    gates = [Gate("test_auc", at_least=0.0)]
    home.registry.promote(home.registry.evaluate(name, gates), "Ann")
    home.adopt(CHURN, rivals)
    home.registry.promote(home.registry.evaluate(name, gates), "Ann")
    if spoilt == "gone":
        place = mlflow.get_logged_model(first.source.rpartition("/")[2]).artifact_location
        shutil.rmtree(unquote(urlsplit(place).path))

    back = home.command("rollback", "--model=household_churn", "--by=Bob", "--because=complaints")
    still = home.champion(CHURN)
    home.registry.register(name, first.run_id, first.source)
    forth = home.command("promote", "--model=household_churn", "--approved-by=Ann")

    assert (still, home.champion(CHURN)) == (2, 2)
    for got, said in (back, forth):
        assert (got, words in said, "Traceback" in said) == (code, True, False), said
    assert "rolled_back_by" not in mlflow.MlflowClient().get_model_version(name, "2").tags


def test_an_endpoint_gets_the_versions_of_champion_and_challenger_and_the_champion_s_where_none_waits(
    rivals: Home, home: Home
) -> None:
    for model in MODELS:
        home.adopt(model, rivals)
    home.command("promote", "--approved-by=Ann")

    both, alone = rivals.command("champions"), home.command("champions")

    assert both == (
        0,
        "export BUNDLE_VAR_household_churn_version=1\nexport BUNDLE_VAR_household_churn_challenger_version=2\n"
        "export BUNDLE_VAR_household_spend_version=1\nexport BUNDLE_VAR_household_spend_challenger_version=2\n",
    )
    assert alone == (0, both[1].replace("=2", "=1"))


def prefixed(home: Home) -> dict[str, str]:
    """Return what the bundle hands over in the development target, where it renames models."""
    return {f"models.registered.{model.name}": f"dev_ann_{model.name}" for model in MODELS}


def test_models_are_found_under_the_names_that_the_bundle_gives_them(home: Home, rivals: Home) -> None:
    """Registered under their own names, versions would lie beside the models of the bundle, whose grants they lack."""
    renamed = PROJECT.open("local", str(ROOT), **{**home.values, **prefixed(home)})
    names = {model: registered_name(renamed.configuration, MODEL_PROJECT, model) for model in MODELS}
    for model in MODELS:
        found = rivals.registry.champion(rivals.name(model))
        assert found is not None
        home.registry.register(names[model], found.run_id, found.source)

    code, said = home.command("promote", "--approved-by=Ann", **prefixed(home))

    assert code == 0, said
    for model, name in names.items():
        champion = home.registry.champion(name)
        assert champion is not None
        assert name.endswith(f".dev_ann_{model.name}")
        assert project_name(renamed.configuration, MODEL_PROJECT, champion) == model.name
        assert home.champion(model) is None


def test_a_name_for_a_model_that_there_is_not_is_refused(home: Home) -> None:
    code, said = home.command("champions", **{"models.registered.household_chrun": "x"})

    assert code == 2
    assert "There is no model 'household_chrun'" in said


@pytest.mark.parametrize("words", [("score",), ("monitor",), ("champions",)], ids=" ".join)
def test_a_model_that_was_never_promoted_ends_a_task_of_the_job_well_and_says_what_is_next(
    home: Home, words: tuple[str, ...]
) -> None:
    """The first promotion of a new project would fail in the job, before anybody could train."""
    code, said = home.command(*words, "--unless-new")

    assert code == 0, said
    assert "household_churn is new: no version was ever promoted" in said
    assert "promote --model household_churn" in said
    assert "BUNDLE_VAR" not in said


@pytest.mark.parametrize("words", [("score",), ("monitor",), ("champions",)], ids=" ".join)
def test_a_champion_that_is_gone_fails_a_task_of_the_job_all_the_same(
    home: Home, rivals: Home, words: tuple[str, ...]
) -> None:
    import mlflow

    for model in MODELS:
        home.adopt(model, rivals)
    home.command("promote", "--approved-by=Ann")
    mlflow.MlflowClient().delete_registered_model_alias(home.name(CHURN), "champion")

    code, said = home.command(*words, "--unless-new")

    assert code == 2
    assert "household_churn has no champion" in said
