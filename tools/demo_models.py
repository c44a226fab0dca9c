"""Bake the machine learning template, train on real purchases, and show champion, scores, drift and page."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from demo import ROOT, StepFailed, bake, install, run, say

TEMPLATE = ROOT / "cookiecutter-ml-features"
TARGET = ROOT / "build" / "demo-ml"
COMMAND = "household-models"  # the slug that the template's defaults give
#: Households with all their purchases; the template's own sample is too small to learn from.
HOUSEHOLDS = 500
#: The project's settings suit its sample; hundreds of thousands of lines want the second compiler and more memory.
SETTINGS = ("--set", "spark.short_runs=false", "--set", "spark.memory=3g")
#: The gates of production, but for two: of 500 households about fifteen churn in a month, too few for a sure skill.
GATES = ("churn_least_auc=0.6", "churn_least_auc_low=0.5", "churn_least_positives=10", "spend_least_r2=0.0")
STEPS = (
    ("run",),
    ("features",),
    ("train", "--trials", "10"),
    ("promote", "--approved-by", "make demo-ml"),
    ("score", "--at", "2017-12-01"),
    ("score",),
    ("monitor",),
    ("champions",),
)


def land(project: Path, households: int) -> None:
    """Replace the sample by all purchases of some households."""
    script, landing = ROOT / "sample-data" / "build.py", project / "data" / "landing"
    chosen = ["--households", str(households), "--baskets", "all"]
    run([sys.executable, str(script), *chosen, "--output", str(landing)], ROOT)


def demonstrate(households: int) -> None:
    """Go through the steps a user would type, and measure each."""
    say(f"A new project from the template's defaults, in {TARGET.relative_to(ROOT)}/")
    project = bake(TEMPLATE, TARGET)
    install(project)
    say(f"All purchases of {households} households in 2017")
    land(project, households)
    for words in STEPS:
        say(f"uv run {COMMAND} {' '.join(words)}")
        started = time.monotonic()
        gates = [word for gate in GATES for word in ("--set", f"parameters.{gate}")]
        run(["uv", "run", COMMAND, *words, *SETTINGS, *gates], project)
        print(f"   {time.monotonic() - started:.0f} s", flush=True)
    say("Look around")
    print(f"cd {os.path.relpath(project)}")
    print("uvx mlflow ui --backend-store-uri sqlite:///.lakehouse/mlflow.db")
    for page in sorted(project.glob(".lakehouse/reports/models-*.html")):
        print(f"The page: {os.path.relpath(page)}", flush=True)


def main() -> int:
    """Run the demo; return the exit code of the first step that fails."""
    parser = argparse.ArgumentParser(description="Bake the machine learning template and train on real purchases.")
    parser.add_argument("--households", type=int, default=HOUSEHOLDS, help=f"default: {HOUSEHOLDS}")
    arguments = parser.parse_args()
    try:
        demonstrate(arguments.households)
    except StepFailed as failure:
        print(f"The demo stopped: {failure}", file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
