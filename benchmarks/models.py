"""The experiments with features and models: a join as of a moment, and answers for one household."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

from benchmarks.as_of_join import data, sums
from benchmarks.experiments import WORK, Bench, DifferentResults, Row, fresh, table
from benchmarks.measure import Figures, measured
from benchmarks.template_pipeline import ROOT, baked

LABELS, ROWS = 1_000_000, 5_000_000
#: What is needed before anything can be asked: small, since look-ups do not depend on it.
STEPS = (("run",), ("features",), ("train", "--trials", "1"), ("promote", "--approved-by", "bench"))
COMMAND, PACKAGE = "household-models", "household_models"  # the names that the template's defaults give


def as_of(bench: Bench) -> list[Row]:
    """Join a million labels with five million rows, and compare the results."""
    folder = WORK / "data" / "as-of"
    if not folder.exists():
        data(folder, LABELS, ROWS)
    ways = {"`as_of` of the library": "library", "every earlier row, then the newest": "naive", "DuckDB ASOF": "duckdb"}
    figures: dict[str, list[Figures]] = {name: [] for name in ways}
    found = {}
    for _ in range(bench.repeats):
        for name, way in ways.items():
            output = fresh(f"as-of-{way}")
            command = [sys.executable, "-m", "benchmarks.as_of_join", way]
            command += ["--folder", str(folder), "--output", str(output)]
            figures[name].append(measured(command, log=output.with_suffix(".log"), cwd=ROOT))
            print(name, figures[name][-1], flush=True)
            found[name] = sums(output)
    if len({tuple(values) for values in found.values()}) != 1:
        raise DifferentResults(str(found))
    return table(figures)


def serving(bench: Bench) -> list[Row]:
    """Bake a project, let it train, and time its look-ups and its service."""
    project = baked(WORK / "models-project", "cookiecutter-ml-features")
    variables = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}

    def run(*command: str) -> None:
        subprocess.run(command, cwd=project, env=variables, check=True)

    run("uv", "sync", "--quiet")
    for words in STEPS:
        run("uv", "run", COMMAND, *words)
    result = project / "serving.json"
    shutil.copy(ROOT / "benchmarks" / "serve.py", project / "serve.py")
    run("uv", "run", "python", "serve.py", PACKAGE, str(result))
    found = json.loads(result.read_text(encoding="utf-8"))
    return [(name, f"{times['p50']:.3f} ms", f"{times['p99']:.3f} ms") for name, times in found.items()]
