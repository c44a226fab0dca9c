"""Reads a bundle as the Databricks CLI does: included files, one target's overrides, variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

#: Files of CI, which may hand variables over.
CI_FILES = (".github/workflows/*.yml", ".gitlab-ci.yml", "azure-pipelines.yml")
HANDED_OVER = "handed over by CI"
ROOT_FILES = ("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml")
VARIABLE = re.compile(r"\$\{var\.([A-Za-z_][\w-]*)\}")
OVERRIDES = ("resources", "workspace", "presets", "run_as", "permissions", "artifacts", "sync")


class UniqueKeyLoader(yaml.SafeLoader):
    """A YAML loader for which a key written twice in one mapping is an error."""


def _mapping(loader: UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} is written twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@dataclass(frozen=True)
class Bundle:
    """One target of a bundle.

    Args:
        root: Folder of the root file.
        target: Name of the target.
        files: Every file of the bundle as read, root file first.
        unmatched: Patterns under `include` that match no file.
        written: The merged document, before variables are filled in.
        resolved: The merged document with variables and the bundle's name and target filled in.
    """

    root: Path
    target: str
    files: Mapping[Path, dict[str, Any]]
    unmatched: tuple[str, ...]
    written: dict[str, Any]
    variables: dict[str, Any]
    resolved: dict[str, Any] = field(default_factory=dict)

    @property
    def own(self) -> dict[str, Any]:
        """The target as written."""
        first = next(iter(self.files.values()))
        return dict(first.get("targets", {}).get(self.target) or {})

    def resources(self, kind: str, *, resolved: bool = True) -> dict[str, dict[str, Any]]:
        """Return the resources of one kind by key."""
        document = self.resolved if resolved else self.written
        return dict((document.get("resources") or {}).get(kind) or {})

    def file_of(self, kind: str, key: str) -> Path:
        """Return the file that defines a resource; paths in it are relative to that file."""
        for path, document in self.files.items():
            if key in ((document.get("resources") or {}).get(kind) or {}):
                return path
        return next(iter(self.files))  # only the target, in the root file, defines it


def targets_of(root: Path) -> list[str]:
    """Return the targets of the bundle in a folder."""
    return list(load(root_file(root)).get("targets") or {})


def root_file(root: Path) -> Path:
    """Return the bundle's one root file.

    Raises:
        ValueError: There is none or more than one.
    """
    found = [root / name for name in ROOT_FILES if (root / name).is_file()]
    if len(found) != 1:
        raise ValueError(f"{root}: {len(found)} root files, expected one of {', '.join(ROOT_FILES)}")
    return found[0]


def load(path: Path) -> dict[str, Any]:
    """Read one YAML file; a key written twice raises `yaml.YAMLError`. Nobody may change what is returned."""
    return parsed(path.read_text(encoding="utf-8"))


@cache
def parsed(text: str) -> dict[str, Any]:
    """Return a YAML text as a mapping. Baked projects share most of their files, so texts are read once."""
    # A subclass of SafeLoader, so nothing but plain data is built.
    return dict(yaml.load(text, Loader=UniqueKeyLoader) or {})


def read_bundle(root: Path, target: str) -> Bundle:
    """Read one target of the bundle in a folder."""
    first = root_file(root)
    files = {first: load(first)}
    unmatched = []
    for pattern in files[first].get("include") or []:
        paths = sorted(root.glob(pattern))
        files |= {path: load(path) for path in paths}
        if not paths:
            unmatched.append(pattern)
    written: dict[str, Any] = {}
    for document in files.values():
        written = merged(written, {key: value for key, value in document.items() if key != "targets"})
    own = (files[first].get("targets") or {}).get(target) or {}
    written = merged(written, {key: own[key] for key in OVERRIDES if key in own})
    variables = {**handed_over(root, written), **_variables(written, own)}
    known = {**{f"var.{name}": value for name, value in variables.items()}, "bundle.target": target}
    known["bundle.name"] = (written.get("bundle") or {}).get("name", "")
    return Bundle(root, target, files, tuple(unmatched), written, variables, filled(written, known))


def merged(base: Any, other: Any) -> Any:
    """Merge two documents: mappings key by key, sequences joined, anything else replaced."""
    if isinstance(base, dict) and isinstance(other, dict):
        both = {key: merged(base[key], other[key]) for key in base.keys() & other.keys()}
        return {**base, **other, **both}
    if isinstance(base, list) and isinstance(other, list):
        return base + other
    return other


def filled(value: Any, known: Mapping[str, Any], depth: int = 8) -> Any:
    """Replace references that are known; a text that is one reference takes the value's own type."""
    if isinstance(value, dict):
        return {key: filled(item, known, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, known, depth) for item in value]
    if not isinstance(value, str) or depth == 0:
        return value
    whole = re.fullmatch(r"\$\{([^{}]+)\}", value)
    if whole:
        return filled(known[whole[1]], known, depth - 1) if whole[1] in known else value
    text = re.sub(r"\$\{([^{}]+)\}", lambda found: str(known.get(found[1], found[0])), value)
    return text if text == value else filled(text, known, depth - 1)


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a document with the place where it stands."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts(item, f"{place}[{number}]")
    elif isinstance(value, str):
        yield place, value


def handed_over(root: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the declared variables that CI sets in the environment, whose value is known only there."""
    found = {
        name
        for pattern in CI_FILES
        for path in root.glob(pattern)
        for name in re.findall(r"BUNDLE_VAR_(\w+):", path.read_text(encoding="utf-8"))
    }
    return {name: HANDED_OVER for name in document.get("variables") or {} if name in found}


def _variables(document: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    declared = document.get("variables") or {}
    values = {name: item["default"] for name, item in declared.items() if "default" in (item or {})}
    # The workspace knows the id of what is looked up by its name.
    values |= {name: f"lookup:{name}" for name, item in declared.items() if "lookup" in (item or {})}
    for name, value in (own.get("variables") or {}).items():
        values[name] = value["default"] if isinstance(value, dict) and "default" in value else value
    return values
