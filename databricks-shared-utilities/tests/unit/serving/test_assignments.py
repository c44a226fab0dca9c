"""Who got which side of a comparison, and which of them count. Without Spark."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from databricks_utils.errors import InvalidInput
from databricks_utils.serving import Assignment, AssignmentLog, LostAssignment
from databricks_utils.serving.outcomes import select_assignments

MOMENT = datetime(2018, 1, 2, 9, tzinfo=timezone.utc)
FIRST = Assignment("autumn", "guest_leaving", 113, "champion", 4, 0.25, True, MOMENT)
# A process of its own, which is given the file of the log and the first of a hundred entities.
NOTING = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from databricks_utils.serving import Assignment, AssignmentLog

log, first, moment = AssignmentLog(Path(sys.argv[1])), int(sys.argv[2]), datetime(2018, 1, 2, 9, tzinfo=timezone.utc)
for entity in range(first, first + 100):
    log.note([Assignment("autumn", "guest_leaving", entity, "champion", 4, 0.25, True, moment)])
"""
#: The last day that makes the thirty days of `FIRST` complete.
ENOUGH = date(2018, 2, 1)


def test_an_entity_is_noted_once_for_each_version_that_answered_it_and_its_first_moment_stays(tmp_path: Path) -> None:
    log = AssignmentLog(tmp_path / "new" / "assignments.db")
    later = replace(FIRST, at=MOMENT + timedelta(1), score=0.5)
    other = replace(FIRST, arm="challenger", version=5)

    log.note([FIRST])
    log.note([later])
    AssignmentLog(tmp_path / "new" / "assignments.db").note([later, other])

    assert log.read("autumn") == [other, FIRST]


def test_two_processes_note_at_a_time_and_nothing_is_lost(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NOTING, str(tmp_path / "a.db")]
    processes = [subprocess.Popen([*command, first], stderr=subprocess.PIPE, text=True) for first in ("0", "50")]
    errors = [process.communicate()[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], errors
    assert sorted(item.entity for item in AssignmentLog(tmp_path / "a.db").read("autumn")) == list(range(150))


def test_a_comparison_that_there_is_not_is_named_with_those_there_are(tmp_path: Path) -> None:
    log = AssignmentLog(tmp_path / "a.db")
    log.note([FIRST])

    with pytest.raises(InvalidInput, match="Known: autumn"):
        log.read("spring")


def test_a_file_that_cannot_be_written_is_an_error_and_no_answer_without_a_note(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"no database" * 500)

    with pytest.raises(LostAssignment, match=r"a\.db"):
        AssignmentLog(tmp_path / "a.db")


def test_a_file_that_is_gone_is_an_error_also_for_who_was_noted_in_it(tmp_path: Path) -> None:
    """An answer that is only in this process's memory is in no comparison."""
    path = tmp_path / "a.db"
    log = AssignmentLog(path)
    log.note([FIRST])
    path.rename(tmp_path / "before.db")

    with pytest.raises(LostAssignment, match=r"a\.db"):
        log.note([FIRST])
    assert not path.exists()

    other = AssignmentLog(path)
    log.note([FIRST])
    assert other.read("autumn") == [FIRST]


@pytest.mark.parametrize(
    ("more", "last_day", "expected"),
    [
        ([], ENOUGH, (1, 0, 0, 0)),
        ([], ENOUGH - timedelta(1), (0, 1, 0, 0)),
        ([replace(FIRST, at=MOMENT + timedelta(9))], ENOUGH, (1, 0, 0, 0)),
        ([replace(FIRST, arm="challenger", version=5)], ENOUGH, (0, 0, 1, 0)),
        ([replace(FIRST, entity=7, known=False)], ENOUGH, (1, 0, 0, 1)),
        ([replace(FIRST, entity=7, at=MOMENT + timedelta(1))], ENOUGH, (1, 1, 0, 0)),
        ([replace(FIRST, entity=7, at=datetime.max.replace(tzinfo=timezone.utc))], ENOUGH, (1, 1, 0, 0)),
    ],
    ids=["counts", "is not over", "asked again", "met both sides", "is not known", "one waits", "one waits for ever"],
)
def test_an_entity_counts_once_when_its_days_are_over_and_only_one_side_has_answered_it(
    more: list[Assignment], last_day: date, expected: tuple[int, int, int, int]
) -> None:
    counted, *others = select_assignments([*more, FIRST], 30, last_day)

    assert (len(counted), *others) == expected
    assert all(item == FIRST for item in counted)
