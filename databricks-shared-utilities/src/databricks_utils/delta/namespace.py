"""Where tables live: from a contract's name (`silver.transactions`) to the identifier SQL understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from databricks_utils.errors import InvalidInput


def quoted(*parts: str) -> str:
    """Return the parts as one SQL identifier, each in back quotes."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


@dataclass(frozen=True)
class Namespace:
    """The catalog and schema names of one environment.

    Args:
        catalog: Unity Catalog catalog, or `spark_catalog` locally.
        schemas: Schema name of each layer (`bronze`, `silver`, `gold`, `operations`).
        warehouse: Folder that holds the tables locally; None where a metastore decides.
    """

    catalog: str
    schemas: Mapping[str, str]
    warehouse: Path | None = None

    @property
    def in_folder(self) -> bool:
        """Whether the tables lie in a folder of this machine; elsewhere a catalog says where they are."""
        return self.warehouse is not None

    def schema(self, layer: str) -> str:
        """Return the quoted schema identifier of a layer.

        Raises:
            InvalidInput: The configuration names no schema for the layer.
        """
        return quoted(self.catalog, self._schema_name(layer))

    def identifier(self, table: str) -> str:
        """Return the quoted identifier of `layer.table`."""
        layer, name = self._split(table)
        return quoted(self.catalog, self._schema_name(layer), name)

    def location(self, table: str) -> Path | None:
        """Return the folder of `layer.table`, or None where the metastore decides."""
        if self.warehouse is None:
            return None
        layer, name = self._split(table)
        return self.warehouse / self._schema_name(layer) / name

    def _schema_name(self, layer: str) -> str:
        try:
            return self.schemas[layer]
        except KeyError:
            known = ", ".join(sorted(self.schemas))
            raise InvalidInput(
                f"No schema is configured for the layer {layer!r}",
                where="config: schemas",
                hint=f"Known layers: {known}",
            ) from None

    @staticmethod
    def _split(table: str) -> tuple[str, str]:
        layer, dot, name = table.partition(".")
        if not dot or not layer or not name or "." in name:
            raise InvalidInput(f"{table!r} is not a table name", hint="Write layer.table, as in silver.transactions")
        return layer, name
