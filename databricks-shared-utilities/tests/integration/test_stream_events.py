"""What a stream reads of an event: every digit, and nothing behind it."""

from __future__ import annotations

from pathlib import Path

from little_tills import closed, land, opened, ran, rows
from pyspark.sql import SparkSession


def test_events_are_read_to_the_digit_and_what_follows_an_object_is_no_part_of_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    tills = opened(spark, tmp_path)
    event = '{{"sale_id":"s{}","event_time":"2024-01-05T10:00:00Z","store_id":1,"amount":{}}}'
    exact = [event.format(1, "10000000.01"), event.format(2, "99999999.99"), event.format(3, '"1.10"')]
    odd = [
        event.format(4, "1.10").replace("amount", " Amount "),
        event.format(5, '5,"amount":6.10'),
        event.format(6, '7,"_corrupt_record":"x","note":[1.10, {"a":"}"}]'),
    ]
    broken = [event.format(7, 1) * 2, event.format(8, 1) + " junk", event.format(9, 1) + ",", event.format(10, "NaN")]
    land(tills, "tills.sales", "1.jsonl", [*exact, *odd, *broken])

    ran(tills, "bronze.sales", "silver.sales")

    amounts = {str(sale): str(amount) for sale, amount in rows(tills, "silver.sales", "sale_id", "amount")}
    assert amounts == {
        **{"s1": "10000000.01", "s2": "99999999.99", "s3": "1.10"},
        **{"s4": "1.10", "s5": "6.10", "s6": "7.00"},
    }
    aside = tills.read("silver.sales_quarantine").collect()
    assert {row.record for row in aside} == set(broken)
    assert all("malformed" in row._validation_errors for row in aside)
    closed(tills)
