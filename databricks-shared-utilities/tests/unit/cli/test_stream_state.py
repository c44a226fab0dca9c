"""The file that keeps what streams remember, and what is said of a difference."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from databricks_utils.cli import actions, stream_state
from databricks_utils.cli.stream_state import breaks_its_checkpoint, differences, recorded_states, write_states
from databricks_utils.errors import InvalidInput
from databricks_utils.streaming import StreamPipeline, StreamState

SALES = StreamState("silver.sales", 1, ("reads bronze.sales", "one row for each sale_id STRING"))
OTHER_KEY = StreamState("silver.sales", 1, ("reads bronze.sales", "one row for each basket_id STRING"))
MINUTES = StreamState("gold.minutes", 2, ("reads silver.sales", "gives updates", "keeps sum(amount) DECIMAL(20,2)"))


@pytest.fixture
def project(tmp_path: Path) -> Any:
    """A project of which the command sees the folder, its own name, and that the pipeline is one of streams."""
    (tmp_path / "contracts").mkdir()
    definition = SimpleNamespace(command="tills", pipeline=StreamPipeline("tills"))
    return SimpleNamespace(root=tmp_path, project=definition)


def path(project: Any) -> Path:
    return cast(Path, project.root) / "contracts" / "stream-state.yaml"


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> dict[str, StreamState]:
    """What the definition's plans say; filled by the tests, since plans have tests with Spark."""
    found: dict[str, StreamState] = {}
    monkeypatch.setattr(actions, "current_states", lambda project: dict(found))
    return found


def test_what_is_written_is_what_is_read(project: Any) -> None:
    states = {state.table: state for state in (SALES, MINUTES)}

    write_states(project, states)

    assert recorded_states(project) == states
    assert "`tills state`" in path(project).read_text(encoding="utf-8")
    assert max(map(len, path(project).read_text(encoding="utf-8").splitlines())) <= 110


@pytest.mark.parametrize(
    "text", ["- a list\n", "silver.sales: 3\n", "silver.sales: {version: one, remembers: []}\n", "a: [\n"]
)
def test_a_file_that_somebody_has_broken_is_named(text: str, project: Any) -> None:
    path(project).write_text(text, encoding="utf-8")

    with pytest.raises(InvalidInput, match="cannot be read") as refused:
        recorded_states(project)

    assert str(path(project)) in str(refused.value)
    assert "tills state" in str(refused.value)


def test_a_difference_is_shown_as_a_diff() -> None:
    assert list(differences(SALES, SALES)) == []
    assert list(differences(SALES, OTHER_KEY)) == [
        "silver.sales version 1 → version 1",
        "  - one row for each sale_id STRING",
        "  + one row for each basket_id STRING",
    ]
    swapped = StreamState("silver.sales", 1, SALES.remembers[::-1])
    assert sorted(line[:3] for line in list(differences(SALES, swapped))[1:]) == ["  +", "  -"]
    assert next(differences(None, MINUTES)) == "gold.minutes nothing → version 2"
    assert next(differences(MINUTES, None)) == "gold.minutes version 2 → nothing"


def test_a_checkpoint_breaks_when_its_state_changes_and_its_version_does_not() -> None:
    assert breaks_its_checkpoint(SALES, OTHER_KEY)
    assert not breaks_its_checkpoint(SALES, SALES)
    # The watermarks of both sides of a join, or the keys of two aggregates, may change places.
    assert breaks_its_checkpoint(SALES, StreamState("silver.sales", 1, SALES.remembers[::-1]))
    assert not breaks_its_checkpoint(None, SALES)
    assert not breaks_its_checkpoint(SALES, StreamState("silver.sales", 2, OTHER_KEY.remembers))


def test_a_first_state_is_written_and_checked(
    project: Any, remembered: dict[str, StreamState], capsys: pytest.CaptureFixture[str]
) -> None:
    remembered["silver.sales"] = SALES

    assert actions.state(project, check=True) == 1
    assert "Run: tills state" in capsys.readouterr().out
    assert not path(project).exists()
    assert actions.state(project, check=False) == 0
    assert actions.state(project, check=True) == 0


@pytest.mark.parametrize("check", [True, False])
def test_another_state_under_the_same_version_is_refused_and_nothing_is_written(
    check: bool, project: Any, remembered: dict[str, StreamState], capsys: pytest.CaptureFixture[str]
) -> None:
    write_states(project, {"silver.sales": SALES})
    before = path(project).read_bytes()
    remembered["silver.sales"] = OTHER_KEY

    with pytest.raises(InvalidInput, match=r"silver\.sales would remember other things") as refused:
        actions.state(project, check=check)

    assert refused.value.exit_code == 2
    assert "Raise its version" in str(refused.value)
    assert "+ one row for each basket_id STRING" in capsys.readouterr().out
    assert path(project).read_bytes() == before


def test_with_a_raised_version_it_is_written_and_a_lowered_one_is_refused(
    project: Any, remembered: dict[str, StreamState]
) -> None:
    write_states(project, {"silver.sales": SALES})
    remembered["silver.sales"] = StreamState("silver.sales", 2, OTHER_KEY.remembers)

    assert actions.state(project, check=False) == 0
    assert recorded_states(project) == remembered

    remembered["silver.sales"] = SALES
    with pytest.raises(InvalidInput, match="lower than before"):
        actions.state(project, check=False)


def test_a_table_that_is_gone_leaves_the_file(project: Any, remembered: dict[str, StreamState]) -> None:
    write_states(project, {state.table: state for state in (SALES, MINUTES)})
    remembered["silver.sales"] = SALES

    assert actions.state(project, check=True) == 1
    assert actions.state(project, check=False) == 0
    assert list(recorded_states(project)) == ["silver.sales"]
    assert path(project).name == stream_state.STATES
