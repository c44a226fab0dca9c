"""The configuration of one environment as a validated, frozen model."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from databricks_utils.errors import InvalidInput

SECRET_PATTERN = r"^secret://[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$"
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = bool | int | float | str
SecretReference = Annotated[str, Field(pattern=SECRET_PATTERN)]


class Section(BaseModel):
    """Base of every part: unknown keys are errors and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Schemas(Section):
    """Schema name of each layer."""

    bronze: str = Field("bronze", description="Schema of rows as received", min_length=1)
    silver: str = Field("silver", description="Schema of typed and checked rows", min_length=1)
    gold: str = Field("gold", description="Schema of tables for readers", min_length=1)
    operations: str = Field("operations", description="Schema of run, quality and progress tables", min_length=1)


class Storage(Section):
    """Folders and volumes. Relative paths count from the project's folder."""

    landing: str = Field(description="Folder or volume where source files arrive", min_length=1)
    warehouse: str | None = Field(None, description="Folder of the local tables; none in a workspace")
    checkpoints: str = Field(description="Folder or volume that remembers which files were read", min_length=1)
    reports: str = Field(description="Folder or volume for HTML reports", min_length=1)


class Spark(Section):
    """How the session is made. Everything but mode and settings is for a laptop."""

    mode: Literal["local", "connect", "databricks"] = Field("local", description="Where the session comes from")
    remote: str | None = Field(None, description="Address of a Spark Connect server, sc://host:port")
    cores: int = Field(2, ge=1, le=256, description="Cores of a local session")
    memory: str = Field("2g", pattern=r"^[1-9][0-9]*[mg]$", description="Driver memory of a local session, as in 2g")
    shuffle_partitions: int = Field(2, ge=1, le=10000, description="Partitions of a local shuffle")
    short_runs: bool = Field(
        False, description="Compile less: small data is done sooner, gigabytes later (local session only)"
    )
    settings: dict[str, str] = Field(default_factory=dict, description="Further Spark settings")


class Ingestion(Section):
    """How bronze reads files."""

    reader: Literal["files", "auto_loader"] = Field("files", description="Auto Loader exists on Databricks only")
    max_files_per_batch: int = Field(1000, ge=1, description="Most files read in one batch")


class Broker(Section):
    """A Kafka broker, or Azure Event Hubs behind its Kafka endpoint."""

    bootstrap_servers: str | None = Field(None, description="host:port[,host:port]; Event Hubs serves port 9093")
    authentication: Literal[
        "none", "sasl_plain", "sasl_scram", "event_hubs_sas", "event_hubs_entra", "service_credential"
    ] = Field("none", description="How this project proves who it is")
    username: str | None = Field(None, description="User of sasl_plain and sasl_scram")
    secret: SecretReference | None = Field(
        None, description="Password, connection string or client secret, as secret://scope/key"
    )
    tenant_id: str | None = Field(None, description="Directory of event_hubs_entra")
    client_id: str | None = Field(None, description="Application of event_hubs_entra")
    service_credential: str | None = Field(None, description="Unity Catalog service credential (Databricks only)")
    ca_file: str | None = Field(None, description="PEM file of a certificate authority that Java does not know")


class Alerting(Section):
    """Who is told about alerts; the table of the alerts is written in any case."""

    topic: str | None = Field(None, description="Topic of the broker that takes each alert as JSON")
    webhook: SecretReference | None = Field(
        None, description="Address that takes alerts by POST, as secret://scope/key"
    )


class StreamThresholds(Section):
    """Where recent batches of streams stop being good enough for `check`; a limit left empty is none."""

    recent_minutes: int = Field(60, ge=1, description="Age of the events and batches that `check` looks at")
    warn_lag_events: int | None = Field(100_000, ge=0, description="Unread events of the broker worth a warning")
    fail_lag_events: int | None = Field(1_000_000, ge=0, description="Unread events of the broker that breach")
    warn_lag_bytes: int | None = Field(2**30, ge=0, description="Unread bytes of files and tables worth a warning")
    fail_lag_bytes: int | None = Field(10 * 2**30, ge=0, description="Unread bytes of files and tables that breach")
    warn_state_bytes: int | None = Field(2**30, ge=0, description="Memory of a stream's state worth a warning")
    fail_state_bytes: int | None = Field(4 * 2**30, ge=0, description="Memory of a stream's state that breaches")
    warn_watermark_delay_seconds: float | None = Field(
        3600.0, ge=0, description="Seconds of the watermark behind the clock that are worth a warning"
    )
    fail_watermark_delay_seconds: float | None = Field(
        None, ge=0, description="Seconds of the watermark behind the clock that breach"
    )


class Streaming(Section):
    """Where events come from and how often they are taken."""

    source: Literal["files", "auto_loader", "kafka", "event_hubs", "delta", "rate"] = Field(
        "files", description="files and rate need no broker; auto_loader exists on Databricks only"
    )
    trigger: Literal["available_now", "processing_time"] = Field(
        "available_now", description="available_now ends when nothing is left; serverless compute knows no other"
    )
    interval_seconds: float = Field(5.0, ge=0, description="Pause between batches, for trigger: processing_time")
    starting_offsets: Literal["earliest", "latest"] = Field(
        "earliest", description="Where a new checkpoint begins to read"
    )
    max_events_per_batch: int | None = Field(None, ge=1, description="Most events taken from the broker in one batch")
    max_files_per_batch: int = Field(1000, ge=1, description="Most files taken in one batch")
    rate_per_second: int = Field(100, ge=1, description="Events a second of source: rate")
    check_tables: bool = Field(
        True, description="Check the rules about whole tables at the end of a run with trigger: available_now"
    )
    fail_on_data_loss: bool = Field(True, description="Stop when the broker has deleted what was not yet read")
    future_minutes: int = Field(5, ge=0, description="How far an event may lie ahead of its arrival")
    thresholds: StreamThresholds = Field(
        default_factory=lambda: StreamThresholds.model_validate({}), description="Limits that `check` holds streams to"
    )
    broker: Broker = Field(default_factory=lambda: Broker.model_validate({}), description="The broker")
    alerts: Alerting = Field(
        default_factory=lambda: Alerting.model_validate({}), description="Who is told about alerts"
    )


class Quality(Section):
    """Thresholds; a breach ends the run with exit code 3, for streams the command `check`."""

    minimum_score: Share = Field(0.95, description="Least quality score of a table, 0 to 1")
    warn_invalid_share: Share = Field(0.01, description="Share of quarantined rows that is worth a warning")
    fail_invalid_share: Share = Field(0.05, description="Share of quarantined rows that breaches")


class Execution(Section):
    """How a run goes about its tables."""

    parallel_tables: int = Field(2, ge=1, le=64, description="Independent tables computed side by side")
    retries: int = Field(2, ge=0, le=10, description="Further tries after an error that can pass by itself")
    retry_delay_seconds: float = Field(5.0, ge=0, description="Pause before the second try; it doubles each time")
    lock_wait_seconds: float = Field(
        600.0, ge=0, description="Wait for another run of the same tables in a local warehouse; 0 fails at once"
    )


class Logging(Section):
    """What is logged and how it looks."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged")
    format: Literal["auto", "console", "json"] = Field(
        "auto",
        description="auto: JSON lines on Databricks, lines for people elsewhere; DATABRICKS_UTILS_LOG overrides auto",
    )


class Telemetry(Section):
    """OpenTelemetry traces and metrics."""

    traces: Literal["none", "file", "otlp"] = Field("none", description="Where spans go")
    endpoint: str | None = Field(None, description="OTLP over HTTP endpoint, for traces: otlp")
    file: str | None = Field(None, description="File for JSON lines, for traces: file")
    metrics: Literal["none", "file", "otlp"] = Field("none", description="Where metrics of streams go")
    metrics_endpoint: str | None = Field(None, description="OTLP over HTTP endpoint, for metrics: otlp")
    metrics_file: str | None = Field(None, description="File for JSON lines, for metrics: file")
    metrics_interval_seconds: float = Field(30.0, gt=0, description="Pause between two exports of metrics")


class Retention(Section):
    """How long things are kept."""

    bronze_days: int = Field(2555, ge=1, description="Days that bronze rows are kept")
    vacuum_hours: int = Field(168, ge=168, description="Hours that files of old versions are kept")


class Serving(Section):
    """What a model answers with for an entity of which nothing may be used."""

    unknown: Literal["answer", "refuse"] = Field(
        "answer", description="For an entity without features: a score marked known: false, or a refusal"
    )
    maximum_age_hours: float | None = Field(
        None, gt=0, description="Older features count as unknown; none: only the table's ttl_days decides"
    )


class Models(Section):
    """Where models and their runs are kept, and what serves features to them."""

    tracking_uri: str = Field("databricks", description="MLflow's tracking store, as sqlite:///runs.db", min_length=1)
    registry_uri: str = Field("databricks-uc", description="MLflow's registry; locally the same as tracking_uri")
    experiment: str | None = Field(None, description="Name of the experiment; in a workspace a path", min_length=1)
    artifacts: str | None = Field(None, description="Folder of the models' files; none where MLflow decides")
    online_store: str | None = Field(None, description="File of the online features; none without look-ups here")
    online_feature_store: str | None = Field(
        None, description="Online feature store of Databricks that gets a copy of each feature table", min_length=1
    )
    assignments: str | None = Field(
        None, description="File that notes which version answered for whom in a comparison; none: no comparison here"
    )
    registered: dict[str, str] = Field(
        default_factory=dict, description="Name in the registry by model, where it is not the model's own"
    )
    serving: Serving = Field(
        default_factory=lambda: Serving.model_validate({}), description="What is answered of the unknown"
    )


class Configuration(Section):
    """Everything that differs between environments."""

    environment: str = Field(description="Name of the environment", pattern=r"^[a-z][a-z0-9_-]*$")
    catalog: str = Field(description="Unity Catalog catalog; spark_catalog on a laptop", min_length=1)
    schemas: Schemas = Field(
        default_factory=lambda: Schemas.model_validate({}), description="Schema name of each layer"
    )
    storage: Storage = Field(description="Folders and volumes")
    spark: Spark = Field(default_factory=lambda: Spark.model_validate({}), description="The session")
    ingestion: Ingestion = Field(
        default_factory=lambda: Ingestion.model_validate({}), description="How bronze reads files"
    )
    streaming: Streaming = Field(
        default_factory=lambda: Streaming.model_validate({}), description="Where events come from"
    )
    quality: Quality = Field(default_factory=lambda: Quality.model_validate({}), description="Quality thresholds")
    execution: Execution = Field(
        default_factory=lambda: Execution.model_validate({}), description="How a run goes about its tables"
    )
    logging: Logging = Field(default_factory=lambda: Logging.model_validate({}), description="Logging")
    telemetry: Telemetry = Field(default_factory=lambda: Telemetry.model_validate({}), description="Traces and metrics")
    retention: Retention = Field(
        default_factory=lambda: Retention.model_validate({}), description="How long things are kept"
    )
    models: Models = Field(
        default_factory=lambda: Models.model_validate({}), description="Where models and their runs are kept"
    )
    feature_flags: dict[str, bool] = Field(default_factory=dict, description="Switches by name")
    parameters: dict[str, Scalar] = Field(default_factory=dict, description="Values that transformations ask for")
    secrets: dict[str, SecretReference] = Field(
        default_factory=dict, description="References secret://scope/key by name; never the secret itself"
    )

    def flag(self, name: str) -> bool:
        """Return a feature flag.

        Raises:
            InvalidInput: The configuration has no such flag.
        """
        if name not in self.feature_flags:
            raise _unknown("feature flag", "feature_flags", name, self.feature_flags)
        return self.feature_flags[name]

    def parameter(self, name: str) -> Scalar:
        """Return a parameter.

        Raises:
            InvalidInput: The configuration has no such parameter.
        """
        if name not in self.parameters:
            raise _unknown("parameter", "parameters", name, self.parameters)
        return self.parameters[name]


def _unknown(kind: str, section: str, name: str, known: dict[str, bool] | dict[str, Scalar]) -> InvalidInput:
    close = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(sorted(known)) or 'none'}"
    return InvalidInput(f"The configuration has no {kind} {name!r}", where=f"config: {section}.{name}", hint=hint)
