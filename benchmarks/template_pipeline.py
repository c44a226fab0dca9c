"""The batch template's own pipeline, as a process to be measured.

It runs what `<slug> run` runs, without the HTML report: configuration, contracts, session, all tables, the record of
the run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "retail_lakehouse"  # the name that the template's defaults give


def baked(folder: Path, template: str = "cookiecutter-batch-pipeline") -> Path:
    """Return a fresh project made from a template's defaults below a folder."""
    from cookiecutter.main import cookiecutter

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return Path(cookiecutter(str(ROOT / template), no_input=True, output_dir=str(folder), default_config=True))


def opened(project: Path, landing: Path, output: Path, settings: dict[str, str]) -> Any:
    """Return the project with its configuration read, its tables below a folder of their own."""
    sys.path.insert(0, str(project / "src"))
    definition = __import__(f"{PACKAGE}.__main__", fromlist=["PROJECT"]).PROJECT
    places = {
        "storage.landing": str(landing),
        "storage.warehouse": str(output / "warehouse"),
        "storage.checkpoints": str(output / "checkpoints"),
        "storage.reports": str(output / "reports"),
    }
    return definition.open("local", str(project), **places, **settings)


def run(
    project: Path, landing: Path, output: Path, settings: dict[str, str], *, full_refresh: bool
) -> dict[str, object]:
    """Run the pipeline once; return the seconds of the session, of the run, and of each table."""
    started = time.perf_counter()
    from databricks_utils.medallion import run_pipeline

    found = opened(project, landing, output, settings)
    lakehouse = found.lakehouse()
    ready = time.perf_counter()
    result = run_pipeline(lakehouse, found.project.pipeline, full_refresh=full_refresh)
    finished = time.perf_counter()
    lakehouse.spark.stop()
    if result.status == "failed":
        raise SystemExit("\n".join(table.error for table in result.tables if table.error))
    return {
        "session": round(ready - started, 2),
        "run": round(finished - ready, 2),
        "tables": {table.table: table.duration_seconds for table in result.tables},
    }


def keep_spark(project: Path, landing: Path, output: Path, settings: dict[str, str]) -> None:
    """Start a Spark that stays, as `make spark-up` does; later runs over the same folder are its clients."""
    from databricks_utils.session.keeping import FOLDER, keep_server

    found = opened(project, landing, output, settings)
    configuration = found.configuration
    warehouse = Path(configuration.storage.warehouse)
    keep_server(configuration.spark, warehouse, found.root / FOLDER, jar_groups=found.jar_groups)


def main() -> None:
    """Run once, as a process to be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--landing", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--result", type=Path)
    parser.add_argument("--keep-spark", action="store_true", help="only start a Spark that stays")
    parser.add_argument("--full-refresh", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    settings = dict(item.split("=", 1) for item in options.set)
    places = options.project, options.landing, options.output, settings
    if options.keep_spark:
        keep_spark(*places)
        return
    found = run(*places, full_refresh=options.full_refresh)
    if options.result:
        options.result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
