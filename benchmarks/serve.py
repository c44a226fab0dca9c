"""Look-ups and scores of a project of the machine learning template that has champions, run with that project's Python.

`python serve.py <package> <result.json>`, in the project's folder. Households of the online store are asked for in an
order that is drawn; times are those of the caller.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from databricks_utils.features import FeatureRegistry
from databricks_utils.serving.scorer import open_scorer, open_server

LOOK_UPS, REQUESTS = 20_000, 3_000


def percentiles(work: Callable[[int], object], households: list[int], times: int) -> dict[str, float]:
    """Return the median and the 99th percentile of a call, in milliseconds; the first tenth warms up."""
    chance, taken = random.Random(1), []
    for _ in range(times):
        household = chance.choice(households)
        started = time.perf_counter_ns()
        work(household)
        taken.append(time.perf_counter_ns() - started)
    settled = sorted(taken[times // 10 :])
    return {"p50": settled[len(settled) // 2] / 1e6, "p99": settled[len(settled) * 99 // 100] / 1e6}


def main(package: str, result: Path) -> None:
    """Measure three things and write them down."""
    project: Any = __import__(f"{package}.__main__", fromlist=["PROJECT"]).PROJECT
    declared: Any = __import__(f"{package}.models.project", fromlist=["MODEL_PROJECT"]).MODEL_PROJECT
    opened = project.open("local", ".")
    features = FeatureRegistry(declared.tables, opened.contracts)
    scorer = open_scorer(opened.configuration, declared, features, share=0.0, experiment="bench")
    with sqlite3.connect(opened.configuration.models.online_store) as connection:
        stored = connection.execute("SELECT DISTINCT entity FROM entities").fetchall()
    households = [int(json.loads(text)[0]) for (text,) in stored]
    server = open_server(scorer, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection_to = HTTPConnection("127.0.0.1", server.server_address[1])

    def asked(household: int) -> None:
        connection_to.request("POST", "/score", json.dumps({"household_id": household}))
        answer = connection_to.getresponse()
        body = answer.read()
        assert answer.status == 200, body

    widest = max(declared.tables, key=lambda table: len(table.columns))
    found = {
        f"look-up of {len(widest.columns)} features": percentiles(
            lambda household: scorer.store.look_up(widest.name, (household,)), households, LOOK_UPS
        ),
        "features and both models in process": percentiles(scorer.score, households, REQUESTS),
        "the same over HTTP": percentiles(asked, households, REQUESTS),
    }
    server.shutdown()
    result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
