"""Champion and challenger in a registry of MLflow: the same calls on a laptop's sqlite file and in Unity Catalog."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from databricks_utils.errors import InvalidInput, MissingTool
from databricks_utils.models.gates import Gate, gate_failures

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
#: Tags of a version that tell its history.
APPROVED_BY, APPROVED_AT, REPLACED, EVALUATION = "approved_by", "approved_at", "replaced_version", "evaluation"
ROLLED_BACK_BY, ROLLED_BACK_AT, ROLLED_BACK_WHY = "rolled_back_by", "rolled_back_at", "rolled_back_because"


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model.

    Args:
        name: catalog.schema.model.
        version: From 1.
        run_id: The run that trained it.
        source: Where its files are.
        metrics: Those of the run.
        tags: Those of the version.
    """

    name: str
    version: int
    run_id: str
    source: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]

    @property
    def uri(self) -> str:
        """Address under which MLflow loads this very version, whatever the aliases say later."""
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True)
class Evaluation:
    """What the gates say of a challenger.

    Args:
        challenger: The version looked at.
        champion: The one it would replace, if any.
        failures: Why it does not pass; empty where it does.
    """

    challenger: ModelVersion
    champion: ModelVersion | None
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every gate lets it pass."""
        return not self.failures


def open_registry(tracking_uri: str, registry_uri: str | None = None) -> ModelRegistry:
    """Open a registry.

    Args:
        tracking_uri: For example `sqlite:///mlruns.db`, or `databricks`.
        registry_uri: `databricks-uc` for Unity Catalog; by default the tracking store's own.

    Raises:
        MissingTool: MLflow is not installed.
    """
    try:
        mlflow = importlib.import_module("mlflow")
    except ImportError as error:
        hint = "Install the library's extra: databricks-shared-utilities[models]"
        raise MissingTool("MLflow is not installed", where="open_registry", hint=hint) from error
    return ModelRegistry(mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=registry_uri or tracking_uri))


class ModelRegistry:
    """Registered models with one champion and at most one challenger each.

    Args:
        client: Of MLflow.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def register(self, name: str, run_id: str, source: str) -> ModelVersion:
        """Make a run's model the challenger; one that was there before is it no longer.

        Args:
            name: catalog.schema.model; it is made when absent.
            run_id: The run, whose metrics the gates look at.
            source: Where the run has put the model's files.

        Raises:
            InvalidInput: The name has not three parts.
        """
        if name.count(".") != 2 or not all(name.split(".")):
            hint = "Write catalog.schema.model, which holds on a laptop and in Unity Catalog"
            raise InvalidInput(f"{name!r} is not the name of a model", where="register", hint=hint)
        if not self._known(name):
            self._client.create_registered_model(name)
        made = self._client.create_model_version(name, source=source, run_id=run_id)
        self._client.set_registered_model_alias(name, CHALLENGER, made.version)
        return self._read(name, CHALLENGER)

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version in use; None where none has been promoted."""
        return self._find(name, CHAMPION)

    def challenger(self, name: str) -> ModelVersion | None:
        """Return the version that waits for promotion, if any."""
        return self._find(name, CHALLENGER)

    def ever_promoted(self, name: str) -> bool:
        """Say whether any version has ever been champion: without one, a missing champion is no fault yet."""
        quoted = name.replace("'", "''")
        found = self._answer(lambda: self._client.search_model_versions(f"name = '{quoted}'"))
        # A search gives no tags in Unity Catalog, so each version is asked for its own.
        return any(APPROVED_BY in self.version(name, int(item.version)).tags for item in found or ())

    def version(self, name: str, number: int) -> ModelVersion:
        """Return a version, whatever its part is by now.

        Raises:
            InvalidInput: The model has no such version.
        """
        found = self._answer(lambda: self._client.get_model_version(name, str(number)))
        if found is None:
            hint = "The registry's page of the model lists those there are"
            raise InvalidInput(f"There is no version {number}", where=f"model {name}", hint=hint)
        return self._described(found)

    def evaluate(self, name: str, gates: Sequence[Gate]) -> Evaluation:
        """Hold the challenger against the gates.

        Raises:
            InvalidInput: There is no challenger, or no gate.
        """
        challenger, champion = self.challenger(name), self.champion(name)
        if challenger is None or (champion and champion.version == challenger.version):
            raise InvalidInput(f"{name} has no challenger", where=f"model {name}", hint="Register a new version first")
        metrics = None if champion is None else champion.metrics
        failures = gate_failures(gates, challenger.metrics, metrics, challenger.version)
        return Evaluation(challenger, champion, failures)

    def promote(self, evaluation: Evaluation, approved_by: str) -> ModelVersion:
        """Make the challenger of an evaluation the champion.

        The change of the alias is the one moment at which it happens; whoever loads the champion gets the one or the
        other. What is noted before it can be noted again.

        Args:
            evaluation: From `evaluate`; the model must still be as it was then.
            approved_by: Who answers for it.

        Raises:
            InvalidInput: The gates do not let it pass, nobody approves, or champion or challenger has changed since.
        """
        challenger, name = evaluation.challenger, evaluation.challenger.name
        where = f"model {name}, version {challenger.version}"
        if evaluation.failures:
            hint = "Train a better one, or change the gates with a reason in their history"
            raise InvalidInput(f"The gates are closed: {'; '.join(evaluation.failures)}", where=where, hint=hint)
        if not approved_by.strip():
            raise InvalidInput("Nobody approves the promotion", where=where, hint="Say who in approved_by")
        if (_number(self.challenger(name)), _number(self.champion(name))) != (
            challenger.version,
            _number(evaluation.champion),
        ):
            raise InvalidInput("Champion or challenger has changed since", where=where, hint="Evaluate again")
        said = {"challenger": dict(challenger.metrics)}
        if evaluation.champion:
            said["champion"] = dict(evaluation.champion.metrics)
        notes = {APPROVED_BY: approved_by, APPROVED_AT: _now(), EVALUATION: json.dumps(said, sort_keys=True)}
        if evaluation.champion:
            notes[REPLACED] = str(evaluation.champion.version)
        self._note(name, challenger.version, notes)
        self._client.set_registered_model_alias(name, CHAMPION, str(challenger.version))
        self._client.delete_registered_model_alias(name, CHALLENGER)
        return self._read(name, CHAMPION)

    def roll_back(
        self, name: str, *, by: str, because: str, check: Callable[[ModelVersion], object] | None = None
    ) -> ModelVersion:
        """Bring back the champion before this one; again, the one before that.

        Args:
            name: catalog.schema.model.
            by: Who decides.
            because: Why; it is kept with the version that goes.
            check: Is given the version that comes back, before anything is changed: it loads it, say, and compares
                what it was trained on with the features of today. What it raises stops the rollback.

        Raises:
            InvalidInput: There is no champion, or none before it, or the reason is missing.
        """
        champion, where = self.champion(name), f"model {name}"
        if not by.strip() or not because.strip():
            raise InvalidInput("A rollback needs a name and a reason", where=where, hint="Give by and because")
        before = champion.tags.get(REPLACED) if champion else None
        if champion is None or before is None:
            hint = "Promote another version instead"
            raise InvalidInput("There is no champion to go back to", where=where, hint=hint)
        if check is not None:
            check(self.version(name, int(before)))
        notes = {ROLLED_BACK_BY: by, ROLLED_BACK_AT: _now(), ROLLED_BACK_WHY: because}
        self._note(name, champion.version, notes)
        self._client.set_registered_model_alias(name, CHAMPION, before)
        return self._read(name, CHAMPION)

    def _note(self, name: str, version: int, notes: Mapping[str, str]) -> None:
        for key, value in notes.items():
            self._client.set_model_version_tag(name, str(version), key, value)

    def _known(self, name: str) -> bool:
        return self._answer(lambda: self._client.get_registered_model(name)) is not None

    def _find(self, name: str, alias: str) -> ModelVersion | None:
        found = self._answer(lambda: self._client.get_model_version_by_alias(name, alias))
        return None if found is None else self._described(found)

    def _read(self, name: str, alias: str) -> ModelVersion:
        return self._described(self._client.get_model_version_by_alias(name, alias))

    def _described(self, found: Any) -> ModelVersion:
        metrics = self._client.get_run(found.run_id).data.metrics if found.run_id else {}
        return ModelVersion(
            found.name, int(found.version), found.run_id or "", found.source or "", dict(metrics), dict(found.tags)
        )

    @staticmethod
    def _answer(ask: Any) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return ask()
        except MlflowException as error:
            # A model or an alias that is not there; sqlite's store says the second with INVALID_PARAMETER_VALUE.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise


def _number(version: ModelVersion | None) -> int | None:
    return None if version is None else version.version


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
