"""One page that a person can look at: models, what they were measured by, what has drifted, what came true."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from string import Template

from databricks_utils.features import Distribution, Drift
from databricks_utils.models import charts
from databricks_utils.models.definition import ModelDefinition, ModelProject
from databricks_utils.models.monitoring import Performance
from databricks_utils.models.registry import ModelVersion

SHOWN = 15
#: Correlation of a feature with what it adds from which on its direction is named.
CLEAR = 0.3

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --ink: #1b2733; --soft: #5b6b7b; --line: #d7dee6; --bar: #2b6cb0; --over: #c05621;
  --before: #a0aec0; --ground: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa7b4; --line: #30363d; --bar: #63a4e8;
  --over: #ed8936; --before: #5b6b7b; --ground: #12181f } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 2rem auto;
  max-width: 62rem; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem } p.note { color: var(--soft); margin: .2rem 0 .8rem }
table { border-collapse: collapse; display: block; max-width: 100%; overflow-x: auto }
th, td { text-align: left; white-space: nowrap; padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid var(--line) } td.number { text-align: right; font-variant-numeric: tabular-nums }
  td.bad { color: var(--over); font-weight: bold }
.columns { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start }
svg { max-width: 100%; height: auto } svg text { font-size: 12px; fill: var(--ink) } svg .name { text-anchor: end }
svg .middle { text-anchor: middle; fill: var(--soft) } svg .bar { fill: var(--bar) } svg .over { fill: var(--over) }
svg .before { fill: var(--before) } svg .limit { stroke: var(--over); stroke-dasharray: 4 3 }
svg .axis { stroke: var(--line) } svg .line { fill: none; stroke: var(--bar); stroke-width: 1.5 }
</style></head><body><h1>$title</h1><p class="note">$note</p>
$body
</body></html>
""")


@dataclass(frozen=True)
class Watched:
    """What the page says of one model.

    Args:
        model: Its definition.
        champion: The version in use.
        challenger: The version that waits, if any.
        importance: JSON of the training run: losses when features are shuffled.
        explanations: JSON of the training run: what features add to predictions; an empty list where nobody asked.
        curves: JSON of the training run.
        features: Drift of the features.
        predictions: Drift of the predictions.
        before: Scores of the test month.
        now: Scores of today.
        performance: Of moments whose future is known.
    """

    model: ModelDefinition
    champion: ModelVersion
    challenger: ModelVersion | None
    importance: str
    explanations: str
    curves: str
    features: Sequence[Drift]
    predictions: Sequence[Drift]
    before: Distribution
    now: Distribution
    performance: Sequence[Performance]


def render_models(project: ModelProject, title: str, note: str, watched: Sequence[Watched], psi_limit: float) -> str:
    """Return the page, which holds everything it needs.

    Args:
        project: Whose models they are.
        title: Heading.
        note: Below the heading: what was looked at, and when.
        watched: One for each model.
        psi_limit: Population stability index from which on drift counts.
    """
    body = "\n".join(_section(project, item, psi_limit) for item in watched)
    return PAGE.substitute(title=escape(title), note=escape(note), body=body)


def _section(project: ModelProject, item: Watched, psi_limit: float) -> str:
    drifted = [result.column for result in item.features if result.status == "drifted"]
    few = next((result.reasons[0] for result in item.features if result.status == "too few rows"), "")
    strongest = sorted(item.features, key=lambda result: -result.psi)[:SHOWN]
    parts = [
        f"<h2>{escape(item.model.name)}, version {item.champion.version}</h2><p>{escape(item.model.purpose)}</p>",
        _versions(item),
        '<div class="columns"><div><h3>What it looks at</h3>',
        _importance(item),
        "</div><div><h3>Predicted and observed in the test month</h3>",
        f'<p class="note">{escape(_tested(project, item))}</p>',
        charts.calibration("Predicted and observed means", json.loads(item.curves)["points"]),
        "</div></div>",
        _weights(item),
        '<h3>Features now and in training</h3><p class="note">'
        f"Drifted: {len(drifted)} of {len(item.features)}. {escape(few)} "
        f"Population stability index of the {len(strongest)} greatest, limit {psi_limit:g}.</p>",
        charts.bars("Drift of features", {result.column: result.psi for result in strongest}, limit=psi_limit),
        _drifted(item),
        '<h3>Scores now and in the test month</h3><p class="note">'
        f"Share of {escape(project.entities)}; grey is the test month. "
        f"Index {item.predictions[0].psi:.3g}, {escape(item.predictions[0].status)}.</p>",
        _scores(item),
        "<h3>What came true of past scores</h3>",
        _performance(project, item.performance),
    ]
    return "\n".join(parts)


def _tested(project: ModelProject, item: Watched) -> str:
    """Say which entities the calibration is of: not those of today."""
    moment = json.loads(item.curves).get("test_moment")
    month = f"the {project.horizon_days} days from {moment}" if moment else "its test month"
    return (
        f"Ten equal parts of the {project.entities} of {month}, which this version had not seen when it was trained. "
        "What came true of scores since then is at the end."
    )


def _drifted(item: Watched) -> str:
    """List every feature that has drifted, with the reason: the chart shows the greatest index only."""
    found = [result for result in item.features if result.status == "drifted"]
    if not found:
        return ""
    rows = "".join(
        f"<tr><td>{escape(result.column)}</td><td>{escape('; '.join(result.reasons))}</td></tr>" for result in found
    )
    return f"<table><tr><th>drifted</th><th>because</th></tr>{rows}</table>"


def _importance(item: Watched) -> str:
    weights = json.loads(item.explanations)[:SHOWN]
    if not weights:
        losses = dict(list(json.loads(item.importance).items())[:SHOWN])
        return '<p class="note">Loss when a feature is shuffled.</p>' + charts.bars("Importance of features", losses)
    note = f'<p class="note">Mean of what a feature adds or takes (SHAP values, {escape(item.model.unit)}).</p>'
    means = {weight["feature"]: weight["contribution"] for weight in weights}
    return note + charts.bars("Importance of features", means)


def _weights(item: Watched) -> str:
    weights = json.loads(item.explanations)[:SHOWN]
    if not weights:
        return ""
    heads = ("feature", f"adds or takes ({item.model.unit})", "more of it", "loss when shuffled")
    rows = "".join(
        f"<tr><td>{escape(weight['feature'])}</td><td class=number>{weight['contribution']:.3g}</td>"
        f"<td>{_direction(weight['direction'])}</td><td class=number>{weight['loss_when_shuffled']:.3g}</td></tr>"
        for weight in weights
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    note = '<p class="note">Of the test month. The reasons of each score stand beside it.</p>'
    return f"<h3>Features that count most</h3>{note}<table><tr>{head}</tr>{rows}</table>"


def _direction(correlation: float) -> str:
    if abs(correlation) < CLEAR:
        return "raises or lowers"
    return "raises" if correlation > 0 else "lowers"


def _versions(item: Watched) -> str:
    versions = [("champion", item.champion), *([("challenger", item.challenger)] if item.challenger else [])]
    names = _estimates(item.champion.metrics)
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", "version", "approved by", *names))
    rows = "".join(
        f"<tr><td>{role}</td><td class=number>{version.version}</td>"
        f"<td>{escape(version.tags.get('approved_by', ''))}</td>"
        + "".join(f"<td class=number>{_measured(version.metrics, name)}</td>" for name in names)
        + "</tr>"
        for role, version in versions
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _estimates(metrics: Mapping[str, float]) -> list[str]:
    """Return the names that have a column: the ends of an interval stand beside what they belong to."""
    return sorted(name for name in metrics if not name.endswith(("_low", "_high")))


def _measured(metrics: Mapping[str, float], name: str) -> str:
    ends = [metrics.get(f"{name}_{end}") for end in ("low", "high")]
    interval = f" ({ends[0]:.3g} to {ends[1]:.3g})" if ends[0] is not None and ends[1] is not None else ""
    return f"{metrics.get(name, float('nan')):.4g}{interval}"


def _scores(item: Watched) -> str:
    size = max(1, len(item.before.counts) // 10)
    shares = []
    for side in (item.now, item.before):
        total = max(1, side.values)
        counts = [sum(side.counts[start : start + size]) / total for start in range(0, len(side.counts), size)]
        shares.append(counts)
    edges = [0.0, *item.before.edges[size - 1 :: size]]
    edges += [edges[-1]] * (len(shares[0]) + 1 - len(edges))
    return charts.histogram("Scores now and in the test month", edges[: len(shares[0]) + 1], shares[0], shares[1])


def _performance(project: ModelProject, results: Sequence[Performance]) -> str:
    if not results:
        return '<p class="note">No scoring is old enough yet for its future to be known.</p>'
    names = _estimates(results[0].metrics)
    head = "".join(f"<th>{escape(name)}</th>" for name in ("moment", "version", project.entities, "status", *names))
    rows = "".join(
        f"<tr><td>{item.observed_at:%Y-%m-%d}</td><td class=number>{item.version}</td>"
        f"<td class=number>{item.entities:,}</td>{_status(item)}"
        + "".join(f"<td class=number>{_measured(item.metrics, name)}</td>" for name in names)
        + "</tr>"
        for item in results
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _status(item: Performance) -> str:
    mark = " class=bad" if item.status == "degraded" else ""
    reasons = f": {'; '.join(item.reasons)}" if item.reasons else ""
    return f"<td{mark}>{escape(item.status + reasons)}</td>"
