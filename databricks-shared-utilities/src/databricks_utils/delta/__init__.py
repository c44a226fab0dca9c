"""Delta Lake through SQL and DataFrames only, so that classic and Connect sessions behave alike."""

from __future__ import annotations

from databricks_utils.delta.commit_log import newest_version, notes
from databricks_utils.delta.comparison import comparable
from databricks_utils.delta.lock import locked
from databricks_utils.delta.maintenance import delete_older, optimize, restore, vacuum
from databricks_utils.delta.merge import append, merge_by_key, not_older, overwrite, temporary_view
from databricks_utils.delta.namespace import Namespace, quoted
from databricks_utils.delta.records import RECORD_TABLES, Int, RecordTable, append_records
from databricks_utils.delta.small_frame import small_frame
from databricks_utils.delta.tables import (
    APPENDED_PROPERTIES,
    TABLE_PROPERTIES,
    Commit,
    add_missing_columns,
    changed_rows,
    commits_since,
    create_table,
    ensure_schema,
    identity_of,
    last_commit,
    rows_at,
    set_comments,
    set_table_properties,
    set_table_property,
    table_exists,
    table_properties,
    tables_of,
)
from databricks_utils.sql_literal import string_literal as literal

__all__ = [
    "APPENDED_PROPERTIES",
    "RECORD_TABLES",
    "TABLE_PROPERTIES",
    "Commit",
    "Int",
    "Namespace",
    "RecordTable",
    "add_missing_columns",
    "append",
    "append_records",
    "changed_rows",
    "commits_since",
    "comparable",
    "create_table",
    "delete_older",
    "ensure_schema",
    "identity_of",
    "last_commit",
    "literal",
    "locked",
    "merge_by_key",
    "newest_version",
    "not_older",
    "notes",
    "optimize",
    "overwrite",
    "quoted",
    "restore",
    "rows_at",
    "set_comments",
    "set_table_properties",
    "set_table_property",
    "small_frame",
    "table_exists",
    "table_properties",
    "tables_of",
    "temporary_view",
    "vacuum",
]
