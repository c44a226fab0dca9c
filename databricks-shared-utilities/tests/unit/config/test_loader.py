"""Configuration files: merged by environment, every problem reported at once with its place."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from databricks_utils.config import configuration_schema, deep_merge, load_configuration
from databricks_utils.errors import InputProblems, InvalidInput

BASE = """\
catalog: spark_catalog
storage: {landing: data/landing, warehouse: .w, checkpoints: .c, reports: .r}
quality:
  minimum_score: 0.9
  fail_invalid_share: 0.1
parameters: {country: US}
feature_flags: {new_rules: true}
"""
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
maps = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = tmp_path / "config"
    config.mkdir()
    (config / "base.yaml").write_text(BASE)
    (config / "local.yaml").write_text("environment: local\nquality: {minimum_score: 0.8}\n")
    return config


def refused(folder: Path, **overrides: str) -> str:
    with pytest.raises(InputProblems) as caught:
        load_configuration(folder, "local", {key.replace("__", "."): text for key, text in overrides.items()})
    assert caught.value.exit_code == 2
    return str(caught.value)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Flatten a tree; what is no map, or an empty one, is a leaf."""
    if not isinstance(tree, dict) or not tree:
        return {path: tree}
    return {place: leaf for key, value in tree.items() for place, leaf in leaves(value, (*path, key)).items()}


@given(maps, maps)
def test_the_later_file_wins_leaf_by_leaf_and_nothing_else_is_lost(base: dict[str, Any], other: dict[str, Any]) -> None:
    before = copy.deepcopy((base, other))

    merged = deep_merge(base, other)

    assert (base, other) == before
    for place, leaf in leaves(other).items():
        found: Any = merged
        for key in place:
            found = found[key]
        if leaf != {}:
            assert found == leaf
    assert set(merged) == set(base) | set(other)


def test_an_environment_is_laid_over_the_base_and_overrides_come_last(folder: Path) -> None:
    configuration = load_configuration(
        folder, "local", {"quality.fail_invalid_share": "0.2", "parameters.country": "DE"}
    )

    assert configuration.quality.minimum_score == 0.8
    assert configuration.quality.fail_invalid_share == 0.2
    assert configuration.parameter("country") == "DE"
    assert configuration.flag("new_rules") is True


def test_an_override_reaches_a_setting_whose_own_name_has_dots(folder: Path) -> None:
    overrides = {"spark.settings.spark.sql.adaptive.enabled": "false", "parameters.rate.of.stores": "0.5"}

    configuration = load_configuration(folder, "local", overrides)

    # Spark's settings are texts, whatever they look like in YAML.
    assert configuration.spark.settings == {"spark.sql.adaptive.enabled": "false"}
    assert configuration.parameter("rate.of.stores") == 0.5


@pytest.mark.parametrize("key", ["spark.settings.", "spark..cores", ".spark", ""])
def test_an_override_with_an_empty_part_is_no_key(key: str, folder: Path) -> None:
    with pytest.raises(InputProblems, match=r"Write section\.key=value"):
        load_configuration(folder, "local", {key: "1"})


def test_relative_paths_count_from_the_project(folder: Path) -> None:
    configuration = load_configuration(folder, "local")

    assert configuration.storage.landing == str((folder.parent / "data" / "landing").resolve())


def test_all_problems_are_reported_together_with_file_line_and_suggestion(folder: Path) -> None:
    (folder / "local.yaml").write_text(
        "quality:\n  minimum_scor: 0.8\n  warn_invalid_share: often\nspark: {cores: 0}\n"
    )

    text = refused(folder)

    assert "3 problems" in text
    assert f"{folder / 'local.yaml'}:2, key quality.minimum_scor" in text
    assert "Did you mean minimum_score?" in text
    assert f"{folder / 'local.yaml'}:3, key quality.warn_invalid_share" in text
    assert "spark.cores" in text


def test_a_bad_override_is_blamed_on_the_command_line(folder: Path) -> None:
    assert "--set quality.minimum_score" in refused(folder, quality__minimum_score="7")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quality:\n\tminimum_score: 1\n", "spaces, not tabs"),
        ("catalog: a\ncatalog: b\n", "there twice"),
        ("- a\n- b\n", "A mapping of keys was expected"),
        ("catalog: [a\n", "not valid YAML"),
    ],
    ids=["tab", "twice", "list", "broken"],
)
def test_a_file_that_is_no_configuration_is_explained(folder: Path, text: str, said: str) -> None:
    (folder / "local.yaml").write_text(text)

    message = refused(folder)

    assert said in message
    assert "local.yaml" in message


def test_an_empty_file_adds_nothing(folder: Path) -> None:
    (folder / "local.yaml").write_text("")

    assert load_configuration(folder, "local").quality.minimum_score == 0.9


def test_an_unknown_environment_is_answered_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="no environment 'locl'") as caught:
        load_configuration(folder, "locl")

    assert "Did you mean local?" in str(caught.value)


def test_unknown_parameters_and_flags_are_answered_with_the_nearest(folder: Path) -> None:
    configuration = load_configuration(folder, "local")

    with pytest.raises(InvalidInput, match="no parameter 'countri'") as parameter:
        configuration.parameter("countri")
    with pytest.raises(InvalidInput, match="no feature flag"):
        configuration.flag("old_rules")
    assert "Did you mean country?" in str(parameter.value)


def test_a_secret_written_into_a_file_is_refused_and_not_repeated(folder: Path) -> None:
    (folder / "local.yaml").write_text("secrets: {password: hunter2}\n")

    message = refused(folder)

    assert "secret://scope/key" in message
    assert "hunter2" not in message


def test_the_published_schema_accepts_partial_files_and_refuses_unknown_keys() -> None:
    validator = Draft202012Validator(configuration_schema())

    assert validator.is_valid({"quality": {"minimum_score": 0.5}})
    assert not validator.is_valid({"quality": {"minimum_scor": 0.5}})
    assert not validator.is_valid({"spark": {"mode": "cluster"}})
