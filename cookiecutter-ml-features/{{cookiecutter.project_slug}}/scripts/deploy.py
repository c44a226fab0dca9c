"""Deploy the bundle to a target, with the endpoint if bundle.yml includes it: `python3 scripts/deploy.py lab`.

An endpoint wants numbers of versions. They are asked of the registry here, under the names that the bundle gives
schemas and models in this target. Where no version was ever promoted there is nothing to serve yet: the bundle is
deployed without the endpoint, and the next deployment after a promotion brings it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

COMMAND = "{{ cookiecutter.project_slug }}"
BUNDLE = Path(__file__).resolve().parents[1] / "bundle.yml"
INCLUDED = re.compile(r"^  - serving/endpoint\.yml$", re.MULTILINE)
VERSION = re.compile(r"^export (BUNDLE_VAR_\w+)=([0-9]+)$", re.MULTILINE)


class DeployFailed(Exception):
    """Nothing was deployed."""


def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder.

    Raises:
        DeployFailed: It is not there.
    """
    try:
        return subprocess.run(words, cwd=BUNDLE.parent, text=True, encoding="utf-8", check=False, **more)
    except OSError as error:
        raise DeployFailed(f"{words[0]} cannot be started: {error}. Install it, or add its folder to PATH") from error


def answer(*words: str) -> str:
    """Run a command in the project's folder and return what it answers; what it says of itself is passed on.

    Raises:
        DeployFailed: It is not there, or did not end well.
    """
    done = run(*words, stdout=subprocess.PIPE)
    if done.returncode:
        raise DeployFailed(f"{' '.join(words[:5])} ended with {done.returncode}; nothing was deployed")
    return done.stdout


def versions(target: str) -> dict[str, str]:
    """Return the variables of the bundle that hold versions of champions and challengers; none where a model is new.

    Raises:
        DeployFailed: A command did not end well, or the bundle has no schema `gold` or no registered models.
    """
    said = answer("databricks", "bundle", "validate", "-t", target, "--output", "json")
    try:
        resources: dict[str, Any] = json.loads(said)["resources"]
        gold, models = resources["schemas"]["gold"], resources["registered_models"]
        names = [f"--set=models.registered.{key}={model['name']}" for key, model in models.items()]
        place = [f"--env={target}", f"--catalog={gold['catalog_name']}", f"--schema-gold={gold['name']}"]
    except (ValueError, KeyError, TypeError) as error:
        what = "The bundle names no schema gold and no registered models that could be asked for their versions"
        raise DeployFailed(f"{what} ({type(error).__name__}: {error}); nothing was deployed") from error
    return dict(VERSION.findall(answer("uv", "run", "--no-dev", COMMAND, "champions", "--unless-new", *place, *names)))


@contextmanager
def without_endpoint() -> Iterator[None]:
    """Leave the endpoint out of bundle.yml for the length of the block."""
    text = BUNDLE.read_text(encoding="utf-8")
    BUNDLE.write_text(INCLUDED.sub("  # - serving/endpoint.yml", text), encoding="utf-8")
    try:
        yield
    finally:
        BUNDLE.write_text(text, encoding="utf-8")


def deploy(target: str) -> None:
    """Deploy to a target.

    Raises:
        DeployFailed: A command did not end well.
    """
    served = bool(INCLUDED.search(BUNDLE.read_text(encoding="utf-8")))
    found: Mapping[str, str] = versions(target) if served else {}
    if served and not found:
        print(f"There is no champion of every model in {target} yet: deployed without the endpoint.", flush=True)
    for name, number in found.items():
        print(f"{name}={number}", flush=True)
    with without_endpoint() if served and not found else nullcontext():
        words = ["databricks", "bundle", "deploy", "-t", target]
        done = run(*words, env={**os.environ, **found})
    if done.returncode:
        raise DeployFailed(f"databricks bundle deploy ended with {done.returncode}")


def main() -> int:
    """Deploy; 1 where it failed."""
    parser = argparse.ArgumentParser(description="Deploy the bundle, with the versions that its endpoint serves.")
    parser.add_argument("target", help="lab, dev or prod")
    try:
        deploy(parser.parse_args().target)
    except DeployFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
