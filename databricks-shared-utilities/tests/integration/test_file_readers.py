"""Delivered files: nothing in them is lost, whatever they look like."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from pyspark.sql import DataFrame, SparkSession

from databricks_utils.medallion import Files
from databricks_utils.medallion.delivered_file import examined
from databricks_utils.medallion.file_readers import read_files

KEYS = {name: name for name in ("id", "name", "size")}


def frame_of(
    spark: SparkSession, paths: list[Path], file_format: Literal["csv", "json"] = "csv", keys: Mapping[str, str] = KEYS
) -> DataFrame | None:
    source = Files("files", format=file_format)
    return read_files(spark, [examined(path.as_uri(), source, keys) for path in paths], source, keys)


def rows_of(
    spark: SparkSession, paths: list[Path], file_format: Literal["csv", "json"] = "csv", keys: Mapping[str, str] = KEYS
) -> list[tuple[str | None, ...]]:
    frame = frame_of(spark, paths, file_format, keys)
    assert frame is not None
    return sorted((tuple(row)[:5] for row in frame.collect()), key=str)


def test_csv_columns_are_taken_by_name_in_any_order(spark: SparkSession, tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("id,name,size\n1,a,10\n")
    other.write_text("SIZE,id,name\n20,2,b\n")

    assert rows_of(spark, [one, other]) == [("1", "a", "10", None, None), ("2", "b", "20", None, None)]


def test_an_unexpected_csv_column_is_rescued_and_a_missing_one_is_null(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("id,colour\n1,red\n2,\n")

    assert rows_of(spark, [file]) == [
        ("1", None, None, '{"colour":"red"}', None),
        ("2", None, None, None, None),
    ]


def test_of_repeated_csv_names_the_first_counts_and_none_is_taken_for_another(
    spark: SparkSession, tmp_path: Path
) -> None:
    keys = {"id": "id", "name": "name", "other": "name_2", "fourth": "_column_4"}
    for name, value in (("lines.csv", "a"), ("texts.csv", '"a\nb"')):
        file = tmp_path / name
        file.write_text(f"id,name,name,\n1,{value},x,y\n")

        (row,) = rows_of(spark, [file], keys=keys)

        # Names that only this reader has made are no column's.
        assert row[2:5] == (None, None, '{"name_2":"x","_column_4":"y"}')


@pytest.mark.parametrize("delimiter", ["€", "§", "\x01", " "])
def test_any_letter_separates_fields(spark: SparkSession, tmp_path: Path, delimiter: str) -> None:
    source = Files("files", delimiter=delimiter)
    file = tmp_path / "file.csv"
    for text in ("1,a\n2,\n", '1,"a"\n2,\n'):
        file.write_text(("id,name\n" + text).replace(",", delimiter))

        frame = read_files(spark, [examined(file.as_uri(), source, KEYS)], source, KEYS)

        assert frame is not None
        assert sorted(tuple(row)[:2] for row in frame.collect()) == [("1", "a"), ("2", None)]


def test_a_csv_line_that_cannot_be_split_is_kept_and_its_neighbours_arrive(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text('id,name,size\n1,a,10\n2,b\n3,c,30,40\n4,"x, ""y""",5\n')

    found = rows_of(spark, [file])

    assert ("1", "a", "10", None, None) in found
    assert ("4", 'x, "y"', "5", None, None) in found
    assert {row[4] for row in found} == {None, "2,b", "3,c,30,40"}


def test_empty_files_and_files_with_only_a_header_give_no_rows(spark: SparkSession, tmp_path: Path) -> None:
    empty, header = tmp_path / "empty.csv", tmp_path / "header.csv"
    empty.write_text("")
    header.write_text("id,name,size\n")

    assert frame_of(spark, [empty]) is None
    assert rows_of(spark, [empty, header]) == []


def test_a_compressed_file_with_a_byte_order_mark_is_read(spark: SparkSession, tmp_path: Path) -> None:
    for name, pack in (("file.csv.gz", gzip.compress), ("file.csv.bz2", bz2.compress)):
        (tmp_path / name).write_bytes(pack("\ufeffid,name,size\n1,é,10\n".encode()))

        assert rows_of(spark, [tmp_path / name]) == [("1", "é", "10", None, None)]


def test_columns_have_the_names_of_the_contract_and_not_those_of_the_files(spark: SparkSession, tmp_path: Path) -> None:
    keys = {"id": "order.id", "price": "unit price (EUR)", "note": "_metadata"}
    lines, quoted, objects = (tmp_path / name for name in ("lines.csv", "quoted.csv", "objects.jsonl"))
    lines.write_text("_corrupt_record,ORDER.ID, Unit price (EUR) ,_metadata\nx,1,1.10,a\n")
    quoted.write_text('_corrupt_record,ORDER.ID, Unit price (EUR) ,_metadata\nx,1,1.10,"a\nb"\n')
    objects.write_text('{"_corrupt_record":"x","ORDER.ID":1," Unit price (EUR) ":1.10,"_metadata":"a"}\n')
    rescued = '{"_corrupt_record":"x"}'

    assert rows_of(spark, [lines], keys=keys) == [("1", "1.10", "a", rescued, None)]
    assert rows_of(spark, [quoted], keys=keys) == [("1", "1.10", "a\nb", rescued, None)]
    assert rows_of(spark, [objects], "json", keys=keys) == [("1", "1.10", "a", rescued, None)]


def test_json_lines_keep_unexpected_keys_and_broken_lines(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "file.jsonl"
    file.write_text('{"id":1,"name":null,"colour":"red"}\n\n{broken\n{"id":"2","size":3}\n')

    assert rows_of(spark, [file], "json") == [
        ("1", None, None, '{"colour":"red"}', None),
        ("2", None, "3", None, None),
        (None, None, None, None, "{broken"),
    ]
