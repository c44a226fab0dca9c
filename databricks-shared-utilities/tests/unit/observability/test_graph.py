"""The picture of the pipeline: every table a box, every line free of boxes it does not belong to."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from databricks_utils.observability import Graph, GraphNode, RunResult
from databricks_utils.observability.graph import draw
from databricks_utils.observability.layout import BOX_HEIGHT, BOX_WIDTH, GAP_X, LANE, Layout, arranged

Edge = tuple[str, str]


@st.composite
def pipelines(drawn: st.DrawFn) -> tuple[list[str], list[Edge]]:
    """Tables in any order, each reading some that come before it in another order."""
    count = drawn(st.integers(min_value=0, max_value=9))
    names = [f"t{n}" for n in range(count)]
    pairs = list(itertools.combinations(names, 2))
    edges = drawn(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    return drawn(st.permutations(names)), edges


@given(pipelines())
def test_boxes_do_not_touch_and_lie_within_the_picture(pipeline: tuple[list[str], list[Edge]]) -> None:
    layout = arranged(*pipeline)

    assert set(layout.boxes) == set(pipeline[0])
    for x, y in layout.boxes.values():
        assert 0 <= x <= layout.width - BOX_WIDTH
        assert 0 <= y <= layout.height - BOX_HEIGHT
    for (x, y), (other_x, other_y) in itertools.combinations(layout.boxes.values(), 2):
        assert abs(x - other_x) > BOX_WIDTH or abs(y - other_y) > BOX_HEIGHT


@given(pipelines())
def test_lines_run_from_left_to_right_between_their_own_boxes(pipeline: tuple[list[str], list[Edge]]) -> None:
    layout = arranged(*pipeline)

    assert set(layout.lines) == set(pipeline[1])
    for (source, target), points in layout.lines.items():
        assert points[0] == (layout.boxes[source][0] + BOX_WIDTH, layout.boxes[source][1] + BOX_HEIGHT // 2)
        assert points[-1] == (layout.boxes[target][0], layout.boxes[target][1] + BOX_HEIGHT // 2)
        xs = [x for x, _ in points]
        assert xs == sorted(set(xs))


@given(pipelines())
def test_no_line_runs_behind_another_box(pipeline: tuple[list[str], list[Edge]]) -> None:
    layout = arranged(*pipeline)

    for points in layout.lines.values():
        # A line bends between two columns only, and passes a column on a straight line.
        bends = itertools.islice(itertools.pairwise(points), 0, None, 2)
        assert {right - left for (left, _), (right, _) in bends} == {GAP_X}
        for (left, y), (right, same) in itertools.islice(itertools.pairwise(points), 1, None, 2):
            assert y == same
            assert boxes_behind(layout, left, right, y) == []


def boxes_behind(layout: Layout, left: int, right: int, y: int) -> list[str]:
    return [
        name
        for name, (x, top) in layout.boxes.items()
        if x < right and left < x + BOX_WIDTH and top - LANE // 2 < y < top + BOX_HEIGHT + LANE // 2
    ]


def test_tables_beside_each_other_are_in_the_order_of_what_they_read() -> None:
    layout = arranged(["a", "b", "c", "reads_c", "reads_b", "reads_a"], [(name, f"reads_{name}") for name in "abc"])

    tops = [layout.boxes[f"reads_{name}"][1] for name in "abc"]
    assert tops == [layout.boxes[name][1] for name in "abc"]


def test_the_picture_is_xml_with_a_title_for_each_table(run: RunResult, graph: Graph) -> None:
    picture = ElementTree.fromstring(draw(graph, {item.table: item.status for item in run.tables}))

    assert picture.get("role") == "img"
    assert picture.get("aria-label") == "5 tables and what they read"
    titles = [element.text for element in picture.iter("title")]
    assert "gold.daily_orders: blocked. About gold.daily_orders" in titles
    assert len(titles) == 5
    assert len(list(picture.iter("path"))) == 4


def test_a_status_is_a_mark_and_a_word_beside_its_colour() -> None:
    nodes = tuple(
        GraphNode(f"gold.{status}", "gold") for status in ("succeeded", "skipped", "failed", "blocked", "breached")
    )

    text = draw(Graph(nodes, ()), {node.name: node.name.partition(".")[2] for node in nodes})

    marks = re.findall(r'class="mark"[^>]*>([^<]*)<', text)
    assert len(set(marks)) == len(nodes)
    for node in nodes:
        assert f"{node.name}: {node.name.partition('.')[2]}." in text


def test_a_table_the_run_was_not_asked_for_is_not_called_up_to_date() -> None:
    text = draw(Graph((GraphNode("gold.sales", "gold"),), ()), {})

    assert "gold.sales: not part of this run." in text
    assert "skipped" not in text


def test_a_line_to_a_blocked_table_is_marked() -> None:
    graph = Graph((GraphNode("a", "gold"), GraphNode("b", "gold")), (("a", "b"),))

    assert 'class="edge blocked"' in draw(graph, {"a": "failed", "b": "blocked"})
    assert 'class="edge succeeded"' in draw(graph, {"a": "succeeded", "b": "succeeded"})


def test_a_long_name_stays_within_its_box_and_is_whole_in_the_title() -> None:
    name = "gold.household_with_demographics_and_campaigns"

    text = draw(Graph((GraphNode(name, "gold"),), ()), {})

    assert f"<title>{name}: " in text
    assert "household_with_demograp…" in text
    assert 'textLength="140"' in text
    assert "textLength" not in draw(Graph((GraphNode("gold.sales", "gold"),), ()), {})


def test_lines_from_tables_that_are_not_there_are_left_out() -> None:
    text = draw(Graph((GraphNode("gold.sales", "gold"),), (("silver.gone", "gold.sales"),)), {})

    assert "<path" not in text
