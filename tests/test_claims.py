"""What the documents claim of the code is what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from baking import LIBRARY, ML, ROOT, STREAMING, TEMPLATE
from databricks_utils.pipeline import technical
from databricks_utils.streaming.events import bronze_columns, quarantine_columns, silver_columns
from hypothesis import given
from hypothesis import strategies as st
from rooms import without_detours

#: Attributes by which Python reaches into the Java process of a classic session.
INTO_JAVA = {"_jvm", "_jdf", "_jsc", "_jsparkSession", "_jc"}
#: The process itself, which is started and ended on a laptop.
PROCESS = {"_gateway"}
LENGTH = re.compile(r"[Ll]ine length (\d+)")
SETTING = re.compile(r"^line-length = (\d+)$", re.MULTILINE)
MODULE = re.compile(r"`([\w/]+\.py)`")
FOLDER = re.compile(r"`([\w.-]+/)(?:`|[\w.-]+/`)")


def uses(path: Path, names: set[str]) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.Attribute) and node.attr in names for node in ast.walk(tree))


def test_java_is_reached_only_where_the_readme_of_the_library_says() -> None:
    source = LIBRARY / "src" / "databricks_utils"
    places = {path.relative_to(source).as_posix() for path in source.rglob("*.py") if uses(path, INTO_JAVA)}
    processes = {path.relative_to(source).parts[0] for path in source.rglob("*.py") if uses(path, PROCESS)}
    said = " ".join((LIBRARY / "README.md").read_text(encoding="utf-8").split())

    assert places == {"streaming/realtime.py", "streaming/state.py"}
    assert processes == {"session"}
    assert "The JVM is asked in two places" in said
    assert "the trigger of real-time mode on open-source Spark, and by `state`, which reads plans" in said


def test_no_generated_project_reaches_into_java() -> None:
    found = [path for template in (TEMPLATE, STREAMING, ML) for path in template.glob("{{*/src/**/*.py")]
    texts = {path: path.read_text(encoding="utf-8") for path in found}

    assert len(texts) > 30
    assert [path.name for path, text in texts.items() if any(f".{name}" in text for name in INTO_JAVA)] == []


@pytest.mark.parametrize("template", [TEMPLATE, STREAMING, ML], ids=lambda template: template.name)
def test_the_line_length_that_documents_name_is_the_one_that_is_checked(template: Path) -> None:
    (project,) = template.glob("{{*")
    (setting,) = SETTING.findall((project / "pyproject.toml").read_text(encoding="utf-8"))
    documents = [project / "AGENTS.md", project / "README.md", *(project / "docs").glob("*.md")]

    named = {found for path in documents for found in LENGTH.findall(path.read_text(encoding="utf-8"))}

    assert named <= {setting}


def test_the_modules_that_the_architecture_names_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    there = [f"/{path.relative_to(LIBRARY).as_posix()}" for path in (LIBRARY / "src").rglob("*.py")]

    named = set(MODULE.findall(text)) - {"pipeline_definition.py"}

    assert len(named) > 30
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in there)] == []


@given(st.dictionaries(st.integers(0, 8), st.sets(st.integers(0, 8), max_size=5), min_size=2, max_size=9))
def test_the_picture_of_the_rooms_leads_where_the_imports_lead(graph: dict[int, set[int]]) -> None:
    """Imports go to lower numbers, so that there is no circle; what can be reached stays, and no arrow is in vain."""
    imports = {f"r{room}": {f"r{near}" for near in nears if near < room} for room, nears in graph.items()}

    drawn = without_detours(imports)

    assert reach(drawn) == reach(imports)
    for room, nears in drawn.items():
        for near in nears:
            assert reach({**drawn, room: nears - {near}}) != reach(imports), f"{room} --> {near}"


def reach(graph: dict[str, set[str]]) -> set[tuple[str, str]]:
    found = {(room, near) for room, nears in graph.items() for near in nears}
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


def test_the_folders_that_the_guide_for_contributors_names_are_there() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where things are")[2]
    named = FOLDER.findall(table.partition("\n## ")[0])

    assert len(named) >= 10
    assert [name for name in named if not (ROOT / name).is_dir()] == []
    assert {path.name + "/" for path in ROOT.glob("cookiecutter-*") if path.is_dir()} <= set(named)


@pytest.mark.parametrize("template", [TEMPLATE, STREAMING, ML], ids=lambda template: template.name)
def test_the_columns_beside_the_contracts_are_documented_as_they_are(template: Path) -> None:
    (page,) = template.glob("{{*/docs/architecture.md")
    rows = dict(
        re.findall(r"^\| (bronze|silver|quarantine|gold) \| (`.*`) \|$", page.read_text(encoding="utf-8"), re.M)
    )
    streams = {"bronze": bronze_columns(), "silver": silver_columns(), "quarantine": quarantine_columns()}

    for layer in ("bronze", "silver", "quarantine", "gold"):
        wanted = streams.get(layer) if template == STREAMING else None
        assert rows[layer].split(", ") == [f"`{name}`" for name in (wanted or technical.columns(layer)).names], layer
