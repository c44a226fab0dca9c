"""The page that says what a model is, what it was measured by, and who let it take over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from databricks_utils.models.registry import (
    APPROVED_AT,
    APPROVED_BY,
    EVALUATION,
    REPLACED,
    ROLLED_BACK_AT,
    ROLLED_BACK_BY,
    ROLLED_BACK_WHY,
    ModelVersion,
)

#: Features whose importance is shown.
_SHOWN = 15


def model_card(
    model: ModelVersion,
    *,
    purpose: str,
    owner: str,
    features: Sequence[str] = (),
    limits: Sequence[str] = (),
    importance: Mapping[str, float] | None = None,
    unit: str = "",
) -> str:
    """Return a Markdown page about a version of a model.

    Source of the sections: Mitchell et al., Model Cards for Model Reporting, 2019, as far as a registry knows them.

    Args:
        model: From the registry.
        purpose: What it is for, and what not.
        owner: The team that answers for it.
        features: What it reads.
        limits: What is known to go wrong.
        importance: How much each feature counts, such as its mean absolute SHAP value; the greatest are shown.
        unit: What that is counted in.
    """
    parts = [
        f"# {model.name}, version {model.version}\n\n{purpose}\n",
        f"owner {owner} · run `{model.run_id}` · load `{model.uri}`\n",
        _metrics(model),
        _importance(importance or {}, unit),
        _listed("What it reads", [f"`{name}`" for name in features]),
        _listed("Known limits", limits),
        _listed("History", _history(model.tags)),
    ]
    return "\n".join(part for part in parts if part)


def _metrics(model: ModelVersion) -> str:
    before: Mapping[str, float] = json.loads(model.tags.get(EVALUATION, "{}")).get("champion", {})
    rows = [
        f"| {name} | {value:.6g} | {f'{before[name]:.6g}' if name in before else ''} |"
        for name, value in sorted(model.metrics.items())
    ]
    return "\n".join(["## Metrics\n", "| metric | this version | the one before |", "|---|---|---|", *rows]) + "\n"


def _importance(importance: Mapping[str, float], unit: str) -> str:
    if not importance:
        return ""
    greatest = sorted(importance.items(), key=lambda pair: -pair[1])[:_SHOWN]
    rows = [f"| `{name}` | {value:.3g} |" for name, value in greatest]
    head = f"| feature | mean contribution{f' ({unit})' if unit else ''} |"
    return "\n".join(["## What counts most\n", head, "|---|---|", *rows]) + "\n"


def _history(tags: Mapping[str, str]) -> list[str]:
    if APPROVED_BY not in tags:
        return ["never promoted"]
    replaced = f", in place of version {tags[REPLACED]}" if REPLACED in tags else ""
    lines = [f"promoted {tags[APPROVED_AT]} by {tags[APPROVED_BY]}{replaced}"]
    if ROLLED_BACK_BY in tags:
        lines.append(f"taken back {tags[ROLLED_BACK_AT]} by {tags[ROLLED_BACK_BY]}: {tags[ROLLED_BACK_WHY]}")
    return lines


def _listed(heading: str, lines: Sequence[str]) -> str:
    return f"## {heading}\n\n" + "\n".join(f"- {line}" for line in lines) + "\n" if lines else ""
