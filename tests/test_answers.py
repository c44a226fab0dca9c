"""Answers that could not become a working project are refused, all at once, each with a way out."""

from __future__ import annotations

import keyword
from pathlib import Path

import pytest
from baking import ROOT, TEMPLATE, Answers, Bakery
from checks.templates import hook, unchecked_answers
from conftest import LONGEST, SHORTEST
from hypothesis import given
from hypothesis import strategies as st

pre_gen = hook(ROOT, "pre_gen_project")
FREE = sorted(pre_gen.FORMS)
GOOD = {**pre_gen.EXAMPLES, **{key: values[0] for key, values in pre_gen.CHOICES.items()}}


def refused(bakery: Bakery, scratch: Path, answers: Answers, name: str) -> str:
    """Type answers at the prompts and return the message; nothing may be left of the attempt."""
    replay = bakery.answered(answers, name)
    done = bakery.command(str(TEMPLATE), "--replay-file", str(replay), folder=scratch)
    assert done.returncode != 0
    assert list(scratch.iterdir()) == []
    return done.stderr


def test_every_question_is_worded_and_its_answer_checked() -> None:
    assert unchecked_answers(ROOT) == []


def test_the_longest_and_the_shortest_answers_are_at_the_limits() -> None:
    assert {key: len(LONGEST[key]) for key in FREE} == {key: pre_gen.FORMS[key].longest for key in FREE}
    assert pre_gen.problems({**GOOD, **LONGEST}) == []
    assert all(len(answer) == 1 for answer in SHORTEST.values())


@pytest.mark.parametrize("key", ["project_slug", "package_name"])
def test_a_reserved_name_is_refused_whatever_its_spelling(key: str) -> None:
    for name in {*pre_gen.DEVICES, *keyword.kwlist, *keyword.softkwlist, "__init__", "CON", "Aux.txt", "nul."}:
        (problem,) = pre_gen.problems({**GOOD, key: name})

        assert problem.startswith(f'  {key}: "{name}" is ')


@pytest.mark.parametrize("key", ["project_name", "project_slug", "package_name", "owner_group"])
def test_no_mark_that_a_shell_or_a_template_understands_passes(key: str) -> None:
    marks = [*"'\"`$&|;<>()[]{}*?!#~^%\\\t\r\n\0", "{" + "{", "{%", "${", "\u202e", "\ufeff"]
    for mark in marks:
        for answer in (f"{GOOD[key]}{mark}", f"{mark}{GOOD[key]}", f"a{mark}b"):
            assert len(pre_gen.problems({**GOOD, key: answer})) == 1, answer


@pytest.mark.parametrize("key", FREE)
@given(answer=st.text(max_size=200))
def test_a_suggestion_passes_the_check_that_made_it(key: str, answer: str) -> None:
    assert pre_gen.fault(key, pre_gen.suggestion(key, answer)) is None


@given(answer=st.text(max_size=200))
def test_an_answer_is_shown_on_one_short_line_without_control_characters(answer: str) -> None:
    shown = pre_gen.shown(answer)

    assert len(shown) <= 70
    assert not any(mark in shown for mark in "\r\n\x1b\x07\x7f")


@pytest.mark.parametrize(
    ("key", "answer", "suggested"),
    [
        ("project_name", 'The "Best" Caf\u00e9 & Bar', "The Best Caf\u00e9 and Bar"),
        ("project_slug", "Caf\u00e9 Sales_2026", "cafe-sales-2026"),
        ("package_name", "class", "class_pipeline"),
        ("package_name", "Caf\u00e9-Sales", "cafe_sales"),
        ("description", "The shop's sales; daily", "The shop\u2019s sales, daily"),
        ("owner_group", "Data Engineers", "Data-Engineers"),
        ("project_slug", "\u5e97", "retail-lakehouse"),
    ],
)
def test_a_suggestion_stays_near_the_answer(key: str, answer: str, suggested: str) -> None:
    assert pre_gen.suggestion(key, answer) == suggested


def test_all_problems_are_told_in_one_block_and_nothing_is_left(bakery: Bakery, scratch: Path) -> None:
    answers = {"project_slug": "My Project", "package_name": "class", "owner_group": "a b", "ci": "jenkins"}

    message = refused(bakery, scratch, answers, "several")

    assert message.startswith(
        """
No project was created: 4 answers need a change.

  project_slug: "My Project" is not allowed as written; allowed: lower-case letters a-z and digits in words \
joined by single hyphens, starting with a letter
    try: my-project
  package_name: "class" is a keyword of Python
    try: class_pipeline
  owner_group: "a b" is not allowed as written; allowed: the name of a group: letters, digits and . _ -, \
starting with a letter, no blanks
    try: a-b
  ci: "jenkins" is not offered
    try one of: github, azure-devops, gitlab

Repeat the command with these answers. Nothing was left behind.
"""
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "'''+__import__('os').system('touch executed')+'''",
        '"""+__import__("os").system("touch executed")+"""',
        "$(touch executed)`touch executed`; touch executed",
        "{" + "{ cycler.__init__.__globals__.os.popen('touch executed').read() }}",
        "{" + "% set x = 1 %}",
        "C:\\Users\\n\\x41\\",
        "end\\",
        "\u202egnp.exe",
    ],
)
def test_a_hostile_answer_is_data_and_is_refused(bakery: Bakery, scratch: Path, hostile: str) -> None:
    name = f"hostile{abs(hash(hostile))}"

    message = refused(bakery, scratch, {"project_name": hostile, "description": hostile}, name)

    assert "2 answers need a change" in message
    assert not list(bakery.folder.rglob("executed"))


@pytest.mark.parametrize("key", sorted({*FREE} - {"project_slug"}))
def test_an_answer_of_300_characters_is_refused_with_the_limit(key: str, bakery: Bakery, scratch: Path) -> None:
    message = refused(bakery, scratch, {key: "x" * 300}, f"long-{key}")

    assert f'{key}: "xxxxxxxxxx' in message
    assert f"has 300 characters; the limit is {pre_gen.FORMS[key].longest}" in message


def test_a_folder_name_that_no_file_system_accepts_leaves_nothing(bakery: Bakery, scratch: Path) -> None:
    # The generator makes the folder before it asks any hook, so the message is the system's own.
    assert "File name too long" in refused(bakery, scratch, {"project_slug": "x" * 300}, "long-slug")


def test_a_folder_that_exists_is_named_and_left_alone(bakery: Bakery, scratch: Path) -> None:
    theirs = scratch / "retail-lakehouse" / "README.md"
    theirs.parent.mkdir()
    theirs.write_text("ours\n", encoding="utf-8")

    done = bakery.command(str(TEMPLATE), "--no-input", folder=scratch)

    assert done.returncode != 0
    assert '"retail-lakehouse" directory already exists' in done.stdout + done.stderr
    assert [path.name for path in scratch.rglob("*")] == ["retail-lakehouse", "README.md"]
    assert theirs.read_text(encoding="utf-8") == "ours\n"


@pytest.mark.parametrize("slug", ["one/two", "one/two/three", "../beside", "white space"])
def test_a_slug_with_folders_leaves_none_of_them(bakery: Bakery, scratch: Path, slug: str) -> None:
    before = sorted(scratch.parent.iterdir())

    message = refused(bakery, scratch, {"project_slug": slug}, f"slug{abs(hash(slug))}")

    assert "1 answer needs a change" in message
    assert sorted(scratch.parent.iterdir()) == before
