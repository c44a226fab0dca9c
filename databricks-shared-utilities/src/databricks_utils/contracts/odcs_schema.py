"""The standard's own JSON Schema: what it finds wrong, in words a person can act on."""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft201909Validator, ValidationError
from jsonschema.protocols import Validator

from databricks_utils.config import Source
from databricks_utils.errors import InvalidInput, LakehouseError


def schema_problems(source: Source) -> list[LakehouseError]:
    """Return what the standard's schema finds wrong in a contract."""
    found = [leaf for error in _validator().iter_errors(source.values) for leaf in _leaves(error)]
    unique = {(tuple(map(str, error.absolute_path)), error.message): error for error in found}
    return [_problem(source, error) for error in unique.values()]


@cache
def _validator() -> Validator:
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8"))
    return Draft201909Validator(schema)


def _leaves(error: ValidationError) -> list[ValidationError]:
    """Descend to what is really wrong: `anyOf` alone would only say that nothing fits."""
    if not error.context:
        return [error]
    deepest = max(len(item.absolute_path) for item in error.context)
    return [leaf for item in error.context if len(item.absolute_path) == deepest for leaf in _leaves(item)][:3]


def _problem(source: Source, error: ValidationError) -> LakehouseError:
    path = tuple(str(part) for part in error.absolute_path)
    line = source.line_of(path)
    where = f"{source.path}{f':{line}' if line else ''}, key {'.'.join(path) or '(top)'}"
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        return _unknown_key(source, error, path, where)
    if error.validator == "enum":
        allowed = [str(item) for item in _allowed(error)]
        close = difflib.get_close_matches(str(error.instance), allowed, 1)
        hint = f"Did you mean {close[0]}?" if close else f"Allowed: {', '.join(allowed)}"
        return InvalidInput(f"{error.instance!r} is not allowed here", where=where, hint=hint)
    if (
        error.validator == "required"
        and isinstance(error.instance, dict)
        and "logicalType" not in error.instance
        and "properties" in path
    ):
        # Without a logicalType the schema's conditions for structured types apply, and its message misleads.
        return InvalidInput("The key logicalType is missing", where=where, hint="For example logicalType: string")
    return InvalidInput(_first_words(error.message), where=where, hint="See the Open Data Contract Standard, version 3")


def _allowed(error: ValidationError) -> list[Any]:
    allowed = error.validator_value
    return allowed if isinstance(allowed, list) else []


def _unknown_key(source: Source, error: ValidationError, path: tuple[str, ...], where: str) -> LakehouseError:
    known = sorted(_property_names(error.schema))
    given = [str(key) for key in error.instance] if isinstance(error.instance, dict) else []
    named = [key for key in given if f"'{key}'" in error.message]
    unknown = [key for key in (named or given) if key not in known]
    name = unknown[0] if unknown else "?"
    line = source.line_of((*path, name))
    place = f"{source.path}:{line}, key {'.'.join((*path, name))}" if line else where
    close = difflib.get_close_matches(name, known or _all_names(), 1)
    hint = f"Did you mean {close[0]}?" if close else "Remove it, or put it under customProperties"
    return InvalidInput(f"Unknown key {name!r}", where=place, hint=hint)


def _property_names(schema: Any) -> set[str]:
    return set(schema.get("properties", {})) if isinstance(schema, dict) else set()


@cache
def _all_names() -> list[str]:
    definitions = _validator().schema["$defs"].values()  # type: ignore[index]  # the standard's schema is an object
    return sorted({name for item in definitions for name in _property_names(item)})


def _first_words(message: str) -> str:
    return message if len(message) <= 160 else f"{message[:157]}…"
