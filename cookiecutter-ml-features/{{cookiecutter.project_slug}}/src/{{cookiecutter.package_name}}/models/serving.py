"""A small scoring service: features from the online store, the champion or the challenger by household.

It listens on this machine only. On Databricks a serving endpoint does this work (serving/endpoint.yml).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import numpy as np
from databricks_utils.cli import Opened
from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.features import OnlineStore
from databricks_utils.models import asks_challenger
from numpy.typing import NDArray

from {{ cookiecutter.package_name }}.features.registry import TABLES, feature_registry
from {{ cookiecutter.package_name }}.models.definitions import MODELS, ModelDefinition
from {{ cookiecutter.package_name }}.models.places import Contender, champion_of, full_name, loaded, registry_of

LOOPBACK = "127.0.0.1"
LONGEST_REQUEST = 10_000
A_LENGTH = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Scorer:
    """Answers for one household.

    Args:
        store: Newest features.
        contenders: Champion, and challenger where there is one, by model.
        share: Part of the households that a challenger answers for.
        experiment: Name of the comparison.
    """

    store: OnlineStore
    contenders: Mapping[str, tuple[ModelDefinition, Contender, Contender | None]]
    share: float
    experiment: str

    def features(self, household: int, at: datetime | None = None) -> NDArray[np.float64]:
        """Return one row of features in the order that models were trained with; NaN where nothing is known."""
        values: list[Any] = []
        for table in TABLES:
            values += self.store.look_up(table.name, (household,), at=at).values()
        return np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)

    def score(self, household: int, at: datetime | None = None) -> dict[str, Any]:
        """Return what each model says of a household, and which version said it."""
        row, answer = self.features(household, at), {}
        for name, (_, champion, challenger) in self.contenders.items():
            asked = challenger is not None and asks_challenger(
                (household,), share=self.share, experiment=self.experiment
            )
            contender = challenger if asked and challenger is not None else champion
            answer[name] = {"score": float(contender.answer(row)[0]), "version": contender.version.version}
        return {"household_id": household, "models": answer}


def open_scorer(opened: Opened, *, share: float, experiment: str) -> Scorer:
    """Load store and models.

    Raises:
        InvalidInput: There is no online store, a model without champion, or one that was trained on other features.
    """
    path = opened.configuration.models.online_store
    if path is None:
        hint = "Set models.online_store, or ask the serving endpoint"
        raise InvalidInput("This environment has no online store here", where="config: models.online_store", hint=hint)
    registry = registry_of(opened.configuration)
    contenders = {}
    for model in MODELS:
        champion = champion_of(opened.configuration, registry, model)
        waiting = registry.challenger(full_name(opened.configuration, model)) if share else None
        second = None if waiting is None else loaded(waiting)
        contenders[model.name] = (model, loaded(champion), second)
    return Scorer(OnlineStore(Path(path), feature_registry(opened.contracts)), contenders, share, experiment)


def server_of(scorer: Scorer, port: int) -> ThreadingHTTPServer:
    """Return a server on the loopback interface; port 0 takes any free one."""

    class Handler(BaseHTTPRequestHandler):
        """POST /score with {"household_id": number}; GET /health."""

        protocol_version = "HTTP/1.1"
        # Answers are written in two parts, and the second must not wait for the first to be acknowledged.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            """Say that the service is up."""
            self._answer(200 if self.path == "/health" else 404, {"status": "up"})

        def do_POST(self) -> None:
            """Score one household."""
            length = self.headers.get("Content-Length", "0")
            # Of a length below 0 the end would be waited for until the caller hangs up.
            if self.path != "/score" or not A_LENGTH.fullmatch(length) or int(length) > LONGEST_REQUEST:
                self.close_connection = True
                self._answer(404, {"error": "POST /score with a small body"})
                return
            status, answer = answered(scorer, self.rfile.read(int(length)))
            self._answer(status, answer)

        def log_message(self, format: str, *args: object) -> None:
            """Keep requests out of the terminal: household numbers are personal data."""

        def _answer(self, status: int, answer: Mapping[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer((LOOPBACK, port), Handler)


def answered(scorer: Scorer, body: bytes) -> tuple[int, dict[str, Any]]:
    """Return status and answer to a request.

    400 for what is no request; 503 for a store that cannot be read, and for a model that breaks off.
    """
    try:
        asked = json.loads(body)
        household = asked["household_id"]
        at = datetime.fromisoformat(asked["at"]) if "at" in asked else None
    except (ValueError, TypeError, KeyError):
        return 400, {"error": 'Send {"household_id": 113}'}
    if at is not None and at.tzinfo is None:
        return 400, {"error": 'Write the moment with its offset, {"at": "2017-12-01T00:00:00+00:00"}'}
    try:
        return 200, scorer.score(household, at)
    except InvalidInput as error:
        return 400, {"error": str(error)}
    except LakehouseError as error:
        return 503, {"error": str(error)}


def serve_forever(opened: Opened, port: int, *, share: float, experiment: str) -> int:
    """Answer until somebody interrupts."""
    server = server_of(open_scorer(opened, share=share, experiment=experiment), port)
    click.echo(f"POST http://{LOOPBACK}:{server.server_address[1]}/score  (Ctrl-C ends it)")
    try:
        server.serve_forever()
    finally:
        server.server_close()
    return 0
