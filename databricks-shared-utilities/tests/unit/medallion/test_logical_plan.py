"""Spark's text of a plan is read as far as it can be understood, and no further."""

from __future__ import annotations

from databricks_utils.medallion.logical_plan import column, definitions, items, read_tree, resolve

PLAN = """Project [id#1L, region#12]
:  +- Aggregate [max(amount#9) AS max#10]
:     +- SubqueryAlias orders
+- Filter (note#2 = two
lines)
   +- Join LeftOuter, (region#12 = region#7)
      :- Project [id#1L, coalesce(region#3, a, b) AS region#12, ... 2 more fields]
      :  +- SubqueryAlias read
      +- SubqueryAlias lookup"""


def test_children_and_subqueries_are_told_apart_and_a_literal_of_two_lines_is_one_operator() -> None:
    plan = read_tree(PLAN)

    assert [operator.name for operator in plan.walk()] == [
        *("Project", "Aggregate", "SubqueryAlias", "Filter", "Join", "Project", "SubqueryAlias", "SubqueryAlias"),
    ]
    assert [child.name for child in plan.children] == ["Filter"]
    assert [subquery.name for subquery in plan.subqueries] == ["Aggregate"]
    assert plan.children[0].text == "Filter (note#2 = two\nlines)"


def test_a_column_is_written_with_the_columns_it_comes_from() -> None:
    named = definitions(read_tree(PLAN).walk())

    assert resolve("upper(region#12)", named, {3: "region"}) == "upper(coalesce(⟨region⟩, a, b))"
    assert resolve("trunc(day#5, MONTH)", {}, {5: "day"}) == "trunc(⟨day⟩, MONTH)"


def test_what_is_cut_off_or_unknown_keeps_its_mark() -> None:
    assert resolve("upper(other#99)", {}, {3: "region"}) == "upper(other#99)"
    # A column that is defined by itself, as a text made to mislead may say, ends the search.
    assert "#" in resolve("a#1", {1: ("a", "b#2"), 2: ("b", "a#1")}, {})
    # The name before the mark is not that of the column: some other text ended in it.
    assert resolve("xregion#3", {}, {3: "other"}) == "xregion#3"


def test_lists_are_split_outside_of_brackets_alone() -> None:
    assert items("a#1, struct(a, b#2) AS c#3, list[0, 1]") == ["a#1", "struct(a, b#2) AS c#3", "list[0, 1]"]
    assert column("struct(a, b#2) AS c, d#3") == ("c, d", 3)
    assert column("at#4-T600000ms") == ("at", 4)
    assert column("count(1)") is None
