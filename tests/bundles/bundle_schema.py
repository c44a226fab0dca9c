"""The schema of the Databricks CLI for the files of a bundle, and what it has against one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from baking import ROOT
from bundles.bundle_reader import load, read_bundle, root_file
from jsonschema import Draft202012Validator, ValidationError

SCHEMA = Path(os.environ.get("BUNDLE_SCHEMA", ROOT.parent / "shared" / "facts" / "bundle-schema.json"))


def documents(project: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the files of a bundle; resources that a target overrides are whole, as the CLI merges them."""
    for path in sorted((project / "resources").glob("*.yml")):
        yield path.name, load(path)
    root = load(root_file(project))
    for target, own in root["targets"].items():
        whole = read_bundle(project, target).written["resources"]
        resources = {kind: {key: whole[kind][key] for key in group} for kind, group in own.get("resources", {}).items()}
        yield (
            f"{target} in {root_file(project).name}",
            {**root, "targets": {target: {**own, "resources": resources}}},
        )


def deepest(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """Yield the errors inside the branch that a value was meant for, not "matches no branch"."""
    for error in errors:
        nearest = max(error.context or [], key=lambda inner: len(inner.absolute_path), default=None)
        if nearest is None:
            yield error
        else:
            yield from deepest([nearest])


def bundle_validator(path: Path) -> Draft202012Validator:
    """Return a validator whose patterns do without the Unicode classes that Python lacks."""
    text = path.read_text(encoding="utf-8")
    text = text.replace(r"[\\p{L}\\p{N}]", "[A-Za-z0-9]").replace(r"\\p{L}", "[A-Za-z]")
    return Draft202012Validator(json.loads(text))
