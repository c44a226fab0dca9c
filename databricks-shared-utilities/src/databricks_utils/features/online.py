"""Looking up the newest features of one entity, in microseconds, from a file.

On Databricks this is the work of an online store that its own client publishes to; this one serves laptops, tests, and
processes that can hold the file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from databricks_utils.contracts import key_text
from databricks_utils.contracts.key_values import python_type
from databricks_utils.data_quality.sql_text import quoted_name
from databricks_utils.errors import InputProblems, InvalidInput, LakehouseError
from databricks_utils.features.definitions import AVAILABLE_AT, FeatureTable
from databricks_utils.features.fingerprints import OtherDefinitions, table_fingerprint
from databricks_utils.features.key_types import contract_problems
from databricks_utils.features.registry import FeatureRegistry
from databricks_utils.features.row_codec import RowCodec, Value

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_SCHEMA = """
CREATE TABLE IF NOT EXISTS definitions (feature_table TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entities (
    feature_table TEXT, entity TEXT, available_at INTEGER NOT NULL, features BLOB NOT NULL,
    PRIMARY KEY (feature_table, entity)
) WITHOUT ROWID;
"""
_WRITE = """
INSERT INTO entities VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
SET available_at = excluded.available_at, features = excluded.features WHERE excluded.available_at >= available_at
"""
#: Definition and row come from one state of the file, which another process may be writing.
_READ = """
SELECT fingerprint, available_at, features FROM definitions LEFT JOIN entities
ON entities.feature_table = definitions.feature_table AND entity = ? WHERE definitions.feature_table = ?
"""
_AT_ONCE = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class CorruptStore(LakehouseError):
    """The file of an online store cannot be read, or a row is not what was written."""


def publish(path: Path, registry: FeatureRegistry, name: str, rows: DataFrame) -> int:
    """Put the newest row of each entity into an online store, in one transaction.

    A row that is older than the one in the store changes nothing. If the definitions have changed since the last time,
    everything published before is taken out.

    Args:
        path: The store's file; it is made when absent.
        registry: The definitions.
        name: The feature table.
        rows: Its rows, or a part of them, such as those of the last day.

    Returns:
        Number of entities in `rows`.

    Raises:
        InputProblems: A key of the rows is of another kind than the contract of the table's source says.
        CorruptStore: The file is there and is no online store.
    """
    table, codec = registry.table(name), codec_of(registry, name)
    types = _key_types(registry, table)
    keys = {key: key for key in table.entity}
    problems = list(contract_problems(rows, registry.source(table), keys, where=f"rows of {name}"))
    if problems:
        raise InputProblems(problems)
    columns = [AVAILABLE_AT, *codec.columns]
    newest = F.max_by(F.struct(*map(quoted_name, columns)), F.col(AVAILABLE_AT)).alias("row")
    latest = rows.groupBy(*map(quoted_name, table.entity)).agg(newest)
    moment = F.unix_micros(f"row.{AVAILABLE_AT}").alias(AVAILABLE_AT)
    own = [_published_key(key, kind) for key, kind in zip(table.entity, types, strict=True)]
    published = latest.select(*own, moment, *[f"row.{column}" for column in codec.columns])
    with _errors_of(path), closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SCHEMA)
        mark = fingerprint(registry, table)
        known = connection.execute("SELECT fingerprint FROM definitions WHERE feature_table = ?", [name]).fetchone()
        if known != (mark,):
            connection.execute("DELETE FROM entities WHERE feature_table = ?", [name])
            connection.execute("INSERT OR REPLACE INTO definitions VALUES (?, ?)", [name, mark])
        count = 0
        for portion in _portions(published):
            values = [(name, _stored_key(row, table, types), row[AVAILABLE_AT], codec.encode(row)) for row in portion]
            connection.executemany(_WRITE, values)
            count += len(values)
    return count


class OnlineStore:
    """Looks up features, from any thread; use it as a context, or close it.

    Each look-up reads the definitions that the rows were published from, and a file put in the place of the one that
    was opened is opened in its turn: what is published while a store is open is seen, or refused.

    Args:
        path: File that `publish` wrote.
        registry: The definitions.

    Raises:
        InvalidInput: There is no such file.
        CorruptStore: The file is no online store.
    """

    def __init__(self, path: Path, registry: FeatureRegistry) -> None:
        if not path.is_file():
            hint = "Publish a feature table first"
            raise InvalidInput("There is no online store", where=str(path), hint=hint)
        self._path = path
        self._registry = registry
        self._codecs: dict[str, tuple[FeatureTable, RowCodec, tuple[str, ...], str]] = {}
        self._lock = threading.Lock()
        self._closed = False
        with _errors_of(path):
            self._file = _file_of(path)
            self._connection = _opened(path)
            self._connection.execute("SELECT feature_table, fingerprint FROM definitions").fetchone()

    def look_up(self, name: str, entity: Sequence[Any], *, at: datetime | None = None) -> dict[str, Value]:
        """Return the features of one entity, as a training set would have them for this moment.

        Args:
            name: The feature table.
            entity: Values of its key columns, in their order, of the types that the source's contract declares; numpy's
                whole numbers are whole numbers.
            at: The moment, with a time zone; now by default.

        Returns:
            Value by column; all None where nothing is known, or what is known is too old.

        Raises:
            InvalidInput: The key does not fit; the store is already newer than the moment.
            OtherDefinitions: The table was not published, or from other definitions, perhaps since the store was
                opened: a process with other definitions than those of the store has to be started again.
            CorruptStore: What is stored is not what was written, or the file is gone.
        """
        table, codec, types, mark = self._codecs.get(name) or self._prepare(name)
        text = self._key(table, types, entity)
        with _errors_of(self._path), self._lock:
            self._follow()
            found = self._connection.execute(_READ, (text, name)).fetchone()
        if found is None or found[0] != mark:
            state = "was never published" if found is None else "was published from other definitions"
            hint = "Publish it again: features. If its definitions are newer than those of this process, start it again"
            raise OtherDefinitions(f"{name} {state}", where=str(self._path), hint=hint)
        if found[1] is None:
            return codec.unknown
        age = ((at or datetime.now(timezone.utc)) - _EPOCH) // _MICROSECOND - found[1]
        if age < 0:
            hint = "Join the past with create_training_set; a store holds the newest row only"
            raise InvalidInput(f"The store is newer than {at}", where=f"look_up in {name}", hint=hint)
        if table.ttl_days is not None and age >= table.ttl_days * 86_400_000_000:
            return codec.unknown
        try:
            return codec.decode(found[2])
        except (ValueError, TypeError) as error:
            raise _corrupt(self._path, f"{name}, entity {list(entity)!r}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._connection.close()

    def __enter__(self) -> OnlineStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self, name: str) -> tuple[FeatureTable, RowCodec, tuple[str, ...], str]:
        table = self._registry.table(name)
        types, mark = _key_types(self._registry, table), fingerprint(self._registry, table)
        self._codecs[name] = (table, codec_of(self._registry, name), types, mark)
        return self._codecs[name]

    @staticmethod
    def _key(table: FeatureTable, types: Sequence[str], entity: Sequence[Any]) -> str:
        try:
            return key_text(entity, types)
        except InvalidInput as error:
            pairs = zip(table.entity, types, strict=True)
            expected = ", ".join(f"{key}: {python_type(kind)}" for key, kind in pairs)
            said = f"{list(entity)!r} is no key of {table.name}: {error.message}"
            raise InvalidInput(said, where="look_up", hint=f"Give {expected}") from error

    def _follow(self) -> None:
        """Open the file that has the store's name now: deleting and publishing makes another one."""
        if self._closed or (found := _file_of(self._path)) == self._file:
            return
        connection = _opened(self._path)
        self._connection.close()
        self._connection, self._file = connection, found


def codec_of(registry: FeatureRegistry, name: str) -> RowCodec:
    """Return the codec of a feature table's rows."""
    plan = registry.plan(name)
    return RowCodec(tuple(output.column for output in plan.outputs), tuple(output.data_type for output in plan.outputs))


def fingerprint(registry: FeatureRegistry, table: FeatureTable) -> str:
    """Return a fingerprint that changes with what the columns of a table mean."""
    return table_fingerprint(table, registry.source(table))


def _key_types(registry: FeatureRegistry, table: FeatureTable) -> tuple[str, ...]:
    contract = registry.source(table)
    return tuple(contract.column(key).data_type for key in table.entity)


def _stored_key(row: Mapping[str, Any], table: FeatureTable, types: Sequence[str]) -> str:
    pairs = zip(table.entity, types, strict=True)
    return key_text([_key_value(row[key], kind) for key, kind in pairs], types, where=f"rows of {table.name}")


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)


def _file_of(path: Path) -> tuple[int, int]:
    """Return what tells a file from another of the same name."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _published_key(key: str, data_type: str) -> Column:
    # A moment would be collected in this process' time zone.
    moment = data_type.strip().upper() == "TIMESTAMP"
    return F.unix_micros(quoted_name(key)).alias(key) if moment else F.col(quoted_name(key))


def _key_value(value: Any, data_type: str) -> Any:
    moment = data_type.strip().upper() == "TIMESTAMP"
    return _EPOCH + value * _MICROSECOND if moment and value is not None else value


def _portions(rows: DataFrame) -> Iterator[list[dict[str, Any]]]:
    portion = []
    for row in rows.toLocalIterator():
        portion.append(row.asDict())
        if len(portion) == _AT_ONCE:
            yield portion
            portion = []
    yield portion


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a closed store is no damaged one
    except FileNotFoundError as error:
        raise _corrupt(path, "the file is gone") from error
    except sqlite3.DatabaseError as error:
        raise _corrupt(path, str(error)) from error


def _corrupt(path: Path, detail: str) -> CorruptStore:
    hint = "Delete the file and publish again; the feature tables are untouched"
    return CorruptStore(f"The online store cannot be read: {detail}", where=str(path), hint=hint)
