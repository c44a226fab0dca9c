"""Answering single requests: HTTP on the loopback interface that survives its clients."""

from __future__ import annotations

from databricks_utils.serving.request import InvalidRequest, Request, parse_request
from databricks_utils.serving.service import Reply, Route, Service, problem

__all__ = ["InvalidRequest", "Reply", "Request", "Route", "Service", "parse_request", "problem"]
