"""Configuration: files merged by environment, validated before anything starts."""

from __future__ import annotations

from databricks_utils.config.loader import deep_merge, load_configuration
from databricks_utils.config.model import (
    Alerting,
    Broker,
    Configuration,
    Execution,
    Ingestion,
    Logging,
    Models,
    Quality,
    Retention,
    Schemas,
    Serving,
    Spark,
    Storage,
    Streaming,
    StreamThresholds,
    Telemetry,
)
from databricks_utils.config.schema import configuration_schema
from databricks_utils.config.secrets import (
    DatabricksSecrets,
    EnvironmentSecrets,
    SecretProvider,
    resolve_secret,
)
from databricks_utils.config.yaml_source import Source, read_source

__all__ = [
    "Alerting",
    "Broker",
    "Configuration",
    "DatabricksSecrets",
    "EnvironmentSecrets",
    "Execution",
    "Ingestion",
    "Logging",
    "Models",
    "Quality",
    "Retention",
    "Schemas",
    "SecretProvider",
    "Serving",
    "Source",
    "Spark",
    "Storage",
    "StreamThresholds",
    "Streaming",
    "Telemetry",
    "configuration_schema",
    "deep_merge",
    "load_configuration",
    "read_source",
    "resolve_secret",
]
