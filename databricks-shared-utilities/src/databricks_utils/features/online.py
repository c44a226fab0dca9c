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
from dataclasses import dataclass
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
_PUBLISHED = "SELECT feature_table, fingerprint FROM definitions"
_LAST = "SELECT features FROM entities WHERE feature_table = ? ORDER BY entity DESC LIMIT 1"
_AT_ONCE = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class CorruptStore(LakehouseError):
    """The file of an online store cannot be read, or a row is not what was written."""


@dataclass(frozen=True)
class OnlineRow:
    """What an online store knows of one entity at a moment.

    Args:
        values: Value by column; all None where nothing may be used.
        available_at: From when on the stored row may be used, in UTC; None where the entity has no row.
        expired: Whether that row is older than the table's `ttl_days`, so that none of its values is used.
    """

    values: Mapping[str, Value]
    available_at: datetime | None = None
    expired: bool = False

    @property
    def known(self) -> bool:
        """Whether there is a row that may be used."""
        return self.available_at is not None and not self.expired


def publish(path: Path, registry: FeatureRegistry, name: str, rows: DataFrame, *, everything: bool = False) -> int:
    """Put the newest row of each entity into an online store, in one transaction.

    A row that is older than the one in the store changes nothing, unless the rows are said to be everything: then they
    take the place of all that was published of the table, so that what a correction has taken out is not answered with.
    So do they if the definitions have changed since the last time.

    Args:
        path: The store's file; it is made when absent.
        registry: The definitions.
        name: The feature table.
        rows: Its rows, or a part of them, such as those of the last day.
        everything: The rows are all that may still be used, and not a part of them.

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
        # Once a great transaction spills into the file, nobody reads until Spark has given the last row.
        connection.execute("PRAGMA cache_spill = OFF")
        mark = fingerprint(registry, table)
        known = connection.execute("SELECT fingerprint FROM definitions WHERE feature_table = ?", [name]).fetchone()
        if everything or known != (mark,):
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

    Each look-up reads the definitions that the rows were published from: a process that goes on while its features are
    redefined and published again gets no values of another meaning.

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
        self._open_file()

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
            InvalidInput: The key does not fit; the moment has no time zone; the store is already newer than it.
            OtherDefinitions: The table was not published, or from other definitions, perhaps since the store was
                opened: a process with other definitions than those of the store has to be started again.
            CorruptStore: What is stored is not what was written, or the file is gone.
        """
        return dict(self.find(name, entity, at=at).values)

    def find(self, name: str, entity: Sequence[Any], *, at: datetime | None = None) -> OnlineRow:
        """Return what is known of one entity, and since when.

        Args:
            name: The feature table.
            entity: Values of its key columns, in their order.
            at: The moment, with a time zone; now by default.

        Raises:
            InvalidInput: As `look_up` raises it.
            OtherDefinitions: As `look_up` raises it.
            CorruptStore: As `look_up` raises it.
        """
        moment = datetime.now(timezone.utc) if at is None else at
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            hint = "Give a datetime with its time zone, as in moment.replace(tzinfo=timezone.utc)"
            raise InvalidInput(f"{at!r} names no instant", where=f"look_up in {name}", hint=hint)
        self._follow()
        table, codec, types, mark = self._codecs.get(name) or self._prepare(name)
        text = self._key(table, types, entity)
        with _errors_of(self._path):
            found = self._connection.execute(_READ, (text, name)).fetchone()
        if found is None or found[0] != mark:
            raise self._other(name, published=found is not None)
        if found[1] is None:
            return OnlineRow(codec.unknown)
        available_at = _EPOCH + timedelta(microseconds=found[1])
        age = (moment - _EPOCH) // _MICROSECOND - found[1]
        if age < 0:
            hint = "Join the past with create_training_set; a store holds the newest row only"
            raise InvalidInput(f"The store is newer than {at}", where=f"look_up in {name}", hint=hint)
        if table.ttl_days is not None and age >= table.ttl_days * 86_400_000_000:
            return OnlineRow(codec.unknown, available_at, expired=True)
        try:
            return OnlineRow(codec.decode(found[2]), available_at)
        except (ValueError, TypeError) as error:
            raise _corrupt(self._path, f"{name}, entity {list(entity)!r}: {error}") from error

    def check(self) -> None:
        """Read enough of the file to know that look-ups would find what was published.

        A look-up alone would not tell: pages of a file that was cut may still be in memory.

        Raises:
            CorruptStore: The file is gone, is shorter than its own header says, or a row in it is not what was written.
            OtherDefinitions: A table of the registry was not published, or from other definitions.
        """
        self._follow()
        try:
            with _errors_of(self._path), closing(_connected(self._path)) as connection:
                size = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
                expected, present = size.fetchone()[0], self._path.stat().st_size
                if present < expected:
                    raise _corrupt(self._path, f"it has {present} of {expected} bytes")
                published = dict(connection.execute(_PUBLISHED).fetchall())
                for name in (table.name for table in self._registry.tables):
                    if published.get(name) != self._prepare(name)[3]:
                        raise self._other(name, published=name in published)
                    last = connection.execute(_LAST, [name]).fetchone()
                    if last is not None:
                        codec_of(self._registry, name).decode(last[0])
        except (OSError, ValueError, TypeError) as error:
            raise _corrupt(self._path, str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> OnlineStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _follow(self) -> None:
        """Open the file anew where another one has taken its place.

        Of a file that is deleted an open one goes on to read: what was published since would never be looked up.
        """
        try:
            if _identity(self._path) == self._file:
                return
            with self._lock:
                self._open_file()
        except OSError as error:
            raise _corrupt(self._path, str(error)) from error

    def _open_file(self) -> None:
        found = _identity(self._path)
        with _errors_of(self._path):
            connection = _connected(self._path)
            connection.execute(_PUBLISHED).fetchone()
        # Only now: of a file that could not be opened the next look-up must not go on with the one before it.
        self._connection, self._file = connection, found

    def _prepare(self, name: str) -> tuple[FeatureTable, RowCodec, tuple[str, ...], str]:
        if name not in self._codecs:
            table = self._registry.table(name)
            types, mark = _key_types(self._registry, table), fingerprint(self._registry, table)
            self._codecs[name] = (table, codec_of(self._registry, name), types, mark)
        return self._codecs[name]

    def _other(self, name: str, *, published: bool) -> OtherDefinitions:
        state = "was published from other definitions" if published else "was never published"
        hint = "Publish it again: features. If its definitions are newer than those of this process, start it again"
        return OtherDefinitions(f"{name} {state}", where=str(self._path), hint=hint)

    @staticmethod
    def _key(table: FeatureTable, types: Sequence[str], entity: Sequence[Any]) -> str:
        try:
            return key_text(entity, types)
        except InvalidInput as error:
            pairs = zip(table.entity, types, strict=True)
            expected = ", ".join(f"{key}: {python_type(kind)}" for key, kind in pairs)
            said = f"{list(entity)!r} is no key of {table.name}: {error.message}"
            raise InvalidInput(said, where="look_up", hint=f"Give {expected}") from error


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


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a closed store is no damaged one
    except sqlite3.DatabaseError as error:
        raise _corrupt(path, str(error)) from error


def _corrupt(path: Path, detail: str) -> CorruptStore:
    if "locked" in detail:
        hint = "Somebody writes it: try again. If it stays so, end the process that publishes"
        return CorruptStore(f"The online store is being written: {detail}", where=str(path), hint=hint)
    hint = "Delete the file and publish again; the feature tables are untouched"
    return CorruptStore(f"The online store cannot be read: {detail}", where=str(path), hint=hint)
