"""Reading tables written as text, as far as it goes without Spark."""

from __future__ import annotations

from unittest.mock import create_autospec

import pytest

from databricks_utils.errors import InvalidInput
from databricks_utils.testing import FakeSecrets, frame
from databricks_utils.testing.frames import column_types

pyspark_sql = pytest.importorskip("pyspark.sql")


def test_commas_inside_types_do_not_separate_columns() -> None:
    types = column_types("id BIGINT NOT NULL, price DECIMAL(10,2), tags MAP<STRING, INT>, `at`: TIMESTAMP")

    assert types == {
        "id": "BIGINT NOT NULL",
        "price": "DECIMAL(10,2)",
        "tags": "MAP<STRING, INT>",
        "at": "TIMESTAMP",
    }


def test_a_column_without_a_type_is_named() -> None:
    with pytest.raises(InvalidInput, match="Column 'name' has no type"):
        column_types("id BIGINT, name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no table"),
        ("| id | nmae |\n| 1 | Ann |", "header is id, nmae and the schema has id, name"),
        ("| id | name |\n| 1 |", "Row 1 has 1 cells, expected 2"),
    ],
)
def test_a_table_that_does_not_fit_its_schema_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        frame(create_autospec(pyspark_sql.SparkSession), text, "id INT, name STRING")


def test_fake_secrets_give_what_they_were_given_and_remember_the_questions() -> None:
    secrets = FakeSecrets({"sales/token": "s3cret"})

    assert secrets.get("sales", "token") == "s3cret"
    assert secrets.get("sales", "other") is None
    assert secrets.asked == ["sales/token", "sales/other"]
