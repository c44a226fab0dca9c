"""A small scoring service: features from the online store, the champion or the challenger by household.

It listens on this machine only. On Databricks a serving endpoint does this work (serving/endpoint.yml).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click
import numpy as np
from databricks_utils.cli import Opened
from databricks_utils.config import Serving
from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.features import OnlineRow, OnlineStore, OtherDefinitions
from databricks_utils.models import asks_challenger
from databricks_utils.models.comparison import Side
from numpy.typing import NDArray

from {{ cookiecutter.package_name }}.features.registry import TABLES, feature_registry
from {{ cookiecutter.package_name }}.models.assignments import Assignment, AssignmentLog
from {{ cookiecutter.package_name }}.models.definitions import MODELS, ModelDefinition
from {{ cookiecutter.package_name }}.models.places import (
    Contender,
    champion_of,
    definitions_of,
    full_name,
    loaded,
    registry_of,
)
from {{ cookiecutter.package_name }}.models.service import LOOPBACK, Reply, Route, Service, problem

#: The table that says whether a household is known: examples and scores are of households that it has a row of.
KNOWN_BY = TABLES[0]
#: Opening brackets that a body may have; a request has one.
_DEEPEST = 20
_ASK = 'Send {"household_id": 113}'


class NoRequest(ValueError):
    """A body that asks nothing which could be answered."""


class UnknownHousehold(LakehouseError):
    """A household of which nothing may be used, where the configuration wants no score of such."""


@dataclass(frozen=True)
class Request:
    """What is asked.

    Args:
        household: Its number.
        at: The moment, now where none is given.
    """

    household: int
    at: datetime | None = None


@dataclass(frozen=True)
class Known:
    """Features of one household, and how far they are known.

    Args:
        row: One row in the order that models were trained with; NaN where nothing is known.
        known: Whether the household has a row in `KNOWN_BY` that is not too old.
        as_of: From when on that row could be used; None where there is none.
        age: Since then.
        because: Why it is not known, for people.
    """

    row: NDArray[np.float64]
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
    """Answers for one household.

    Args:
        store: Newest features.
        contenders: Champion, and challenger where there is one, by model.
        share: Part of the households that a challenger answers for.
        experiment: Name of the comparison.
        serving: What is said of a household that is not known.
        log: Where answers are noted while a challenger has a share.
    """

    store: OnlineStore
    contenders: Mapping[str, tuple[ModelDefinition, Contender, Contender | None]]
    share: float
    experiment: str
    serving: Serving = field(default_factory=lambda: Serving.model_validate({}))
    log: AssignmentLog | None = None

    def known(self, household: int, at: datetime | None = None) -> Known:
        """Return the features of a household with their age."""
        moment = at or datetime.now(timezone.utc)
        found = {table.name: self.store.find(table.name, (household,), at=moment) for table in TABLES}
        values: list[Any] = [value for row in found.values() for value in row.values.values()]
        row = np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)
        base = found[KNOWN_BY.name]
        age = None if base.available_at is None else moment - base.available_at
        because = self._unknown(base, age)
        return Known(row, not because, base.available_at, age, because)

    def features(self, household: int, at: datetime | None = None) -> NDArray[np.float64]:
        """Return one row of features in the order that models were trained with; NaN where nothing is known."""
        return self.known(household, at).row

    def score(self, household: int, at: datetime | None = None) -> dict[str, Any]:
        """Return what each model says of a household, which version said it, and how far the household is known.

        While a challenger has a share, the answer is noted before it is given.

        Raises:
            LostAssignment: It could not be noted.
            UnknownHousehold: It is not known, and the configuration says to refuse.
        """
        moment = at or datetime.now(timezone.utc)
        found, answer = self.known(household, moment), {}
        noted: list[Assignment] = []
        if not found.known and self.serving.unknown == "refuse":
            hint = "Run features, or set models.serving.unknown to answer"
            raise UnknownHousehold(f"Nothing is known: {found.because}", where=f"household {household}", hint=hint)
        for name, (_, champion, challenger) in self.contenders.items():
            asked = challenger is not None and asks_challenger(
                (household,), share=self.share, experiment=self.experiment
            )
            contender = challenger if asked and challenger is not None else champion
            number, version = contender.number(found.row), contender.version.version
            answer[name] = {"score": number, "version": version}
            if challenger is not None:
                arm: Side = "challenger" if asked else "champion"
                noted.append(Assignment(self.experiment, name, household, arm, version, number, found.known, moment))
        if self.log is not None:
            self.log.note(noted)
        return {"household_id": household, **found.described(), "models": answer}

    def _unknown(self, row: OnlineRow, age: timedelta | None) -> str:
        """Return why a household counts as unknown; nothing where it does not."""
        most = self.serving.maximum_age_hours
        if age is None:
            return f"{KNOWN_BY.name} has no row of it"
        if row.expired:
            return f"its row in {KNOWN_BY.name} is older than {KNOWN_BY.ttl_days} days"
        if most is not None and age > timedelta(hours=most):
            return f"its row in {KNOWN_BY.name} is older than {most:g} hours"
        return ""


def open_scorer(opened: Opened, *, share: float, experiment: str) -> Scorer:
    """Load store and models.

    Raises:
        InvalidInput: There is no online store, a model without champion, one that was trained on other features, or a
            share without a place to note who got which side.
    """
    path = opened.configuration.models.online_store
    if path is None:
        hint = "Set models.online_store, or ask the serving endpoint"
        raise InvalidInput("This environment has no online store here", where="config: models.online_store", hint=hint)
    assignments = opened.configuration.models.assignments
    if share and assignments is None:
        hint = "Set models.assignments, without which nobody can say later who got which side; or --share 0"
        raise InvalidInput(
            "A comparison needs a file for its assignments", where="config: models.assignments", hint=hint
        )
    log = AssignmentLog(Path(assignments)) if share and assignments is not None else None
    registry, features = registry_of(opened.configuration), feature_registry(opened.contracts)
    definitions, contenders = definitions_of(features), {}
    for model in MODELS:
        champion = champion_of(opened.configuration, registry, model)
        waiting = registry.challenger(full_name(opened.configuration, model)) if share else None
        second = None if waiting is None else loaded(waiting, definitions)
        contenders[model.name] = (model, loaded(champion, definitions), second)
    store = OnlineStore(Path(path), features)
    return Scorer(store, contenders, share, experiment, opened.configuration.models.serving, log)


def server_of(scorer: Scorer, port: int, *, patience: float = 10.0) -> Service:
    """Return a server on the loopback interface.

    Args:
        scorer: What answers.
        port: 0 takes any free one.
        patience: Seconds that a client has for its request.

    Raises:
        InvalidInput: The port is taken.
    """
    routes = {
        "/score": Route("POST", lambda body: Reply(*answered(scorer, body))),
        "/health": Route("GET", lambda _: health(scorer)),
    }
    try:
        return Service(port, routes, patience=patience)
    except OSError as error:
        hint = "Give another one; --port=0 takes any that is free"
        raise InvalidInput(f"{LOOPBACK}:{port} cannot be listened on: {error}", where="--port", hint=hint) from error


def health(scorer: Scorer) -> Reply:
    """Say whether a household could be scored now: 503 where the store is gone, cut or another one by now."""
    try:
        scorer.store.check()
    except LakehouseError as error:
        down = problem(503, str(error))
        return Reply(down.status, {**down.content, "state": "down"})
    return Reply(200, {"status": "up"})


def answered(scorer: Scorer, body: bytes) -> tuple[int, dict[str, Any]]:
    """Return status and answer to a request.

    400 for what is no request, 422 for a household that is refused, 503 for a store that cannot be read or was
    published from other definitions, and for a model that breaks off.
    """
    try:
        asked = request_of(body)
        return 200, scorer.score(asked.household, asked.at)
    except OtherDefinitions as error:
        # Nothing that the client could mend: the store was published from definitions that this process does not have.
        status, detail = 503, str(error)
    except (NoRequest, InvalidInput) as error:
        status, detail = 400, str(error)
    except UnknownHousehold as error:
        status, detail = 422, str(error)
    except LakehouseError as error:
        status, detail = 503, str(error)
    return status, dict(problem(status, detail).content)


def request_of(body: bytes) -> Request:
    """Return what a body asks: one JSON object of `household_id` and, if wanted, `at`.

    Raises:
        NoRequest: It is no UTF-8, no JSON as RFC 8259 has it, or another object.
    """
    if body.count(b"[") + body.count(b"{") > _DEEPEST:
        raise NoRequest(f"Too many brackets. {_ASK}")
    try:
        asked = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except NoRequest:
        raise
    except ValueError as error:
        raise NoRequest(f"This is no JSON: {error}. {_ASK}") from error
    if not isinstance(asked, dict) or "household_id" not in asked or not asked.keys() <= {"household_id", "at"}:
        raise NoRequest(f'{_ASK}, and "at" beside it where another moment than now is meant')
    household = asked["household_id"]
    if type(household) is not int or not -(2**63) <= household < 2**63:
        raise NoRequest("household_id is a whole number of 64 bits, and no text")
    return Request(household, _moment(asked["at"]) if "at" in asked else None)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NoRequest("A key stands there twice")
    return found


def _no_number(text: str) -> None:
    raise NoRequest(f"{text} is no number of JSON")


def _moment(text: object) -> datetime:
    try:
        # Python 3.10 does not know the Z.
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00")) if isinstance(text, str) else None
        moment = at.astimezone(timezone.utc) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise NoRequest('Write the moment with its offset, {"at": "2017-12-01T00:00:00+00:00"}')
    return moment


def serve_forever(opened: Opened, port: int, *, share: float, experiment: str) -> int:
    """Answer until somebody interrupts."""
    scorer = open_scorer(opened, share=share, experiment=experiment)
    server = server_of(scorer, port)
    for name, (_, _, challenger) in scorer.contenders.items():
        if share and challenger is None:
            click.echo(f"{name} has no challenger: its champion answers for everybody")
    click.echo(f"POST http://{LOOPBACK}:{server.server_address[1]}/score  (Ctrl-C ends it)")
    try:
        server.serve_forever()
    finally:
        server.server_close()
    return 0
