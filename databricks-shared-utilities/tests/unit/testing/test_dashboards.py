"""The file of a dashboard is read as its queries and what is wrong with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from databricks_utils.testing.dashboards import dashboard_faults, read_datasets

DAYS: dict[str, Any] = {
    "name": "days",
    "queryLines": [
        "SELECT day, amount\n",
        "FROM IDENTIFIER(:gold || '.sales') WHERE day > current_date() - :days::int",
    ],
    "parameters": [
        {"keyword": "gold", "defaultSelection": {"values": {"values": [{"value": "gold"}]}}},
        {"keyword": "days", "defaultSelection": {"values": {"values": [{"value": "7"}]}}},
    ],
}
CHART: dict[str, Any] = {
    "widget": {
        "name": "chart",
        "queries": [
            {
                "name": "main",
                "query": {
                    "datasetName": "days",
                    "fields": [
                        {"name": "day", "expression": "`day`"},
                        {"name": "sum(amount)", "expression": "SUM(`amount`)"},
                    ],
                },
            }
        ],
        "spec": {"widgetType": "bar", "encodings": {"x": {"fieldName": "day"}, "y": {"fieldName": "sum(amount)"}}},
    },
    "position": {"x": 0, "y": 0, "width": 3, "height": 4},
}
CHOOSER: dict[str, Any] = {
    "widget": {
        "name": "choose",
        "queries": [
            {"name": "p", "query": {"datasetName": "days", "parameters": [{"name": "days", "keyword": "days"}]}}
        ],
        "spec": {
            "widgetType": "filter-single-select",
            "encodings": {"fields": [{"parameterName": "days", "queryName": "p"}]},
        },
    },
    "position": {"x": 3, "y": 0, "width": 3, "height": 2},
}
SOUND: dict[str, Any] = {"datasets": [DAYS], "pages": [{"name": "first", "layout": [CHART, CHOOSER]}]}

Change = Callable[[dict[str, Any]], object]


def widget(document: dict[str, Any], number: int) -> dict[str, Any]:
    return dict(document["pages"][0]["layout"][number]["widget"])


DEFECTS: dict[str, tuple[Change, str]] = {
    "parameter without a declaration": (
        lambda it: it["datasets"][0]["parameters"].pop(0),
        "datasets.days: parameter gold is not declared",
    ),
    "parameter without a use": (
        lambda it: it["datasets"][0].update(queryLines=["SELECT ':gold', ", ":days AS d"]),
        "datasets.days: parameter gold is not used",
    ),
    "schema of one target": (
        lambda it: it["datasets"][0]["queryLines"].append(" JOIN gold.stores"),
        "datasets.days: names the schema gold, which another target calls otherwise",
    ),
    "dataset that nobody shows": (
        lambda it: it["datasets"].append({"name": "idle", "query": "SELECT 1"}),
        "datasets.idle: no widget shows it",
    ),
    "dataset that is not there": (
        lambda it: widget(it, 0)["queries"][0]["query"].update(datasetName="weeks"),
        "widgets.chart: there is no dataset weeks",
    ),
    "field that is not asked for": (
        lambda it: widget(it, 0)["spec"]["encodings"]["x"].update(fieldName="week"),
        "widgets.chart: shows week, which it does not ask for",
    ),
    "query that is not there": (
        lambda it: widget(it, 1)["spec"]["encodings"]["fields"][0].update(queryName="q"),
        "widgets.choose: there is no query q",
    ),
    "parameter that the dataset does not know": (
        lambda it: widget(it, 1)["queries"][0]["query"]["parameters"][0].update(keyword="weeks"),
        "widgets.choose: sets weeks, which days does not know",
    ),
    "name given twice": (
        lambda it: it["pages"].append({"name": "second", "layout": [copy.deepcopy(CHART)]}),
        "widgets.chart: is there twice",
    ),
    "widgets one over the other": (
        lambda it: it["pages"][0]["layout"][1]["position"].update(x=2),
        "widgets.choose: lies over chart",
    ),
    "widget outside the page": (
        lambda it: it["pages"][0]["layout"][1]["position"].update(width=4),
        "widgets.choose: is wider than the page",
    ),
}


def written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "days.lvdash.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_dataset_is_its_query_with_defaults_and_what_widgets_ask_of_it(tmp_path: Path) -> None:
    (dataset,) = read_datasets(written(tmp_path, SOUND))

    assert dataset.query.splitlines()[0] == "SELECT day, amount"
    assert dataset.parameters == {"gold": "gold", "days": "7"}
    assert dataset.expressions == ("`day`", "SUM(`amount`)")


def test_a_sound_dashboard_has_no_fault(tmp_path: Path) -> None:
    assert dashboard_faults(written(tmp_path, SOUND)) == []


@pytest.mark.parametrize("name", DEFECTS)
def test_a_fault_is_found(name: str, tmp_path: Path) -> None:
    change, message = DEFECTS[name]
    document = copy.deepcopy(SOUND)
    change(document)

    assert message in dashboard_faults(written(tmp_path, document))
