"""A small scoring service: features from the online store, the champion or the challenger by entity.

It listens on this machine only. On Databricks a serving endpoint does this work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from databricks_utils.config import Configuration, Serving
from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.features import FeatureRegistry, OnlineRow, OnlineStore, OtherDefinitions
from databricks_utils.models import ModelDefinition, ModelProject, asks_challenger
from databricks_utils.models.comparison import Side
from databricks_utils.models.families import Array
from databricks_utils.models.versions import (
    Contender,
    load_version,
    open_model_registry,
    registered_name,
    require_champion,
)
from databricks_utils.serving.assignments import Assignment, AssignmentLog
from databricks_utils.serving.request import InvalidRequest, parse_request
from databricks_utils.serving.service import LOOPBACK, Reply, Route, Service, problem


class UnknownEntity(LakehouseError):
    """An entity of which nothing may be used, where the configuration wants no score of such."""


@dataclass(frozen=True)
class Known:
    """Features of one entity, and how far they are known.

    Args:
        row: One row in the order that models were trained with; NaN where nothing is known.
        known: Whether the entity has a row in the project's first feature table that is not too old.
        as_of: From when on that row could be used; None where there is none.
        age: Since then.
        because: Why it is not known, for people.
    """

    row: Array
    known: bool
    as_of: datetime | None = None
    age: timedelta | None = None
    because: str = ""

    def described(self) -> dict[str, Any]:
        """Return what an answer says of the features."""
        said: dict[str, Any] = {"known": self.known}
        if not self.known:
            said["unknown_because"] = self.because
        said["features_as_of"] = None if self.as_of is None else self.as_of.isoformat()
        said["features_age_hours"] = None if self.age is None else round(self.age / timedelta(hours=1), 1)
        return said


@dataclass(frozen=True)
class Scorer:
    """Answers for one entity.

    Args:
        project: Whose features and models they are.
        store: Newest features.
        contenders: Champion, and challenger where there is one, by model.
        share: Part of the entities that a challenger answers for.
        experiment: Name of the comparison.
        serving: What is said of an entity that is not known.
        log: Where answers are noted while a challenger has a share.
    """

    project: ModelProject
    store: OnlineStore
    contenders: Mapping[str, tuple[ModelDefinition, Contender, Contender | None]]
    share: float
    experiment: str
    serving: Serving = field(default_factory=lambda: Serving.model_validate({}))
    log: AssignmentLog | None = None

    def look_up(self, entity: int, at: datetime | None = None) -> Known:
        """Return the features of an entity with their age."""
        moment = at or datetime.now(timezone.utc)
        found = {table.name: self.store.find(table.name, (entity,), at=moment) for table in self.project.tables}
        values: list[Any] = [value for row in found.values() for value in row.values.values()]
        row = np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)
        base = found[self.project.tables[0].name]
        age = None if base.available_at is None else moment - base.available_at
        because = self._unknown(base, age)
        return Known(row, not because, base.available_at, age, because)

    def features(self, entity: int, at: datetime | None = None) -> Array:
        """Return one row of features in the order that models were trained with; NaN where nothing is known."""
        return self.look_up(entity, at).row

    def score(self, entity: int, at: datetime | None = None) -> dict[str, Any]:
        """Return what each model answers for an entity, which version answered, and how far the entity is known.

        While a challenger has a share, the answer is noted before it is given.

        Raises:
            LostAssignment: It could not be noted.
            UnknownEntity: It is not known, and the configuration says to refuse.
        """
        moment = at or datetime.now(timezone.utc)
        found, answer = self.look_up(entity, moment), {}
        noted: list[Assignment] = []
        if not found.known and self.serving.unknown == "refuse":
            hint = "Run features, or set models.serving.unknown to answer"
            raise UnknownEntity(f"Nothing is known: {found.because}", where=f"{self.project.key} {entity}", hint=hint)
        for name, (_, champion, challenger) in self.contenders.items():
            asked = challenger is not None and asks_challenger((entity,), share=self.share, experiment=self.experiment)
            contender = challenger if asked and challenger is not None else champion
            number, version = contender.number(found.row), contender.version.version
            answer[name] = {"score": number, "version": version}
            if challenger is not None:
                arm: Side = "challenger" if asked else "champion"
                noted.append(Assignment(self.experiment, name, entity, arm, version, number, found.known, moment))
        if self.log is not None:
            self.log.note(noted)
        return {self.project.key: entity, **found.described(), "models": answer}

    def _unknown(self, row: OnlineRow, age: timedelta | None) -> str:
        """Return why an entity counts as unknown; nothing where it does not."""
        most, table = self.serving.maximum_age_hours, self.project.tables[0]
        if age is None:
            return f"{table.name} has no row of it"
        if row.expired:
            return f"its row in {table.name} is older than {table.ttl_days} days"
        if most is not None and age > timedelta(hours=most):
            return f"its row in {table.name} is older than {most:g} hours"
        return ""


def open_scorer(
    configuration: Configuration, project: ModelProject, features: FeatureRegistry, *, share: float, experiment: str
) -> Scorer:
    """Load store and models.

    Args:
        configuration: Of the environment.
        project: Whose models answer.
        features: The checked definitions of its features.
        share: Part of the entities that challengers answer for, 0 to 1.
        experiment: Name of the comparison.

    Raises:
        InvalidInput: There is no online store, a model without champion, one that was trained on other features, or a
            share without a place to note who got which side.
    """
    path = configuration.models.online_store
    if path is None:
        hint = "Set models.online_store, or ask the serving endpoint"
        raise InvalidInput("This environment has no online store here", where="config: models.online_store", hint=hint)
    assignments = configuration.models.assignments
    if share and assignments is None:
        hint = "Set models.assignments, without which nobody can say later who got which side; or --share 0"
        raise InvalidInput(
            "A comparison needs a file for its assignments", where="config: models.assignments", hint=hint
        )
    log = AssignmentLog(Path(assignments)) if share and assignments is not None else None
    registry, columns = open_model_registry(configuration), project.columns
    definitions, contenders = project.meanings(features), {}
    for model in project.models:
        champion = require_champion(configuration, project, registry, model)
        waiting = registry.challenger(registered_name(configuration, project, model)) if share else None
        second = None if waiting is None else load_version(waiting, columns, definitions)
        contenders[model.name] = (model, load_version(champion, columns, definitions), second)
    store = OnlineStore(Path(path), features)
    return Scorer(project, store, contenders, share, experiment, configuration.models.serving, log)


def open_server(scorer: Scorer, port: int, *, patience: float = 10.0) -> Service:
    """Return a server on the loopback interface.

    Args:
        scorer: What answers.
        port: 0 takes any free one.
        patience: Seconds that a client has for its request.

    Raises:
        InvalidInput: The port is taken.
    """
    routes = {
        "/score": Route("POST", lambda body: answer_request(scorer, body)),
        "/health": Route("GET", lambda _: check_health(scorer)),
    }
    try:
        return Service(port, routes, patience=patience)
    except OSError as error:
        hint = "Give another one; --port=0 takes any that is free"
        raise InvalidInput(f"{LOOPBACK}:{port} cannot be listened on: {error}", where="--port", hint=hint) from error


def check_health(scorer: Scorer) -> Reply:
    """Say whether an entity could be scored now: 503 where the store is gone, cut or another one by now."""
    try:
        scorer.store.check()
    except LakehouseError as error:
        down = problem(503, str(error))
        return Reply(down.status, {**down.content, "state": "down"})
    return Reply(200, {"status": "up"})


def answer_request(scorer: Scorer, body: bytes) -> Reply:
    """Answer a request.

    400 for what is no request, 422 for an entity that is refused, 503 for a store that cannot be read or was
    published from other definitions, and for a model that breaks off.
    """
    try:
        asked = parse_request(body, scorer.project.key)
        return Reply(200, scorer.score(asked.entity, asked.at))
    except OtherDefinitions as error:
        # The client cannot correct that: the store was published from definitions that this process does not have.
        status, detail = 503, str(error)
    except (InvalidRequest, InvalidInput) as error:
        status, detail = 400, str(error)
    except UnknownEntity as error:
        status, detail = 422, str(error)
    except LakehouseError as error:
        status, detail = 503, str(error)
    return problem(status, detail)
