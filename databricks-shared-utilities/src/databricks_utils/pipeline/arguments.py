"""What transformations ask for by name: parameters, feature flags and secrets of the configuration."""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pyspark.errors import PySparkException

from databricks_utils.config import Configuration
from databricks_utils.config.secrets import SecretProvider, resolve_secret
from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.logging.redaction import LEAST_SECRET, MASK, concealed, written_forms

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from databricks_utils.pipeline.flow import Definition

#: What Spark masks in the plans that it explains and shows in its pages.
HIDDEN_IN_PLANS = "spark.sql.redaction.string.regex"
#: Never matches; for the word in it Spark masks the setting itself, which holds the secrets.
_INERT = "(?!)secret"
#: Secrets that this process has looked up, as regular expressions, and what a session masked without them.
_hidden: set[str] = set()
_others: WeakKeyDictionary[SparkSession, str] = WeakKeyDictionary()


class Secret(str):
    """The value of a secret: a text like any other, except that its `repr` does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the mask."""
        return f"'{MASK}'"


def arguments_for(
    transform: Callable[..., Any] | None, configuration: Configuration, spark: SparkSession, secrets: SecretProvider
) -> dict[str, object]:
    """Return the keyword-only arguments of a transformation.

    Each is a parameter, a feature flag or a secret of the configuration, by its name. A secret is looked up only where
    a transformation names it. From then on it is masked in everything that this process prints or records, and in the
    plans that the session shows, where its settings may be changed.

    Args:
        transform: The function; None asks for nothing.
        configuration: The configuration of the environment.
        spark: The session.
        secrets: Where secrets are looked up.

    Raises:
        InvalidInput: The configuration has no value of a name, or there is no such secret, or it is too short to be
            masked.
    """
    found: dict[str, object] = {}
    hidden: list[str] = []
    for name, section in _asked(transform, configuration):
        if section == "secrets":
            value = Secret(resolve_secret(configuration.secrets[name], secrets).get_secret_value())
            if value != MASK:
                hidden.append(_long_enough(name, value))
            found[name] = value
        elif section == "feature_flags":
            found[name] = configuration.flag(name)
        else:
            found[name] = configuration.parameter(name)
    _hide_in_plans(spark, hidden)
    return found


def argument_problems(definitions: Iterable[Definition], configuration: Configuration) -> list[LakehouseError]:
    """Return what transformations ask for that the configuration does not have, or has twice.

    Args:
        definitions: Tables and alerts; those without transformation ask for nothing.
        configuration: The configuration of the environment.
    """
    problems: list[LakehouseError] = []
    sections = _sections(configuration)
    for definition in definitions:
        called, place = getattr(definition.transform, "__name__", "the transformation"), definition.place
        for name, section in _asked(definition.transform, configuration):
            held = [other for other, values in sections.items() if name in values]
            if len(held) > 1:
                hint = f"Keep it in one of them: {' and '.join(held)}"
                message = f"{called} asks for {name!r}, which the configuration has twice"
                problems.append(InvalidInput(message, where=place, hint=hint))
            elif not held and section == "parameters":
                known = sorted(key for values in sections.values() for key in values)
                close = difflib.get_close_matches(name, known, 1)
                hint = (
                    f"Did you mean {close[0]}?"
                    if close
                    else f"Add it to parameters. Known: {', '.join(known) or 'none'}"
                )
                message = f"{called} asks for {name!r}, which the configuration lacks"
                problems.append(InvalidInput(message, where=place, hint=hint))
    return problems


def _sections(configuration: Configuration) -> Mapping[str, Mapping[str, object]]:
    return {
        "parameters": configuration.parameters,
        "feature_flags": configuration.feature_flags,
        "secrets": configuration.secrets,
    }


def _asked(transform: Callable[..., Any] | None, configuration: Configuration) -> list[tuple[str, str]]:
    """Return the names that a transformation asks for, with the section that has each; `parameters` where none has."""
    if transform is None:
        return []
    sections = _sections(configuration)
    asked = []
    for item in inspect.signature(transform).parameters.values():
        held = next((section for section, values in sections.items() if item.name in values), None)
        if item.kind is item.KEYWORD_ONLY and (held or item.default is item.empty):
            asked.append((item.name, held or "parameters"))
    return asked


def _long_enough(name: str, value: str) -> str:
    if len(value) < LEAST_SECRET:
        raise InvalidInput(
            f"The secret {name!r} is too short to be masked: it stands in any text by chance",
            where=f"config: secrets.{name}",
            hint=f"Use one of {LEAST_SECRET} characters or more",
        )
    return str(value)


def _hide_in_plans(spark: SparkSession, values: Iterable[str]) -> None:
    # Java reads the text of a plan as it reads that of a log; the case of letters does not count there either.
    if not (wanted := [_as_java(form) for value in values for form in written_forms(value)]):
        return
    _hide_in_logs_of_spark()
    _hidden.update(wanted)
    # Serverless compute allows no such setting; its plans are shown to those who may see the run.
    with suppress(PySparkException):
        # Spark Connect does not tell a setting with this word in it, so that what was there is remembered.
        told = (spark.conf.get(HIDDEN_IN_PLANS, "") or "").partition(_INERT)[0].strip("|")
        others = told or _others.get(spark, "")
        _others[spark] = others
        # Of two that begin alike Java takes the first, which would leave the end of a longer one to be read.
        ours = sorted(tuple(_hidden), key=len, reverse=True)
        spark.conf.set(HIDDEN_IN_PLANS, "|".join([*filter(None, [others]), _INERT, f"(?iu:{'|'.join(ours)})"]))


class _Concealing(logging.Formatter):
    """Masks secrets in what another formatter writes."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as the other formatter writes it, without secrets."""
        return concealed(self._inner.format(record))


def _hide_in_logs_of_spark() -> None:
    """Mask secrets in what PySpark 4 writes to standard error of each failed analysis, before anybody catches it."""
    try:
        from pyspark.logger import PySparkLogger
    except ImportError:
        return
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        for handler in PySparkLogger.getLogger(name).handlers:
            if not isinstance(handler.formatter, _Concealing):
                handler.setFormatter(_Concealing(handler.formatter))


def _as_java(text: str) -> str:
    """Return a regular expression that Java and Python read alike, which matches the text."""
    return "".join(char if char.isascii() and char.isalnum() else f"\\x{{{ord(char):x}}}" for char in text)
