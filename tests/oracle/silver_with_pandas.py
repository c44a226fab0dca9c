"""Read landing files with pandas alone: typed rows, what is wrong with each, and which of a key's rows wins.

Money is kept as whole cents in 64-bit integers, so no sum ever rounds.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class Field:
    """A silver column: its landing name, its kind, its conditions and what stands for a missing value."""

    name: str
    source: str
    kind: str
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None
    allowed: tuple[str, ...] = ()
    default: str | None = None


@dataclass(frozen=True)
class Entity:
    """A kind of landing file: its folder, its columns and its key."""

    folder: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]


@dataclass(frozen=True)
class Silver:
    """The outcome of reading one folder.

    Attributes:
        table: the valid rows, one for each key.
        files: per file name the number of rows `in`, `valid`, `quarantined` and `duplicate`.
        reasons: per file name the number of rows that break each rule, such as `not_null:quantity`.
    """

    table: pd.DataFrame
    files: dict[str, dict[str, int]]
    reasons: dict[str, dict[str, int]]


TRANSACTIONS = Entity(
    "transactions",
    (
        Field("basket_id", "basket_id", "integer", required=True),
        Field("product_id", "product_id", "integer", required=True),
        Field("household_id", "household_id", "integer", required=True),
        Field("store_id", "store_id", "integer", required=True),
        Field("quantity", "quantity", "integer", required=True, minimum=0),
        Field("sales_value", "sales_value", "cents", required=True, minimum=0),
        Field("retail_discount", "retail_disc", "cents", required=True, minimum=0),
        Field("coupon_discount", "coupon_disc", "cents", required=True, minimum=0),
        Field("coupon_match_discount", "coupon_match_disc", "cents", required=True, minimum=0),
        Field("week_number", "week", "integer", minimum=1, maximum=53),
        Field(
            "transaction_timestamp",
            "transaction_timestamp",
            "timestamp",
            required=True,
            minimum=2000,
            maximum=2099,
        ),
    ),
    ("basket_id", "product_id"),
)
PRODUCTS = Entity(
    "products",
    (
        Field("product_id", "product_id", "integer", required=True),
        Field("manufacturer_id", "manufacturer_id", "integer"),
        Field("department", "department", "text", default="UNKNOWN"),
        Field("brand", "brand", "text", default="UNKNOWN"),
        Field("product_category", "product_category", "text", default="UNKNOWN"),
        Field("product_type", "product_type", "text", default="UNKNOWN"),
        Field("package_size", "package_size", "text"),
    ),
    ("product_id",),
)
ATTRIBUTES = {
    "age_band": "age",
    "income_band": "income",
    "home_ownership": "home_ownership",
    "marital_status": "marital_status",
    "household_size": "household_size",
    "household_composition": "household_comp",
    "kids_count": "kids_count",
}
HOUSEHOLDS = Entity(
    "households",
    (
        Field("snapshot_date", "snapshot_date", "date", required=True, minimum=2000, maximum=2099),
        Field("household_id", "household_id", "integer", required=True),
        *(Field(name, source, "text", default="UNKNOWN") for name, source in ATTRIBUTES.items()),
        Field("status", "status", "text", required=True, allowed=("active", "closed")),
    ),
    ("household_id", "snapshot_date"),
)
CAMPAIGNS = Entity(
    "campaigns",
    (
        Field("campaign_id", "campaign_id", "integer", required=True),
        Field("household_id", "household_id", "integer", required=True),
        Field("campaign_type", "campaign_type", "text", required=True),
        Field("start_date", "start_date", "date", required=True),
        Field("end_date", "end_date", "date", required=True),
    ),
    ("campaign_id", "household_id"),
)
ENTITIES = (TRANSACTIONS, PRODUCTS, HOUSEHOLDS, CAMPAIGNS)


def read_silver(landing: Path, entity: Entity) -> Silver:
    """Read every file of an entity's folder, set broken rows aside and keep one row for each key.

    Of several valid rows with one key the row of the file whose name sorts last wins, in a file the later.
    """
    paths = sorted(path for path in (landing / entity.folder).glob("*.*") if path.suffix in {".csv", ".jsonl"})
    rows = pd.concat([_rows(path, entity) for path in paths], ignore_index=True)
    typed = pd.DataFrame({field.name: CASTS[field.kind](rows[field.source]) for field in entity.fields})
    broken = _broken_rules(rows, typed, entity)
    is_valid = ~broken.any(axis=1)
    valid = typed[is_valid]
    superseded = valid.duplicated(list(entity.key), keep="last")
    names = rows["_file"]
    files = {
        path.name: {
            "in": int((names == path.name).sum()),
            "valid": int((is_valid & (names == path.name)).sum()),
            "quarantined": int((~is_valid & (names == path.name)).sum()),
            "duplicate": int((names[valid.index] == path.name)[superseded].sum()),
        }
        for path in paths
    }
    reasons = {
        path.name: {rule: int(count) for rule, count in broken[names == path.name].sum().items() if count}
        for path in paths
    }
    defaults = {field.name: field.default for field in entity.fields if field.default}
    return Silver(valid[~superseded].reset_index(drop=True).fillna(defaults), files, reasons)


def _rows(path: Path, entity: Entity) -> pd.DataFrame:
    columns = [field.source for field in entity.fields]
    records = _csv_records(path, columns) if path.suffix == ".csv" else _json_records(path, columns)
    frame = pd.DataFrame(records, columns=[*columns, "_malformed"], dtype=object)
    frame["_malformed"] = frame["_malformed"].astype(bool)
    result: pd.DataFrame = frame.assign(_file=path.name)
    return result


def _csv_records(path: Path, columns: list[str]) -> Iterator[tuple[object, ...]]:
    with path.open(encoding="utf-8", newline="") as stream:
        lines = csv.reader(stream)
        header = next(lines, [])
        places = [header.index(column) if column in header else None for column in columns]
        for line in lines:
            if not line:
                continue
            if len(line) != len(header):
                yield (*[None] * len(columns), True)
                continue
            yield (*(None if place is None else _text(line[place]) for place in places), False)


def _json_records(path: Path, columns: list[str]) -> Iterator[tuple[object, ...]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_float=str)
        except json.JSONDecodeError:
            yield (*[None] * len(columns), True)
            continue
        yield (*(_text(record.get(column)) for column in columns), False)


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None


def _broken_rules(rows: pd.DataFrame, typed: pd.DataFrame, entity: Entity) -> pd.DataFrame:
    readable = ~rows["_malformed"]
    broken = {"malformed": rows["_malformed"]}
    for field in entity.fields:
        value, received = typed[field.name], rows[field.source].notna()
        broken[f"cast:{field.name}"] = readable & received & value.isna()
        if field.required:
            broken[f"not_null:{field.name}"] = readable & ~received
        if field.minimum is not None:
            measured = value.dt.year if field.kind in {"timestamp", "date"} else value
            outside = (measured < field.minimum) | (measured > (field.maximum or float("inf")))
            broken[f"range:{field.name}"] = readable & outside.fillna(False).astype(bool)
        if field.allowed:
            broken[f"set:{field.name}"] = readable & received & ~value.isin(field.allowed)
    if entity is CAMPAIGNS:
        broken["expression:end_not_before_start"] = readable & (typed["end_date"] < typed["start_date"])
    result: pd.DataFrame = pd.DataFrame(broken)
    return result


def _once_per_value(cast: Callable[[str], int | None]) -> Callable[[pd.Series], pd.Series]:
    def cast_all(texts: pd.Series) -> pd.Series:
        known = {text: cast(text) for text in texts.dropna().unique()}
        return texts.map(known).astype("Int64")

    return cast_all


def _integer(text: str) -> int | None:
    digits = text.removeprefix("-").removeprefix("+")
    return int(text) if digits.isascii() and digits.isdecimal() else None


def _cents(text: str) -> int | None:
    whole, _, fraction = text.removeprefix("-").partition(".")
    if not whole.isdecimal() or not (fraction.isdecimal() or fraction == ""):
        return None
    cents = Decimal(text) * 100
    return int(cents) if cents == int(cents) else None


def _timestamps(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, format="%Y-%m-%d %H:%M:%S", errors="coerce")


def _dates(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, format="%Y-%m-%d", errors="coerce")


CASTS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "integer": _once_per_value(_integer),
    "cents": _once_per_value(_cents),
    "timestamp": _timestamps,
    "date": _dates,
    "text": lambda texts: texts,
}


def summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Add up the counts of several files."""
    total: dict[str, int] = {}
    for count in counts:
        for name, value in count.items():
            total[name] = total.get(name, 0) + value
    return total
