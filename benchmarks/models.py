"""The experiments with features and models: windows, a join as of a moment, and answers for one household."""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import subprocess
import sys

from benchmarks import drift_columns, feature_windows
from benchmarks.as_of_join import data, sums
from benchmarks.experiments import WORK, Bench, DifferentResults, Row, fresh, table
from benchmarks.measure import Figures, measured
from benchmarks.template_pipeline import ROOT, baked

#: Events of a year.
EVENTS = 2_000_000
#: The last digits of floating point depend on the order in which plain Spark adds up.
ALIKE = 1e-9
LABELS, ROWS = 1_000_000, 5_000_000
DRIFT_ROWS = 1_000_000
FEW_LABELS, FEW_ROWS = 50_000, 250_000
WITH_FEAST = ("--with", "feast==0.67.0", "--with", "pandas<3")
#: What is needed before anything can be asked: small, since look-ups do not depend on it.
STEPS = (("run",), ("features",), ("train", "--trials", "1"), ("promote", "--approved-by", "bench"))
COMMAND, PACKAGE = "household-models", "household_models"  # the names that the template's defaults give


def features(bench: Bench) -> list[Row]:
    """Compute a year and a day of features, compare them with windows over events, and the day with the year."""
    project = baked(WORK / "models-project", "cookiecutter-ml-features")
    ways = {
        "a year by the library": "year",
        "the last day by the library": "day",
        "a year by windows over events": "windows",
    }
    file = WORK / "data" / f"events-{EVENTS}.parquet"
    if not file.exists():
        feature_windows.events(file, EVENTS)
    figures: dict[str, list[Figures]] = {name: [] for name in ways}
    inner: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(bench.repeats):
        for name, way in ways.items():
            output = fresh(f"features-{way}")
            places = ["--project", str(project), "--events", str(file), "--output", str(output)]
            figures[name].append(bench.run("feature_windows", output, way, *places))
            inner[name].append(json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))["seconds"])
    _require_same_features()
    middle = {name: statistics.median(values) for name, values in inner.items()}
    first = next(iter(middle.values()))
    return [(*row, f"{middle[row[0]]:.1f} s", f"{middle[row[0]] / first:.2f}") for row in table(figures)]


def _require_same_features() -> None:
    runs = WORK / "runs"
    plain = runs / "features-windows"
    found = [feature_windows.sums(output, plain) for output in (plain, runs / "features-year")]
    if not all(math.isclose(left, right, rel_tol=ALIKE) for left, right in zip(*found, strict=True)):
        raise DifferentResults(str(found))
    apart = feature_windows.missing(runs / "features-day", runs / "features-year")
    if apart:
        raise DifferentResults(f"{apart} rows of the day are not those of the year")


def as_of(bench: Bench) -> list[Row]:
    """Join a million labels with five million rows, and compare the results."""
    folder = WORK / "data" / "as-of"
    if not folder.exists():
        data(folder, LABELS, ROWS)
    ways = {
        "`as_of` of the library": "library",
        "every earlier row, then the newest": "naive",
        "Spark brings both sides together by key, and joins nothing": "exchange",
        "DuckDB ASOF": "duckdb",
    }
    figures: dict[str, list[Figures]] = {name: [] for name in ways}
    found = {}
    for _ in range(bench.repeats):
        for name, way in ways.items():
            output = fresh(f"as-of-{way}")
            command = [sys.executable, "-m", "benchmarks.as_of_join", way]
            command += ["--folder", str(folder), "--output", str(output)]
            figures[name].append(measured(command, log=output.with_suffix(".log"), cwd=ROOT))
            print(name, figures[name][-1], flush=True)
            if way != "exchange":
                found[name] = sums(output)
    if len({tuple(values) for values in found.values()}) != 1:
        raise DifferentResults(str(found))
    return table(figures)


def drift(bench: Bench) -> list[Row]:
    """Count the distributions of a hundred columns in one pass, column by column, and without Spark."""
    folder = WORK / "data" / "drift"
    if not folder.exists():
        drift_columns.data(folder, DRIFT_ROWS)
    ways = {
        "the library, one pass": "library",
        "a job of Spark for each column": "jobs",
        "Arrow and numpy, without Spark": "memory",
    }
    figures: dict[str, list[Figures]] = {name: [] for name in ways}
    found = {}
    for _ in range(bench.repeats):
        for name, way in ways.items():
            output = fresh(f"drift-{way}").with_suffix(".json")
            arguments = [way, "--folder", str(folder), "--output", str(output)]
            figures[name].append(bench.run("drift_columns", output.with_suffix(""), *arguments))
            found[name] = drift_columns.counts(output)
    if any(counts != found["the library, one pass"] for counts in found.values()):
        raise DifferentResults("the ways count differently")
    return table(figures)


def feast(bench: Bench) -> list[Row]:
    """Compare with Feast: a small join as of a moment, since the large one takes it too long, and look-ups."""
    folder = WORK / "data" / "as-of-few"
    if not folder.exists():
        data(folder, FEW_LABELS, FEW_ROWS)
    theirs = ["uv", "run", "--quiet", "--no-project", *WITH_FEAST, "python", "-m", "benchmarks.with_feast"]
    # Installing is no part of the comparison.
    subprocess.run([*theirs, "--help"], cwd=ROOT, check=True, capture_output=True)
    ours = [sys.executable, "-m"]
    joins = {
        "library": [*ours, "benchmarks.as_of_join", "library"],
        "Feast": [*theirs, "join"],
    }
    taken: dict[str, list[float]] = {name: [] for name in joins}
    times: dict[str, list[dict[str, float]]] = {name: [] for name in joins}
    found = {}
    for _ in range(bench.repeats):
        for name, command in joins.items():
            output = fresh(f"feast-join-{name.lower()}").with_suffix(".parquet")
            places = ["--folder", str(folder), "--output", str(output)]
            taken[name].append(measured([*command, *places], log=output.with_suffix(".log"), cwd=ROOT).wall)
            print(name, taken[name][-1], flush=True)
            found[name] = sums(output)
        for name, command in (
            ("library", [*ours, "benchmarks.with_feast", "look-ups-of-library"]),
            ("Feast", [*theirs, "look-ups"]),
        ):
            result = fresh(f"feast-look-ups-{name.lower()}").with_suffix(".json")
            result.parent.mkdir(parents=True, exist_ok=True)
            places = ["--folder", str(folder), "--output", str(result)]
            measured([*command, *places], log=result.with_suffix(".log"), cwd=ROOT)
            times[name].append(json.loads(result.read_text(encoding="utf-8")))
    if found["library"] != found["Feast"]:
        raise DifferentResults(str(found))
    middle = {name: statistics.median(values) for name, values in taken.items()}
    rows = [(f"join of {FEW_LABELS:,} labels with {FEW_ROWS:,} rows", *(f"{middle[name]:.1f} s" for name in joins))]
    for part in ("p50", "p99"):
        each = (f"{statistics.median(item[part] for item in times[name]):.3f} ms" for name in joins)
        rows.append((f"look-up of 100 features, {part}", *each))
    return rows


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
