"""The experiments: who runs on what, how often, and whether all gold tables are the same."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from databricks_utils.session import LocalSpark
from databricks_utils.session.keeping import FOLDER, end_server, keep_server
from databricks_utils.session.settings import UNTUNED

from benchmarks.gold_hash import gold_hashes, parquet_files
from benchmarks.landing import Delivery, deliveries
from benchmarks.measure import Figures, measured
from benchmarks.template_pipeline import ROOT, baked

#: Tests of a generated project that stand for the rest: frames, aggregates, whole runs over dirty files.
SUITE = (
    "tests/unit/test_sales_fact.py",
    "tests/unit/test_sales_aggregates.py",
    "tests/integration/test_dirty_landing.py",
)
#: What the template's configuration advises for more than a few hundred thousand rows.
LARGE = ("spark.short_runs=false",)
#: What a run finds, and how it is told to go on.
STATES: Mapping[str, Sequence[str]] = {"1 % new data": (), "nothing new": (), "full refresh": ("--full-refresh",)}
WORK = ROOT / "build" / "bench"

Row = tuple[str, ...]


class DifferentResults(Exception):
    """Two competitors computed different gold tables; the message names them."""


@dataclass
class Bench:
    """What the experiments share.

    Args:
        repeats: How often each competitor runs; medians are shown.
        lines: Basket lines of the comparison.
    """

    repeats: int = 3
    lines: int = 1_000_000
    _project: list[Path] = field(default_factory=list)

    @property
    def project(self) -> Path:
        """The template's project, baked once."""
        if not self._project:
            self._project.append(baked(WORK / "project"))
        return self._project[0]

    def data(self, lines: int) -> Delivery:
        """Return the landing files of so many lines."""
        return deliveries(WORK / "data" / str(lines), lines)

    def run(self, module: str, output: Path, *arguments: str) -> Figures:
        """Measure one module of this folder in a process of its own."""
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
        taken = measured(command, log=output.with_suffix(".log"), cwd=ROOT)
        print(f"{output.name}: {taken.wall:.1f} s, {taken.cpu:.1f} s of processor, {taken.peak:.0f} MB", flush=True)
        return taken

    def template(self, landing: Path, output: Path, *arguments: str) -> tuple[Figures, dict[str, float]]:
        """Measure one run of the template's pipeline; also return its seconds by layer."""
        result = output.with_suffix(".json")
        given = self._given(landing, output)
        figures = self.run("template_pipeline", output, *given, "--result", str(result), *arguments)
        found = json.loads(result.read_text(encoding="utf-8"))
        print(found, flush=True)
        layers = {"session": found["session"], "run": found["run"]}
        for table, seconds in found["tables"].items():
            layer = table.partition(".")[0]
            layers[layer] = round(layers.get(layer, 0.0) + seconds, 2)
        return figures, layers

    @contextmanager
    def spark(self, landing: Path, output: Path, *, kept: bool) -> Iterator[None]:
        """Keep a Spark for the runs of the block; or leave each its own."""
        if not kept:
            yield
            return
        try:
            self.run("template_pipeline", output, *self._given(landing, output), "--keep-spark")
            yield
        finally:
            end_server(self.project / FOLDER)

    def _given(self, landing: Path, output: Path) -> list[str]:
        settings = [word for setting in LARGE for word in ("--set", setting)]
        return ["--project", str(self.project), "--landing", str(landing), "--output", str(output), *settings]

    def hashes(self, output: Path) -> dict[str, tuple[int, str]]:
        """Return the hashes of the gold tables a competitor left in its folder."""
        gold = next(output.glob("**/gold/fact_sales"), None) or next(output.glob("**/gold.db/fact_sales"), None)
        if gold is None:
            return gold_hashes(parquet_files(output))
        exported = output.with_name(f"{output.name}-exported")
        self.run("delta_export", exported, "--gold", str(gold.parent), "--output", str(exported))
        return gold_hashes({name: f"{file}/*.parquet" for name, file in parquet_files(exported).items()})


def full(bench: Bench) -> list[Row]:
    """Compare everybody on all data from a cold process."""
    landing = bench.data(bench.lines).first
    competitors: Mapping[str, Callable[[Path], Figures]] = {
        "the template's pipeline": lambda output: bench.template(landing, output)[0],
        "the usual way": lambda output: _plain(bench, "usual_way", landing, output),
        "DuckDB": lambda output: _plain(bench, "with_duckdb", landing, output),
        "polars": lambda output: _plain(bench, "with_polars", landing, output),
    }
    figures: dict[str, list[Figures]] = {name: [] for name in competitors}
    found = {}
    for turn in range(bench.repeats):
        for name, compute in competitors.items():
            output = fresh(f"full-{name.split()[-1].lower()}")
            figures[name].append(compute(output))
            if turn == 0:
                found[name] = bench.hashes(output)
    _require_equal(found)
    return table(figures)


def increment(bench: Bench) -> list[Row]:
    """Compare a run over one percent of new data with a full refresh, and with a run over nothing new.

    Each in a process of its own: first with a Spark of its own, then as a client of one that is kept, and that has done
    the first run.
    """
    delivery = bench.data(bench.lines)
    figures: dict[str, list[Figures]] = {}
    inner: dict[str, list[float]] = {}
    for kept in (False, True):
        for turn in range(bench.repeats):
            output = fresh("increment")
            landing = output.with_name("increment-landing")
            shutil.rmtree(landing, ignore_errors=True)
            shutil.copytree(delivery.first, landing)
            found = {}
            with bench.spark(landing, output, kept=kept):
                bench.template(landing, output)
                shutil.copytree(delivery.second, landing, dirs_exist_ok=True)
                for name, arguments in STATES.items():
                    where = f"{name}, on a Spark that is kept" if kept else name
                    taken, layers = bench.template(landing, output, *arguments)
                    figures.setdefault(where, []).append(taken)
                    inner.setdefault(where, []).append(layers["run"])
                    if turn == 0 and not kept and name != "nothing new":
                        found[name] = bench.hashes(output)
            if found:
                _require_equal(found)
    run = {name: statistics.median(values) for name, values in inner.items()}
    rows: list[Row] = []
    for row in table(figures):
        whole = run["full refresh, on a Spark that is kept" if "kept" in row[0] else "full refresh"]
        rows.append((row[0], row[1], row[3], row[5], f"{run[row[0]]:.1f} s", f"{run[row[0]] / whole:.2f}"))
    return rows


def growth(bench: Bench, sizes: Sequence[int] = (1_000_000, 3_000_000, 10_000_000)) -> list[Row]:
    """Show how time and memory grow with the data, and what one percent more takes then; each size runs once."""
    rows: list[Row] = []
    for lines in sizes:
        delivery, output = bench.data(lines), fresh("growth")
        landing = output.with_name("growth-landing")
        shutil.rmtree(landing, ignore_errors=True)
        shutil.copytree(delivery.first, landing)
        taken, whole = bench.template(landing, output)
        shutil.copytree(delivery.second, landing, dirs_exist_ok=True)
        _, more = bench.template(landing, output)
        first, second = whole["run"], more["run"]
        each = f"{first / (lines / 1_000_000):.1f} s"
        peak = f"{taken.peak / 1024:.1f} GB"
        rows.append(
            (f"{lines // 1_000_000} M", f"{first:.0f} s", each, peak, f"{second:.1f} s", f"{first / second:.1f}")
        )
    return rows


def layers(bench: Bench) -> list[Row]:
    """Show where the time of a full run goes; tables of a layer run side by side, so these are sums over tables."""
    taken, seconds = bench.template(bench.data(bench.lines).first, fresh("layers"))
    by_kind = sorted(taken.threads.items(), key=lambda item: -item[1])
    return [
        *((name, f"{value:.1f} s") for name, value in seconds.items()),
        *((f"processor: {kind}", f"{value:.1f} s") for kind, value in by_kind),
    ]


def suite(bench: Bench) -> list[Row]:
    """Compare tests of a generated project on our settings, on Spark's own, and with one of ours left out each time."""
    left_out = {f"without `{key}`": ("--spark-set", f"{key}={value}") for key, value in UNTUNED.items()}
    ways: Mapping[str, Sequence[str]] = {
        "settings of the library": (),
        "settings of Spark": ("--spark-settings", "default"),
        **left_out,
    }
    figures: dict[str, list[Figures]] = {name: [] for name in ways}
    environment = {"PYTHONPATH": str(bench.project / "src")}
    for _ in range(bench.repeats):
        for name, options in ways.items():
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITE, *options]
            log = fresh("suite").with_suffix(".log")
            figures[name].append(measured(command, log=log, cwd=bench.project, environment=environment))
            print(name, figures[name][-1], flush=True)
    return table(figures)


def session(bench: Bench) -> list[Row]:
    """Compare a cold start to the first Delta table written and read."""
    ways = {"the library's session": "tuned", "`configure_spark_with_delta_pip`": "default"}
    figures: dict[str, list[Figures]] = {name: [] for name in ways}
    for _ in range(bench.repeats):
        for name, way in ways.items():
            figures[name].append(bench.run("first_table", fresh(f"session-{way}"), way))
    return table(figures)


def warm(bench: Bench) -> list[Row]:
    """Compare the first answers to a new process of a Spark that is kept with those of one that it starts itself."""
    folder, warehouse = fresh("warm-kept"), fresh("warm-warehouse")
    folder.parent.mkdir(parents=True, exist_ok=True)
    taken: dict[str, list[Mapping[str, float]]] = {}

    def answers(name: str, *arguments: str) -> None:
        result = fresh("warm").with_suffix(".json")
        figures = bench.run("warm_start", result.with_suffix(""), *arguments, "--result", str(result))
        found = json.loads(result.read_text(encoding="utf-8"))
        taken.setdefault(name, []).append({**found, "wall": figures.wall, "cpu": figures.cpu})

    try:
        keep_server(LocalSpark(), warehouse, folder)
        # The first client warms the server up, as the first command of a morning does.
        for turn in range(bench.repeats + 1):
            kept = "a Spark that is kept, first client" if turn == 0 else "a Spark that is kept, later clients"
            answers(kept, "--warehouse", str(warehouse), "--kept", str(folder))
    finally:
        end_server(folder)
    for turn in range(bench.repeats):
        answers("a Spark of its own", "--warehouse", str(fresh(f"warm-{turn}")))
    columns = ("imports", "answer", "table", "wall", "cpu")
    return [
        (name, *(f"{statistics.median(run[column] for run in runs):.2f} s" for column in columns))
        for name, runs in taken.items()
    ]


def _plain(bench: Bench, module: str, landing: Path, output: Path) -> Figures:
    return bench.run(module, output, "--landing", str(landing), "--output", str(output))


def fresh(name: str) -> Path:
    """Return a place for the results of one run; what was there is gone."""
    output = WORK / "runs" / name
    shutil.rmtree(output, ignore_errors=True)
    return output


def _require_equal(found: Mapping[str, Mapping[str, tuple[int, str]]]) -> None:
    (reference, wanted), *others = found.items()
    for name, hashes in others:
        differ = [f"{table}: {wanted[table]} and {hashes[table]}" for table in wanted if hashes[table] != wanted[table]]
        if differ:
            raise DifferentResults(f"{reference} and {name} differ in {'; '.join(differ)}")


def table(figures: Mapping[str, Sequence[Figures]]) -> list[Row]:
    """Return medians, and each one's ratio of wall and processor time to the first."""
    medians = {
        name: tuple(statistics.median(getattr(run, what) for run in runs) for what in ("wall", "cpu", "peak"))
        for name, runs in figures.items()
    }
    first = next(iter(medians.values()))
    return [
        (
            name,
            f"{wall:.1f} s",
            f"{wall / first[0]:.2f}",
            f"{cpu:.1f} s",
            f"{cpu / first[1]:.2f}",
            f"{peak / 1024:.2f} GB",
        )
        for name, (wall, cpu, peak) in medians.items()
    ]
