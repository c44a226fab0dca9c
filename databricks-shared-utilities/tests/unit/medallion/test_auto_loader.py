"""Auto Loader is asked for what makes the rows of the local reader, as far as Databricks' own reader allows."""

from __future__ import annotations

from databricks_utils.medallion import Bronze, Files
from databricks_utils.medallion.auto_loader import auto_loader_options


def test_json_is_asked_for_as_text_so_that_objects_are_read_as_everywhere() -> None:
    node = Bronze("orders", source=Files("orders", format="json", glob="*.jsonl"))

    assert auto_loader_options(node, 7) == {
        "cloudFiles.format": "text",
        "cloudFiles.maxFilesPerTrigger": "7",
        "pathGlobFilter": "*.jsonl",
    }


def test_csv_is_asked_for_by_name_with_line_breaks_inside_quotes() -> None:
    options = auto_loader_options(Bronze("orders", source=Files("orders", delimiter=";")), 7)

    wanted = {"header": "true", "sep": ";", "quote": '"', "escape": '"', "multiLine": "true"}
    assert options.items() >= wanted.items()
    # Without it a header in other case would leave its column empty.
    assert options["readerCaseSensitive"] == "false"
