"""The report is one page that any browser shows: whole, safe, readable in light and dark, and alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from html.parser import HTMLParser
from typing import Any

import pytest

from databricks_utils.data_quality import RuleResult
from databricks_utils.data_quality.results import breaches_of, warnings_of
from databricks_utils.observability import Graph, GraphNode, RunResult, StreamSummary, TableResult, render_report

VOID = {"meta", "br", "hr", "img", "input", "link"}
NASTY = """<script>alert("x")</script>&'">"""


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its turn and no attribute is there twice."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} {names}"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def rendered(run: RunResult, graph: Graph) -> str:
    earlier = [replace(run, started_at=run.started_at - timedelta(days=days)) for days in range(3)]
    return render_report(run, earlier, graph, {"gold.daily_orders": (("day", "amount"), (("2026-03-01", "12.50"),))})


def test_the_page_is_well_formed(run: RunResult, graph: Graph) -> None:
    text = rendered(run, graph)

    assert text.startswith("<!DOCTYPE html>\n")
    tags = [tag for tag, _ in Page(text).elements]
    assert {"title", "style", "main", "svg", "table", "details"} <= set(tags)


def test_a_run_of_nothing_is_a_page_too(run: RunResult) -> None:
    page = Page(render_report(replace(run, tables=()), [], Graph((), ()), {}))

    assert "Everything was written" in page.text


def test_text_from_outside_stays_text(run: RunResult, table: Callable[..., TableResult]) -> None:
    name = f"silver.{NASTY}"
    rule = RuleResult(NASTY, NASTY, "set", "error", 10, 3, False, NASTY)
    bad = table(name, rules=(rule,), breaches=(NASTY,))
    failed = table("gold.x", "failed", error=NASTY)
    shown = replace(
        run, run_id=NASTY, pipeline=NASTY, environment=NASTY, tables=(bad, failed), parameters={NASTY: NASTY}
    )
    graph = Graph((GraphNode(name, NASTY, NASTY), GraphNode("gold.x", "gold")), ((name, "gold.x"),))

    text = render_report(shown, [shown, shown], graph, {NASTY: ((NASTY,), ((NASTY,),))})

    page = Page(text)
    assert "script" not in {tag for tag, _ in page.elements}
    assert "<script" not in text
    assert page.text.count("alert(") >= 8
    assert {name for _, attributes in page.elements for name in attributes} <= {
        *("lang", "charset", "name", "content", "class", "role", "aria-label", "scope", "style", "tabindex"),
        *("viewbox", "d", "x", "y", "width", "height", "rx", "text-anchor", "textlength", "lengthadjust"),
    }


def test_nothing_is_fetched(run: RunResult, graph: Graph) -> None:
    text = rendered(run, graph)

    for reference in ("http:", "https:", "//", "url(", "@import", "src=", "href=", "<script", "<link", "<iframe"):
        assert reference not in text


def test_what_went_wrong_comes_before_everything_else(run: RunResult, graph: Graph) -> None:
    text = Page(rendered(run, graph)).text

    order = ["2 tables not written", "`amuont` cannot be resolved", "more than 0.50%", "rows received", "Pipeline"]
    assert sorted(order, key=text.index) == order
    assert "Blocked gold.daily_orders" in text


def test_each_status_has_its_word_and_numbers_have_thousands(run: RunResult, graph: Graph) -> None:
    text = Page(rendered(run, graph)).text

    assert "breached 1,469,307 1,456,950 1,456,950 12,345 12 0.931" in text
    assert "silver.shops nothing new 0 0" in text
    assert "gold.fact_orders failed 0 0" in text
    assert "gold.daily_orders blocked 0 0" in text
    assert "bronze.orders written 1,469,307" in text


def test_a_table_that_read_rows_and_wrote_none_is_not_called_written(
    run: RunResult, graph: Graph, table: Callable[..., TableResult]
) -> None:
    alerts = replace(table("gold.alerts"), rows_read=17, rows_written=0, rows_valid=0, breaches=(), rules=())

    text = Page(rendered(replace(run, tables=(alerts,)), graph)).text

    assert "gold.alerts no rows written 17 0 0" in text


def test_streams_show_what_they_do_a_second_how_far_behind_they_are_and_how_old_their_events(run: RunResult) -> None:
    behind = StreamSummary("bronze.sales", 3, 12_345, 5.0, lag_events=1_500)
    silver = StreamSummary(NASTY, 2, 0, 0.0, lag_files=2, event_age_seconds=12.25, state_rows=400, late=3)

    text = Page(render_report(run, [], Graph((), ()), {}, [behind, silver])).text

    assert "bronze.sales 3 12,345 2,469 1,500 0 0" in text
    assert f"{' '.join(NASTY.split())} 2 0 0 2 12.2 s 400 3" in text
    assert "Streams" not in Page(render_report(run, [], Graph((), ()), {})).text


def test_broken_rules_come_worst_first_and_the_others_are_folded(run: RunResult, graph: Graph) -> None:
    text = Page(rendered(run, graph)).text

    first, second = "amount_range error rows in quarantine 12,345 1,469,307 0.84 %", "known_shop warning warning 7"
    assert text.index(first) < text.index(second)
    assert text.index("known_shop") < text.index("1 rule held") < text.index("primary_key")


@pytest.mark.parametrize("set_aside", [False, True])
@pytest.mark.parametrize("severity", ["error", "warning"])
def test_red_is_what_makes_exit_code_3_and_the_headline_says_so(
    run: RunResult, graph: Graph, table: Callable[..., TableResult], severity: Any, set_aside: bool
) -> None:
    """A red rule never stands below "Everything was written" alone, whatever its severity and wherever its rows are."""
    rule = RuleResult("customer", "customer_id", "reference", severity, 10, 2, False, "2 of 10", set_aside)
    found = table("silver.orders", rules=(rule,), breaches=breaches_of([rule]), warnings=warnings_of([rule]))

    done = replace(run, tables=(found,))
    page = Page(rendered(done, graph))

    red = ("td", {"class": "bad"}) in page.elements
    assert red == (done.exit_code == 3) == (severity == "error" and not set_aside)
    assert red == ("Everything was written; 1 breach" in page.text)
    assert ("Everything was written; 1 warning" in page.text) == (severity == "warning")
    assert ("Rule customer is not met: 2 of 10" in page.text) == (not set_aside or severity == "warning")


@pytest.mark.parametrize(
    ("failed", "share"), [(0, "0.00 %"), (1, "<0.01 %"), (999_999, ">99.99 %"), (1_000_000, "100.00 %")]
)
def test_some_is_never_shown_as_none_nor_most_as_all(
    run: RunResult, graph: Graph, table: Callable[..., TableResult], failed: int, share: str
) -> None:
    rule = RuleResult("rule", None, "set", "error", 1_000_000, failed, not failed)

    page = Page(rendered(replace(run, tables=(table("silver.orders", rules=(rule,)),)), graph))

    assert f"{failed:,} 1,000,000 {share}" in page.text


def test_rows_that_are_not_accounted_for_are_an_alert(
    run: RunResult, graph: Graph, table: Callable[..., TableResult]
) -> None:
    lost = table("silver.orders", rows_read=10, rows_valid=8, rows_quarantined=1)

    assert "rows read are not all accounted for" in Page(rendered(replace(run, tables=(lost,)), graph)).text


def test_the_time_is_utc_wherever_the_run_was(run: RunResult, graph: Graph) -> None:
    elsewhere = replace(run, started_at=run.started_at.astimezone(timezone(timedelta(hours=9))))

    assert "2026-03-01 05:30:00 UTC" in Page(rendered(elsewhere, graph)).text


def test_parameters_that_say_nothing_are_left_out(run: RunResult, graph: Graph) -> None:
    text = Page(rendered(run, graph)).text

    assert text.endswith("Parameters full_refresh false")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_what_is_behind_them(run: RunResult, graph: Graph, dark: bool) -> None:
    colours = palette(rendered(run, graph), dark)

    text = [(ink, behind) for ink in ("ink", "soft", "good", "bad", "warn") for behind in ("card", "page")]
    text += [(f"{kind}", f"{kind}-soft") for kind in ("good", "bad", "warn")]
    text += [
        ("ink", "bad-soft"),
        ("ink", "warn-soft"),
        ("soft", "bar-soft"),
        ("soft", "bad-soft"),
        ("soft", "warn-soft"),
    ]
    assert [pair for pair in text if contrast(colours, *pair) < 4.5] == []
    shapes = [(name, "card") for name in ("edge", "bar", "bronze", "silver", "gold", "bad", "warn")]
    assert [pair for pair in shapes if contrast(colours, *pair) < 3] == []


def test_dark_says_every_colour_anew(run: RunResult, graph: Graph) -> None:
    page = rendered(run, graph)

    assert palette(page, True).keys() == palette(page, False).keys()
    used = set(re.findall(r"var\(--([a-z-]+)\)", page))
    assert used == palette(page, False).keys()


def palette(page: str, dark: bool) -> dict[str, str]:
    style = page[page.index("<style>") : page.index("</style>")]
    light, _, rest = style.partition("@media (prefers-color-scheme: dark)")
    part = rest[: rest.index("}")] if dark else light[: light.index("}")]
    return dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6,8});", part))


def contrast(colours: dict[str, str], one: str, other: str) -> float:
    """Return the contrast ratio as WCAG defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(colours[one]), luminance(colours[other])))
    return (high + 0.05) / (low + 0.05)
