"""`python -m databricks_utils.session`: let local sessions of this Python environment start faster from now on."""

from __future__ import annotations

import sys

from databricks_utils.errors import LakehouseError
from databricks_utils.session.class_recording import record_classes


def main() -> int:
    """Record the archive of classes and say where it is; return the exit code."""
    try:
        archive = record_classes()
    except LakehouseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Local sessions start from {archive} now ({archive.stat().st_size >> 20} MB). Delete it to undo this.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
