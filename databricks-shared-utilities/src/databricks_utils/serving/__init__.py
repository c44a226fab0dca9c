"""Answering single requests: HTTP that survives its clients, and who was answered by which version."""

from __future__ import annotations

from databricks_utils.serving.assignments import Assignment, AssignmentLog, LostAssignment
from databricks_utils.serving.request import InvalidRequest, Request, parse_request
from databricks_utils.serving.service import Reply, Route, Service, problem

__all__ = [
    "Assignment",
    "AssignmentLog",
    "InvalidRequest",
    "LostAssignment",
    "Reply",
    "Request",
    "Route",
    "Service",
    "parse_request",
    "problem",
]
