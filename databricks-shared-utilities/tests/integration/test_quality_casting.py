"""Casting received text against the same reading done in Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from databricks_utils.contracts import Column, Contract
from databricks_utils.data_quality import cast_to_contract
from databricks_utils.errors import InvalidInput

BLANKS = "".join(map(chr, range(33)))
slow = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def contract(*columns: Column) -> Contract:
    return Contract("silver", "sales", "1.0.0", "active", "", "", columns, path=Path("contracts/silver/sales.yaml"))


def received(spark: SparkSession, texts: Sequence[str | None], name: str = "value") -> DataFrame:
    rows = [(number, text) for number, text in enumerate(texts)]
    return spark.createDataFrame(rows, f"_row INT, `{name}` STRING")


def cast(spark: SparkSession, texts: Sequence[str | None], data_type: str, **options: object) -> list[object]:
    """Cast texts; a refused text gives the word `refused`, whose value must then be NULL."""
    column = Column("value", data_type, options=options)
    rows = cast_to_contract(received(spark, texts), contract(column)).orderBy("_row").collect()
    assert all(row.value is None for row in rows if row._cast_errors)
    return ["refused" if row._cast_errors else row.value for row in rows]


def expected(texts: Sequence[str | None], read: Callable[[str], object]) -> list[object]:
    """Read texts in Python: blank is NULL, a ValueError is a refusal."""
    results: list[object] = []
    for text in texts:
        trimmed = (text or "").strip(BLANKS)
        try:
            results.append(read(trimmed) if trimmed else None)
        except ValueError:
            results.append("refused")
    return results


def as_integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text) or not -(2**31) <= int(text) < 2**31:
        raise ValueError(text)
    return int(text)


def as_money(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?(?=\.?[0-9])[0-9]*(\.[0-9]*)?", text):
        raise ValueError(text)
    value = Decimal(text)
    rounded = value.quantize(Decimal("0.01"))
    if rounded != value or abs(value) >= 10**8:
        raise ValueError(text)
    return rounded


def as_day(text: str) -> date:
    match = re.fullmatch(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})([T ]00:00(:00(\.0+)?)?Z?)?", text)
    if match is None:
        raise ValueError(text)
    return date(int(match[1]), int(match[2]), int(match[3]))


numerals = st.one_of(
    st.none(),
    st.text("0123456789+-.eE \t\x00\u00a0", max_size=9),
    st.decimals(-(10**9), 10**9, places=3, allow_nan=False).map(str),
    st.integers(-(2**33), 2**33).map(str),
    st.sampled_from(["1.005", "1.50", "1.500", "12345678.90", "123456789", "٣", "1L", "0x1A", "1_000", "NaN", "1d"]),
)
days = st.one_of(
    st.none(),
    st.dates(date(1, 1, 1), date(9999, 12, 31)).map(str),
    st.dates().map(" {}\t\x1f".format),
    st.builds("{}-{}-{}".format, st.integers(1900, 2100), st.integers(0, 13), st.integers(0, 32)),
    st.sampled_from(
        ["2017", "2017-01", "2017-01-01 x", "2017-01-01T00:00:00Z", "2017-01-01 00:01", "12:30", "0000-01-01"]
    ),
)


@slow
@given(texts=st.lists(numerals, min_size=40, max_size=80))
def test_integers_are_read_as_python_reads_them_or_refused(spark: SparkSession, texts: list[str | None]) -> None:
    assert cast(spark, texts, "INT") == expected(texts, as_integer)


@slow
@given(texts=st.lists(numerals, min_size=40, max_size=80))
def test_decimals_keep_their_exact_value_or_are_refused(spark: SparkSession, texts: list[str | None]) -> None:
    assert cast(spark, texts, "DECIMAL(10,2)") == expected(texts, as_money)


@slow
@given(texts=st.lists(days, min_size=40, max_size=80))
def test_dates_are_calendar_days_or_refused(spark: SparkSession, texts: list[str | None]) -> None:
    assert cast(spark, texts, "DATE") == expected(texts, as_day)


@slow
@given(
    moments=st.lists(
        st.tuples(
            st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1)),
            st.integers(-14 * 60, 14 * 60),
            st.sampled_from("T "),
        ),
        min_size=30,
        max_size=60,
    )
)
def test_timestamps_mean_the_moment_they_name_whatever_their_offset(
    spark: SparkSession, moments: list[tuple[datetime, int, str]]
) -> None:
    zoned = [
        (moment.replace(tzinfo=timezone(timedelta(minutes=offset))), separator) for moment, offset, separator in moments
    ]
    texts = [moment.isoformat(sep=separator) for moment, separator in zoned]

    found = cast(spark, texts, "TIMESTAMP")

    assert found == [moment.astimezone(timezone.utc).replace(tzinfo=None) for moment, _ in zoned]


@pytest.mark.parametrize(
    "text",
    [
        "12:30",  # Spark would take today's date
        "T12:30:00",
        "2017",
        "2017-01",
        "2017-02-29 10:00:00",
        "2017-01-01 10",
        "2017-01-01 24:00:00",
        "2017-01-01 10:00:00.1234567",
        "2017-01-01 10:00:00 Europe/Berlin",
        "2017-01-01 10:00:00 or so",
    ],
)
def test_a_timestamp_that_spark_would_complete_or_cut_is_refused(spark: SparkSession, text: str) -> None:
    assert cast(spark, [text], "TIMESTAMP") == ["refused"]


def test_timestamps_are_read_in_each_of_their_forms(spark: SparkSession) -> None:
    texts = [
        " 2017-01-02\t",
        "2017-1-2 3:04",
        "2017-01-02T03:04:05Z",
        "2017-01-02 03:04:05.5 UTC",
        "2017-01-02 03:04:05+0100",
    ]

    assert cast(spark, texts, "TIMESTAMP") == [
        datetime(2017, 1, 2),
        datetime(2017, 1, 2, 3, 4),
        datetime(2017, 1, 2, 3, 4, 5),
        datetime(2017, 1, 2, 3, 4, 5, 500000),
        datetime(2017, 1, 2, 2, 4, 5),
    ]


def test_truth_values_are_read_in_each_of_their_forms(spark: SparkSession) -> None:
    true, false, other = (
        ["true", "T", "Yes", "y", " 1"],
        ["FALSE", "f", "no", "N", "0 "],
        ["on", "2", "ja", "01"],
    )

    assert cast(spark, [*true, *false, *other, " "], "BOOLEAN") == [True] * 5 + [False] * 5 + ["refused"] * 4 + [None]


def test_floating_numbers_are_finite_and_written_without_suffix(spark: SparkSession) -> None:
    texts = ["1.5", ".5", "5.", "-1e3", "1.5d", "NaN", "Infinity", "1e999", "0x1p3", "1,5"]

    assert cast(spark, texts, "DOUBLE") == [1.5, 0.5, 5.0, -1000.0] + ["refused"] * 6


def test_a_date_in_the_contracts_own_format_is_read_and_nothing_else(spark: SparkSession) -> None:
    texts = ["31.12.2017", " 1.2.2017\n", "31.02.2017", "2017-12-31", "31.12.17", "31.12.2017x"]

    found = cast(spark, texts, "DATE", format="d.M.yyyy")

    assert found == [date(2017, 12, 31), date(2017, 2, 1), "refused", "refused", "refused", "refused"]


def test_a_timestamp_in_the_contracts_own_format_is_read(spark: SparkSession) -> None:
    found = cast(spark, ["12/31/2017 at 23:59", "12/31/2017"], "TIMESTAMP", format="MM/dd/yyyy' at 'HH:mm")

    assert found == [datetime(2017, 12, 31, 23, 59), "refused"]


def test_blank_text_is_null_and_other_text_stays_as_received(spark: SparkSession) -> None:
    assert cast(spark, ["", "  \t\x00", "\u00a0", " a ", None], "STRING") == [
        None,
        None,
        "\u00a0",
        " a ",
        None,
    ]


def test_each_refused_value_is_named_with_its_column_and_type(spark: SparkSession) -> None:
    rows = spark.createDataFrame([("x", "1.005", "3")], "`quantity` STRING, `price` STRING, `week` STRING")
    wanted = contract(Column("quantity", "INT"), Column("price", "decimal(10, 2)"), Column("week", "INT"))

    row = cast_to_contract(rows, wanted).collect()[0]

    assert row._cast_errors == ["quantity: not an INT", "price: not a DECIMAL(10,2)"]
    assert (row.quantity, row.price, row.week) == (None, None, 3)


def test_names_with_quotes_backticks_and_backslashes_are_only_names(spark: SparkSession) -> None:
    odd = "it's a `back\\slash` $1"
    rows = spark.createDataFrame([("x",)], "a STRING").toDF(odd)

    row = cast_to_contract(rows, contract(Column("n'`\\", "INT", source_column=odd))).collect()[0]

    assert row._cast_errors == ["n'`\\: not an INT"]
    assert row["n'`\\"] is None


def test_renamed_columns_go_and_unknown_technical_and_still_needed_ones_stay(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [("1", "2", "3", "4", "5")], "disc STRING, age STRING, extra STRING, _batch STRING, own STRING"
    )
    wanted = contract(
        Column("discount", "INT", source_column="disc", sources=("bronze.sales.disc",)),
        Column("years", "INT", source_column="age", sources=("bronze.sales.age",)),
        Column("band", "STRING", sources=("bronze.sales.age",), transform="text of age"),
        Column("own", "INT", transform="own without its unit"),
        Column("absent", "INT"),
    )

    found = cast_to_contract(rows, wanted)

    assert set(found.columns) == {"discount", "years", "age", "extra", "_batch", "own", "_cast_errors"}
    assert dict(found.dtypes)["own"] == "string"


def test_two_columns_can_exchange_their_names(spark: SparkSession) -> None:
    rows = spark.createDataFrame([("1", "x")], "a STRING, b STRING")
    wanted = contract(Column("a", "STRING", source_column="b"), Column("b", "INT", source_column="a"))

    row = cast_to_contract(rows, wanted).collect()[0]

    assert (row.a, row.b, row._cast_errors) == ("x", 1, [])


def test_typed_values_are_converted_only_without_loss(spark: SparkSession) -> None:
    lossy_row = "(1.5D, 1.005BD, TIMESTAMP'2017-01-01 10:00:00', 1L)"
    exact_row = "(2.0D, 1.500BD, TIMESTAMP'2017-01-01 00:00:00', 3000000000L)"
    rows = spark.sql(f"SELECT * FROM VALUES {lossy_row}, {exact_row} AS t(a, b, c, d)")
    wanted = contract(Column("a", "INT"), Column("b", "DECIMAL(10,2)"), Column("c", "DATE"), Column("d", "INT"))

    lossy, exact = cast_to_contract(rows, wanted).orderBy("a", "d").collect()

    assert lossy._cast_errors == ["a: not an INT", "b: not a DECIMAL(10,2)", "c: not a DATE"]
    assert (exact.a, exact.b, exact.c, exact._cast_errors) == (
        2,
        Decimal("1.50"),
        date(2017, 1, 1),
        ["d: not an INT"],
    )


def test_a_type_that_no_text_can_take_is_refused_before_anything_runs(spark: SparkSession) -> None:
    with pytest.raises(InvalidInput, match=r"value is ARRAY<INT>, which no text can be cast to"):
        cast(spark, ["[1]"], "ARRAY<INT>")


def test_a_number_cannot_become_a_date(spark: SparkSession) -> None:
    with pytest.raises(InvalidInput, match="received as INT and cannot become DATE"):
        cast_to_contract(spark.range(1).selectExpr("CAST(id AS INT) AS day"), contract(Column("day", "DATE")))
