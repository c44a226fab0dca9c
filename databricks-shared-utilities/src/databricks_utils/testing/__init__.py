"""What tests of a pipeline need: a session, tables written as text, assertions and fakes."""

from databricks_utils.testing.assertions import assert_frame
from databricks_utils.testing.broker import KafkaBroker
from databricks_utils.testing.frames import TableFactory, frame
from databricks_utils.testing.secrets import FakeSecrets

__all__ = ["FakeSecrets", "KafkaBroker", "TableFactory", "assert_frame", "frame"]
