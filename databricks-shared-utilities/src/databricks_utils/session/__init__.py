"""Spark sessions: local with Delta Lake, over Connect, and on Databricks."""

from databricks_utils.session.class_recording import record_classes
from databricks_utils.session.connect import ConnectServer, connect_server, start_connect_server
from databricks_utils.session.factory import create_session
from databricks_utils.session.jars import resolve_jars
from databricks_utils.session.keeping import KeptServer, end_server, keep_server, kept_server
from databricks_utils.session.settings import LocalSpark, SparkSettings
from databricks_utils.spark_client import over_connect

__all__ = [
    "ConnectServer",
    "KeptServer",
    "LocalSpark",
    "SparkSettings",
    "connect_server",
    "create_session",
    "end_server",
    "keep_server",
    "kept_server",
    "over_connect",
    "record_classes",
    "resolve_jars",
    "start_connect_server",
]
