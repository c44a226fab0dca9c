"""Tables of records: what runs, rules, batches and measurements leave behind, a few rows at a time.

A table of records is made from the dataclass of one record. Its columns, the rows to write and the records read back
all follow from the dataclass, so that a field is added in one place.
"""

from __future__ import annotations

import dataclasses
import types
import typing
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, cast

from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from databricks_utils.delta.lock import locked
from databricks_utils.delta.merge import append
from databricks_utils.delta.namespace import Namespace
from databricks_utils.delta.small_frame import small_frame
from databricks_utils.delta.tables import add_missing_columns, create_table, table_exists
from databricks_utils.logging.redaction import concealed
from databricks_utils.retry import is_transient, mentions, retry, said

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

Record = TypeVar("Record")

#: A whole number of 32 bits in a record; a plain `int` has 64.
Int = Annotated[int, IntegerType()]

_TYPES: Mapping[Any, DataType] = {
    str: StringType(),
    bool: BooleanType(),
    int: LongType(),
    float: DoubleType(),
    datetime: TimestampType(),
}

#: What the slower of two tasks hears that add the same column to one table; after a look at it nothing is missing.
_ADDED_MEANWHILE = ("ALREADY_EXISTS", "DUPLICATE_COLUMN")

#: Every table of records whose module is imported, by `layer.table`.
RECORD_TABLES: dict[str, RecordTable[Any]] = {}


class RecordTable(Generic[Record]):
    """A Delta table that holds records of one dataclass.

    A field is a column of its name. The fields of a dataclass within the record are columns beside the others.

    Args:
        name: `layer.table`, as in `operations.pipeline_runs`.
        record: A frozen dataclass whose fields are `str`, `bool`, `int`, `Int`, `float`, `datetime` (with time zone),
            a `Literal` of texts, a tuple or a mapping of these, one of them or None, or another such dataclass.
        renamed: Names of columns by field, where they differ.
        omitted: Fields that are not stored; a record that is read has their defaults.
    """

    def __init__(
        self,
        name: str,
        record: type[Record],
        *,
        renamed: Mapping[str, str] | None = None,
        omitted: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._record = record
        self._fields = _fields_of(record, renamed or {}, omitted)
        RECORD_TABLES[name] = self

    @property
    def schema(self) -> StructType:
        """The table's columns; every one may hold NULL."""
        return StructType([StructField(item.column, item.kind) for item in _leaves(self._fields)])

    def append(self, spark: SparkSession, namespace: Namespace, records: Sequence[Record]) -> None:
        """Append records in one commit; without records nothing happens.

        The table is created when it is absent, and one of an earlier version gains the columns that it lacks. In a
        warehouse folder it is locked meanwhile, since two processes may write it at once and one commit would be lost.
        Secrets are masked in every text, and what UTF-8 cannot hold is replaced.

        Raises:
            InvalidInput: The table has a column of this name and another type.
            TableBusy: Another process holds the table for longer than anybody should.
        """
        _append(spark, namespace, self.name, [list(_values(self._fields, item)) for item in records], self.schema)

    def frame(self, spark: SparkSession, namespace: Namespace) -> DataFrame:
        """Return the table's rows with every column of the record.

        Columns that a table of an earlier version lacks are NULL, and a table that does not exist has no rows.
        """
        if not table_exists(spark, namespace, self.name):
            return spark.createDataFrame([], self.schema)
        rows = spark.table(namespace.identifier(self.name))
        stored = {name.lower() for name in rows.columns}
        lacking = {item.name: F.lit(None).cast(item.dataType) for item in self.schema if item.name not in stored}
        return rows.withColumns(lacking) if lacking else rows

    def read(self, spark: SparkSession, namespace: Namespace, condition: Column | None = None) -> list[Record]:
        """Return the records that meet a condition on the table's columns, all without one, in no order."""
        if not table_exists(spark, namespace, self.name):
            return []
        rows = self.frame(spark, namespace)
        found = rows if condition is None else rows.where(condition)
        return [cast("Record", _record(self._record, self._fields, row)) for row in found.collect()]


def append_records(
    spark: SparkSession, namespace: Namespace, table: str, rows: Sequence[Sequence[object]], schema: StructType
) -> None:
    """Append rows to a table of records; `RecordTable` does the same for records of a dataclass.

    .. deprecated:: 1.2
        Rows without names are easily mistaken. Use `RecordTable`; this is removed in 2.0.
    """
    warnings.warn("append_records is removed in 2.0: use RecordTable(...).append", DeprecationWarning, stacklevel=2)
    _append(spark, namespace, table, rows, schema)


@dataclasses.dataclass(frozen=True)
class _Field:
    name: str
    column: str
    kind: DataType
    default: Any
    nested: type | None
    parts: tuple[_Field, ...]


def _fields_of(record: Any, renamed: Mapping[str, str], omitted: Sequence[str]) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(record, include_extras=True)
    return tuple(
        _field(item, hints[item.name], renamed, omitted)
        for item in dataclasses.fields(record)
        if item.name not in omitted
    )


def _field(item: dataclasses.Field[Any], hint: Any, renamed: Mapping[str, str], omitted: Sequence[str]) -> _Field:
    plain = _without_none(hint)
    if dataclasses.is_dataclass(plain):
        parts = _fields_of(plain, renamed, omitted)
        return _Field(item.name, "", StringType(), None, cast("type", plain), parts)
    default = item.default_factory() if callable(item.default_factory) else item.default
    default = None if default is dataclasses.MISSING else default
    return _Field(item.name, renamed.get(item.name, item.name), _type_of(plain), default, None, ())


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    (plain,) = (part for part in typing.get_args(hint) if part is not type(None))
    return plain


def _type_of(hint: Any) -> DataType:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return cast("DataType", arguments[1])
    if origin is typing.Literal:
        return StringType()
    if origin is tuple:
        return ArrayType(_type_of(arguments[0]))
    if origin is not None and issubclass(origin, Mapping):
        return MapType(_type_of(arguments[0]), _type_of(arguments[1]))
    return _TYPES[hint]


def _leaves(fields: Sequence[_Field]) -> list[_Field]:
    return [leaf for item in fields for leaf in (_leaves(item.parts) if item.nested else [item])]


def _values(fields: Sequence[_Field], record: object) -> typing.Iterator[object]:
    for item in fields:
        value = getattr(record, item.name)
        if item.nested:
            yield from _values(item.parts, value)
        else:
            yield _stored(value)


def _stored(value: object) -> object:
    if isinstance(value, str):
        # UTF-8 cannot hold half of a surrogate pair, as the name of a file can bring it: the record would be lost.
        return concealed(value).encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_stored(key): _stored(item) for key, item in value.items()}
    return [_stored(item) for item in value] if isinstance(value, tuple) else value


def _record(record: Any, fields: Sequence[_Field], row: Any) -> object:
    return record(**{item.name: _read(item, row) for item in fields})


def _read(item: _Field, row: Any) -> object:
    if item.nested:
        return _record(item.nested, item.parts, row)
    value = row[item.column]
    if value is None:
        # Either the record had no such value, or it was written before the field existed.
        return item.default
    if isinstance(value, datetime):
        # pyspark returns moments without a zone, in that of this process.
        return value.astimezone(timezone.utc)
    return tuple(value) if isinstance(value, list) else value


def _append(
    spark: SparkSession, namespace: Namespace, table: str, rows: Sequence[Sequence[object]], schema: StructType
) -> None:
    if not rows:
        return
    frame = small_frame(spark, rows, schema)
    with locked(namespace, write=[table]):
        retry(lambda: _ensure(spark, namespace, table, schema), when=_may_pass)
        append(spark, namespace.identifier(table), frame, folder=namespace.location(table))


def _ensure(spark: SparkSession, namespace: Namespace, table: str, schema: StructType) -> None:
    if table_exists(spark, namespace, table):
        add_missing_columns(spark, namespace.identifier(table), schema)
    else:
        create_table(spark, namespace, table, schema=schema)


def _may_pass(error: BaseException) -> bool:
    return is_transient(error) or mentions(said(error), _ADDED_MEANWHILE)
