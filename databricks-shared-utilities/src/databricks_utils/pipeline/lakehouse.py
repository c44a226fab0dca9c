"""What every step of a run needs: the session, the names, the contracts, the configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from databricks_utils.config import Configuration
from databricks_utils.config.secrets import SecretProvider, secrets_of_place
from databricks_utils.contracts import Contract, create_table_sql, struct_type
from databricks_utils.delta import (
    APPENDED_PROPERTIES,
    TABLE_PROPERTIES,
    Commit,
    Namespace,
    add_missing_columns,
    commits_since,
    create_table,
    identity_of,
    last_commit,
    locked,
    newest_version,
    set_comments,
    table_exists,
    tables_of,
)
from databricks_utils.errors import InvalidInput
from databricks_utils.pipeline.arguments import arguments_for
from databricks_utils.pipeline.flow import Definition, TableNode
from databricks_utils.session.launch import java_process

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


@dataclass(frozen=True)
class Lakehouse:
    """One environment's tables, opened for a run.

    Args:
        spark: The session.
        configuration: Validated configuration of the environment.
        contracts: Contracts by `layer.table`.
        secrets: Where secrets are looked up that transformations ask for.
    """

    spark: SparkSession
    configuration: Configuration
    contracts: Mapping[str, Contract]
    secrets: SecretProvider = field(default_factory=secrets_of_place)

    @cached_property
    def namespace(self) -> Namespace:
        """Catalog and schema names of the environment."""
        return namespace_of(self.configuration)

    def identifier(self, table: str) -> str:
        """Return the quoted SQL identifier of `layer.table`."""
        return self.namespace.identifier(table)

    def folder(self, table: str) -> Path | None:
        """Return the folder of `layer.table`, or None where the metastore decides."""
        return self.namespace.location(table)

    def exists(self, table: str) -> bool:
        """Say whether `layer.table` exists; a known one can be named in SQL afterwards."""
        return table_exists(self.spark, self.namespace, table)

    def version(self, table: str) -> int:
        """Return the newest Delta version of a table, or -1 when it does not exist."""
        folder = self.folder(table)
        if folder is not None:
            found = newest_version(folder)
            return -1 if found is None else found
        return last_commit(self.spark, self.identifier(table)).version if self.exists(table) else -1

    def identity(self, table: str) -> str | None:
        """Return what tells a table from one of the same name dropped before it; None when it does not exist."""
        if not self.exists(table):
            return None
        return identity_of(self.spark, self.identifier(table), folder=self.folder(table))

    def commits_since(self, table: str, version: int) -> list[Commit]:
        """Return the commits of a table after a version, newest first."""
        return commits_since(self.spark, self.identifier(table), version, folder=self.folder(table))

    def read(self, table: str) -> DataFrame:
        """Return a table as it is now.

        Raises:
            InvalidInput: The table does not exist yet.
        """
        if not self.exists(table):
            raise InvalidInput(f"{table} does not exist yet", hint=f"Run it first: run --tables {table}")
        return self.spark.table(self.identifier(table))

    def held(self, write: Collection[str], read: Collection[str], run_id: str) -> AbstractContextManager[bool]:
        """Hold tables for the length of a block, so that no other run of this warehouse writes them.

        The block is told whether that is so, as by `locked`.

        Raises:
            TableBusy: Another run holds one of them, and still does after `execution.lock_wait_seconds`.
        """
        holder = {"run": run_id, "java": java_process()}
        wait = self.configuration.execution.lock_wait_seconds
        return locked(self.namespace, write=write, read=read, holder=holder, wait_seconds=wait)

    def contract(self, table: str) -> Contract:
        """Return the contract of a table.

        Raises:
            InvalidInput: There is none.
        """
        try:
            return self.contracts[table]
        except KeyError:
            layer, _, name = table.partition(".")
            raise InvalidInput(
                f"{table} has no contract",
                where=f"contracts/{layer}/{name}.yaml",
                hint=f"Write one: add table {table}",
            ) from None

    def ensure_table(self, contract: Contract, technical: StructType) -> bool:
        """Create the contract's table, or add the columns and take over the comments it gained; say if it was created.

        A column without a description in the contract keeps the comment that somebody gave it in the catalog.
        """
        if self.exists(contract.name):
            wanted, identifier = struct_type(contract), self.identifier(contract.name)
            for item in technical:
                wanted = wanted.add(item)
            add_missing_columns(self.spark, identifier, wanted)
            comments = {column.name: column.description for column in contract.columns}
            set_comments(self.spark, identifier, contract.description, comments)
            return False
        properties = APPENDED_PROPERTIES if contract.layer == "bronze" else TABLE_PROPERTIES
        statement = create_table_sql(contract, self.identifier(contract.name), properties, technical=technical)
        create_table(self.spark, self.namespace, contract.name, statement)
        return True

    def ensure_columns(self, table: str, columns: StructType) -> bool:
        """Create a table that has no contract, or add the columns it gained; say whether it was created."""
        if self.exists(table):
            add_missing_columns(self.spark, self.identifier(table), columns)
            return False
        create_table(self.spark, self.namespace, table, schema=columns)
        return True

    def tables(self) -> list[str]:
        """Return every Delta table of the environment's schemas, whoever made it, as `layer.table`."""
        return tables_of(self.spark, self.namespace)

    def transformed(self, node: TableNode, rows: DataFrame) -> DataFrame:
        """Apply a node's transformation: the rows, then its lookups, then parameters, flags and secrets by name."""
        if node.transform is None:
            return rows
        lookups = [self.read(table) for table in node.lookup_tables]
        result: DataFrame = node.transform(rows, *lookups, **self.parameters_for(node))
        return result

    def parameters_for(self, definition: Definition) -> dict[str, object]:
        """Return the parameters, flags and secrets that a transformation asks for by keyword-only name."""
        return arguments_for(definition.transform, self.configuration, self.spark, self.secrets)


def namespace_of(configuration: Configuration) -> Namespace:
    """Return the names a configuration gives."""
    warehouse = configuration.storage.warehouse
    return Namespace(
        catalog=configuration.catalog,
        schemas=configuration.schemas.model_dump(),
        warehouse=None if warehouse is None else Path(warehouse),
    )
