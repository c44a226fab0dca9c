"""Reading configuration: `base.yaml`, then the environment's file, then overrides; all problems at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from databricks_utils.config.model import SECRET_PATTERN, Configuration, Models
from databricks_utils.config.yaml_source import Source, read_source
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError

BASE = "base"
#: Three slashes and a relative path; four begin an absolute one.
SQLITE = "sqlite:///"
PATH_KEYS = ("landing", "warehouse", "checkpoints", "reports")


def load_configuration(folder: Path, environment: str, overrides: Mapping[str, str] | None = None) -> Configuration:
    """Read the configuration of an environment.

    Maps are merged key by key; lists and scalars of the later file replace those of the earlier.

    Args:
        folder: The folder with `base.yaml` and `<environment>.yaml`.
        environment: Name of the environment.
        overrides: Values by dotted key, read as YAML, as in `{"quality.minimum_score": "0.9"}`.

    Raises:
        InputProblems: Everything wrong, each with file, key, what was expected and a suggestion.
    """
    sources = [read_source(path) for path in _files(folder, environment)]
    problems: list[LakehouseError] = [problem for source in sources for problem in source.problems]
    merged: dict[str, Any] = {"environment": environment}
    for source in sources:
        merged = deep_merge(merged, source.values)
    for key, text in (overrides or {}).items():
        try:
            merged = deep_merge(merged, _nested(key, text))
        except InvalidInput as problem:
            problems.append(problem)
    try:
        configuration = Configuration.model_validate(merged)
    except ValidationError as error:
        problems += [_problem(item, sources, overrides or {}) for item in error.errors()]
    if problems:
        raise InputProblems(problems)
    return _with_absolute_paths(configuration, folder.resolve().parent)


def deep_merge(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings: maps key by key, anything else replaced by `other`. Neither argument is changed."""
    merged = dict(base)
    for key, value in other.items():
        ours = merged.get(key)
        both = isinstance(ours, Mapping) and isinstance(value, Mapping)
        merged[key] = deep_merge(ours, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return merged


def _files(folder: Path, environment: str) -> list[Path]:
    if not folder.is_dir():
        raise InvalidInput(
            "There is no configuration folder", where=str(folder), hint="Run inside the project's folder"
        )
    known = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != BASE)
    if environment not in known:
        close = difflib.get_close_matches(environment, known, 1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise InvalidInput(
            f"There is no environment {environment!r}",
            where=str(folder / f"{environment}.yaml"),
            hint=f"{hint}Environments: {', '.join(known) or 'none'}",
        )
    base = folder / f"{BASE}.yaml"
    return [*([base] if base.is_file() else []), folder / f"{environment}.yaml"]


def _nested(key: str, text: str) -> dict[str, Any]:
    parts = key.split(".")
    if not all(parts):
        raise InvalidInput(f"{key!r} is not a key", where=f"--set {key}", hint="Write section.key=value")
    parts, texts_only = _with_free_key(parts)
    nested: Any = text if texts_only else _value(key, text)
    for part in reversed(parts):
        nested = {part: nested}
    return dict(nested)


def _value(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise InvalidInput(
            f"The value {text!r} cannot be read", where=f"--set {key}", hint="Put it in quotes"
        ) from None


def _with_free_key(parts: list[str]) -> tuple[list[str], bool]:
    """Join what follows a section of free keys, as spark.sql.shuffle.partitions below spark.settings.

    Returns:
        The parts of the key, and whether such a section holds texts only, so that a value is taken as it is.
    """
    model: Any = Configuration
    for depth, part in enumerate(parts[:-1], start=1):
        field = model.model_fields.get(part)
        if field is None:
            break
        if get_origin(field.annotation) is dict:
            return [*parts[:depth], ".".join(parts[depth:])], get_args(field.annotation)[1] is str
        if not _is_model(field.annotation):
            break
        model = field.annotation
    return parts, False


def _problem(item: Any, sources: list[Source], overrides: Mapping[str, str]) -> LakehouseError:
    path = [str(part) for part in item["loc"]]
    key = ".".join(path)
    where = _where(path, sources, overrides)
    if item["type"] == "extra_forbidden":
        known = _keys_at(path[:-1])
        close = difflib.get_close_matches(path[-1], known, 1)
        hint = f"Did you mean {close[0]}?" if close else f"Known keys: {', '.join(known)}"
        return InvalidInput(f"Unknown key {key}", where=where, hint=hint)
    if item["type"] == "missing":
        return InvalidInput(f"The key {key} is missing", where=where, hint="Add it to config/base.yaml")
    if item.get("ctx", {}).get("pattern") == SECRET_PATTERN:
        # The value may be the secret itself, so it is not repeated.
        return InvalidInput(f"{key} must be a reference", where=where, hint="Write secret://scope/key")
    given = repr(item.get("input"))
    return InvalidInput(f"{key}: {_sentence(item['msg'])}", where=where, hint=f"It is {given[:60]}")


def _sentence(message: str) -> str:
    return message[0].lower() + message[1:]


def _where(path: list[str], sources: list[Source], overrides: Mapping[str, str]) -> str:
    key = ".".join(path)
    if any(key == given or key.startswith(f"{given}.") for given in overrides):
        return f"--set {key}"
    for source in reversed(sources):
        line = source.line_of(tuple(path))
        if line is not None:
            return f"{source.path}:{line}, key {key}"
    return f"{sources[-1].path}, key {key}"


def _keys_at(path: list[str]) -> list[str]:
    model: Any = Configuration
    for part in path:
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            return []
        model = next((kind for kind in (field.annotation, *get_args(field.annotation)) if _is_model(kind)), None)
        if model is None:
            return []
    return sorted(model.model_fields)


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _with_absolute_paths(configuration: Configuration, root: Path) -> Configuration:
    if configuration.spark.mode == "databricks":
        return configuration
    storage = configuration.storage
    paths = {name: getattr(storage, name) for name in PATH_KEYS}
    absolute = {name: str((root / path).resolve()) for name, path in paths.items() if path is not None}
    update: dict[str, object] = {
        "storage": storage.model_copy(update=absolute),
        "models": _with_absolute_models(configuration.models, root),
    }
    return configuration.model_copy(update=update)


def _with_absolute_models(models: Models, root: Path) -> Models:
    paths = {name: getattr(models, name) for name in ("artifacts", "online_store")}
    absolute = {name: str((root / path).resolve()) for name, path in paths.items() if path is not None}
    for name in ("tracking_uri", "registry_uri"):
        uri = getattr(models, name)
        if uri.startswith(SQLITE) and not uri.startswith(f"{SQLITE}/"):
            absolute[name] = f"{SQLITE}{(root / uri.removeprefix(SQLITE)).resolve()}"
    return models.model_copy(update=absolute)
