"""Streams from events to alerts: sources, checkpoints, exactly-once writers, progress."""

from __future__ import annotations

from databricks_utils.streaming.balance import Balance, balances
from databricks_utils.streaming.broker import (
    check_streaming,
    connection_options,
    source_options,
)
from databricks_utils.streaming.checkpoint import checkpoint_path, forget_last_batch
from databricks_utils.streaming.checks import check_tables
from databricks_utils.streaming.client import client_settings
from databricks_utils.streaming.declarative import declare_streams
from databricks_utils.streaming.definition import (
    EventAlerts,
    StreamAlerts,
    StreamBronze,
    StreamGold,
    StreamNode,
    StreamPipeline,
    StreamSilver,
    Watermark,
)
from databricks_utils.streaming.delivery import Delivery
from databricks_utils.streaming.metrics import StreamMetrics
from databricks_utils.streaming.progress import BatchProgress, batch_progress
from databricks_utils.streaming.queries import StreamQuery, stream_queries
from databricks_utils.streaming.realtime import possible_mode, run_event_alerts, start_event_alerts
from databricks_utils.streaming.runner import run_streams
from databricks_utils.streaming.state import StreamState, stream_states

__all__ = [
    "Balance",
    "BatchProgress",
    "Delivery",
    "EventAlerts",
    "StreamAlerts",
    "StreamBronze",
    "StreamGold",
    "StreamMetrics",
    "StreamNode",
    "StreamPipeline",
    "StreamQuery",
    "StreamSilver",
    "StreamState",
    "Watermark",
    "balances",
    "batch_progress",
    "check_streaming",
    "check_tables",
    "checkpoint_path",
    "client_settings",
    "connection_options",
    "declare_streams",
    "forget_last_batch",
    "possible_mode",
    "run_event_alerts",
    "run_streams",
    "source_options",
    "start_event_alerts",
    "stream_queries",
    "stream_states",
]
