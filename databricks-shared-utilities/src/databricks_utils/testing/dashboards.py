"""Reading an AI/BI dashboard (`*.lvdash.json`), so that a test can run its queries before anybody looks at it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from databricks_utils.sql_literal import string_literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Columns of a page's grid.
GRID = 6
#: A text, which may hold a colon, or a parameter; `::` is a cast.
_PARAMETER = re.compile(r"'[^']*'|(?<![:\w]):([a-z_]\w*)")
_QUALIFIED = re.compile(r"\b(?:from|join)\s+(`[^`]+`|\w+)\s*\.", re.IGNORECASE)


@dataclass(frozen=True)
class DashboardDataset:
    """One query of a dashboard.

    Args:
        name: Its name in the file.
        query: SQL with parameters as `:name`.
        parameters: Default of each parameter.
        expressions: What the widgets compute from its rows, in SQL.
    """

    name: str
    query: str
    parameters: Mapping[str, str]
    expressions: tuple[str, ...]

    def rows(self, spark: SparkSession, schema: str, **parameters: str) -> DataFrame:
        """Run the query as the dashboard does, and look whether the widgets can do with its rows what they want.

        Args:
            spark: The session; its current schema is another one afterwards.
            schema: What the bundle gives as `dataset_schema`.
            parameters: Instead of the defaults; those that this query does not know are passed over.

        Returns:
            The rows of the query.

        Raises:
            AnalysisException: The query or a widget names a table or a column that does not exist.
        """
        spark.catalog.setCurrentDatabase(schema)
        known = {name: parameters.get(name, default) for name, default in self.parameters.items()}
        # Delta's parser of Spark 4.1 does not hand parameters on to Spark's, so they are written into the text.
        found = spark.sql(_PARAMETER.sub(lambda part: _written(part, known), self.query))
        for expression in self.expressions:
            found.selectExpr(expression).columns  # noqa: B018  # asks Spark whether the columns are there
        return found


def read_datasets(path: Path) -> tuple[DashboardDataset, ...]:
    """Return the queries of a dashboard with what its widgets make of them."""
    document = json.loads(path.read_text(encoding="utf-8"))
    asked: dict[str, dict[str, None]] = {}
    for _, query in _queries(document):
        fields = [field["expression"] for field in query.get("fields", [])]
        asked.setdefault(query["datasetName"], {}).update(dict.fromkeys(fields))
    return tuple(
        DashboardDataset(item["name"], _text_of(item), _defaults(item), tuple(asked.get(item["name"], {})))
        for item in document["datasets"]
    )


def dashboard_faults(path: Path) -> list[str]:
    """Return what is wrong within a dashboard, each as `place: what is wrong`; nothing is run."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [*_faults_of_datasets(document), *_faults_of_widgets(document), *_faults_of_layout(document)]


def _faults_of_datasets(document: Mapping[str, Any]) -> Iterator[str]:
    used = {query["datasetName"] for _, query in _queries(document)}
    for item in document["datasets"]:
        name, query, declared = item["name"], _text_of(item), _defaults(item)
        named = set(filter(None, _PARAMETER.findall(query)))
        for parameter in sorted(named ^ declared.keys()):
            yield f"datasets.{name}: parameter {parameter} is {'not declared' if parameter in named else 'not used'}"
        for schema in _QUALIFIED.findall(query):
            yield f"datasets.{name}: names the schema {schema}, which another target calls otherwise"
        if name not in used:
            yield f"datasets.{name}: no widget shows it"


def _faults_of_widgets(document: Mapping[str, Any]) -> Iterator[str]:
    declared = {item["name"]: _defaults(item) for item in document["datasets"]}
    names = [widget["name"] for widget, _ in _widgets(document)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"widgets.{name}: is there twice"
    for widget, query in _queries(document):
        place, dataset = f"widgets.{widget['name']}", query["datasetName"]
        for parameter in query.get("parameters", []):
            if parameter["keyword"] not in declared.get(dataset, {}):
                yield f"{place}: sets {parameter['keyword']}, which {dataset} does not know"
        if dataset not in declared:
            yield f"{place}: there is no dataset {dataset}"
    for widget, _ in _widgets(document):
        queries = {item["name"]: item["query"] for item in widget.get("queries", [])}
        fields = {field["name"] for query in queries.values() for field in query.get("fields", [])}
        for encoding in _encodings(widget.get("spec", {}).get("encodings", {})):
            if "fieldName" in encoding and encoding["fieldName"] not in fields:
                yield f"widgets.{widget['name']}: shows {encoding['fieldName']}, which it does not ask for"
            if "queryName" in encoding and encoding["queryName"] not in queries:
                yield f"widgets.{widget['name']}: there is no query {encoding['queryName']}"


def _faults_of_layout(document: Mapping[str, Any]) -> Iterator[str]:
    for page in document["pages"]:
        taken: dict[tuple[int, int], str] = {}
        for item in page["layout"]:
            name, at = item["widget"]["name"], item["position"]
            if at["x"] + at["width"] > GRID:
                yield f"widgets.{name}: is wider than the page"
            cells = [(at["x"] + x, at["y"] + y) for x in range(at["width"]) for y in range(at["height"])]
            for other in sorted({taken[cell] for cell in cells if cell in taken}):
                yield f"widgets.{name}: lies over {other}"
            taken |= dict.fromkeys(cells, name)


def _widgets(document: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    for page in document["pages"]:
        for item in page["layout"]:
            yield item["widget"], item["position"]


def _queries(document: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for widget, _ in _widgets(document):
        for item in widget.get("queries", []):
            yield widget, item["query"]


def _encodings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.keys() & {"fieldName", "queryName"}:
            yield value
        for item in value.values():
            yield from _encodings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _encodings(item)


def _written(part: re.Match[str], values: Mapping[str, str]) -> str:
    return string_literal(values[part[1]]) if part[1] in values else part[0]


def _text_of(dataset: Mapping[str, Any]) -> str:
    return "".join(dataset["queryLines"]) if "queryLines" in dataset else str(dataset["query"])


def _defaults(dataset: Mapping[str, Any]) -> dict[str, str]:
    return {
        item["keyword"]: str(item["defaultSelection"]["values"]["values"][0]["value"])
        for item in dataset.get("parameters", [])
    }
