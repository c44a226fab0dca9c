"""What a person sees of a run: every table, whole numbers, no line beyond the terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from databricks_utils.observability import RunResult, TableResult, print_run, print_samples, print_table


def shown(printing: Callable[[Console], None], width: int = 80, *, terminal: bool = False) -> str:
    stream = io.StringIO()
    colours = Console(file=stream, width=width, highlight=False, force_terminal=True, color_system="standard")
    printing(colours if terminal else Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def line_with(text: str, *words: str) -> str:
    (line,) = (line for line in text.splitlines() if all(word in line for word in words))
    return " ".join(line.split())


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_longer_than_the_terminal(run: RunResult, width: int) -> None:
    text = shown(lambda console: print_run(run, console), width)

    assert max(map(cell_len, text.splitlines())) <= width


def test_each_status_has_its_word(run: RunResult) -> None:
    text = shown(lambda console: print_run(run, console), 120)

    table = text[: text.index("cannot be resolved")]
    assert line_with(table, "bronze.orders").endswith("ok")
    assert line_with(table, "1,456,950").endswith("breached")
    assert line_with(table, "silver.shops").endswith("nothing new")
    assert line_with(table, "gold.fact_orders ").endswith("failed")
    assert line_with(table, "gold.daily_orders").endswith("blocked")
    assert text.splitlines()[-1] == "failed in 3,725.5 s: 2 tables not written; 1 breach"


def test_a_long_name_is_whole_and_so_are_the_numbers_beside_it(run: RunResult) -> None:
    text = shown(lambda console: print_run(run, console))

    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if "1,456,950" in line)
    name = ""
    for line in lines[first:]:
        if "silver.shops" in line:
            break
        name += line.split()[0]
    assert name == run.tables[1].table
    assert " ".join(lines[first].split()[1:]) == "1,469,307 1,456,950 12,345 12 1.2 breached"
    assert "…" not in text


def test_what_went_wrong_is_said_below_the_table(run: RunResult) -> None:
    text = " ".join(shown(lambda console: print_run(run, console)).split())

    assert "gold.fact_orders: AnalysisException: the column `amuont` cannot be resolved" in text
    assert "gold.daily_orders: not run because gold.fact_orders failed" in text
    assert "0.84% of the rows are invalid, more than 0.50%" in text


def test_markup_in_errors_and_names_is_shown_and_not_obeyed(table: Callable[..., TableResult], run: RunResult) -> None:
    odd = table("gold.[bold]x[/bold]", "failed", error="unexpected token [/] near [red]")
    text = shown(lambda console: print_run(replace(run, pipeline="[i]shop", tables=(odd,)), console))

    assert "[i]shop in dev" in text
    assert "unexpected token [/] near [red]" in text
    assert "gold.[bold]x[/bold]" in text


def test_colour_is_for_terminals_only(run: RunResult) -> None:
    assert "\x1b[" not in shown(lambda console: print_run(run, console))
    assert "\x1b[" in shown(lambda console: print_run(run, console), terminal=True)


def test_a_finished_table_is_one_line(table: Callable[..., TableResult]) -> None:
    breached = table("silver.orders", rows_written=12_345, breaches=("too bad",))

    done = shown(lambda console: print_table(table("bronze.orders", rows_written=1_469_307), console))
    assert done == "  ok          bronze.orders 1,469,307 rows, 1.2 s\n"
    assert shown(lambda console: print_table(breached, console)) == "  breached    silver.orders 12,345 rows, 1.2 s\n"


def test_samples_show_as_many_columns_as_fit(run: RunResult) -> None:
    columns = ("id", "city", *(f"attribute_{n}" for n in range(10)))
    rows = ((1, "Örebro", *range(10)), (2, None, *range(10)))

    text = shown(lambda console: print_samples("gold.shops", (columns, rows), console))

    assert max(map(cell_len, text.splitlines())) <= 80
    assert "gold.shops (and 5 more columns)" in text
    assert "attribute_4" in text
    assert "attribute_5" not in text
    assert "…" not in text


def test_samples_count_wide_letters_and_keep_a_row_on_one_line() -> None:
    rows = (("東京都" * 12, "first\nsecond [b]"), ("x", "y"))

    text = shown(
        lambda console: print_samples("gold.shops", (("name", "note", "more"), tuple((*r, 1) for r in rows)), console)
    )

    assert "(and 2 more columns)" in text
    assert "東京都" * 12 in text
    assert max(map(cell_len, text.splitlines())) <= 80

    narrow = shown(lambda console: print_samples("gold.shops", (("note",), (("first\nsecond [b]",),)), console))
    assert "first second [b]" in narrow


def test_one_column_left_out_is_one_column() -> None:
    samples = (("a", "b"), (("x" * 60, "y" * 60),))

    assert "(and 1 more column)" in shown(lambda console: print_samples("gold.shops", samples, console))


def test_samples_of_an_empty_table_are_its_header() -> None:
    text = shown(lambda console: print_samples("gold.shops", (("id", "city"), ()), console))

    assert "id city" in " ".join(text.split())


def test_numbers_stand_on_the_right() -> None:
    samples = (("name", "amount"), (("a", "1.50"), ("b", "-1,200.25"), ("c", None)))

    text = shown(lambda console: print_samples("gold.shops", samples, console))

    ends = [len(line.rstrip()) for line in text.splitlines() if line.strip().startswith(("a ", "b "))]
    assert len(set(ends)) == 1


def test_in_a_job_on_databricks_the_table_goes_to_the_log(
    run: RunResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    monkeypatch.setattr("builtins.get_ipython", object, raising=False)

    print_run(run)

    assert "gold.daily_orders" in capsys.readouterr().out
