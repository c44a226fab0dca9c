"""Recording the archive of classes: a small Delta workload in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from databricks_utils.errors import MissingTool
from databricks_utils.session.class_archive import archive_file, recording_options
from databricks_utils.session.factory import REMOTE_VARIABLES, create_session
from databricks_utils.session.settings import LocalSpark

RECORD_SECONDS = 300

_WORKLOAD = (
    "CREATE SCHEMA recording",
    "CREATE TABLE recording.sales (id BIGINT, day DATE, amount DECIMAL(10,2)) USING delta CLUSTER BY (id) "
    "TBLPROPERTIES (delta.enableDeletionVectors = true, delta.enableChangeDataFeed = true)",
    "INSERT INTO recording.sales SELECT id, DATE '2024-01-01', id * 1.5 FROM range(100)",
    "MERGE INTO recording.sales AS t USING (SELECT id + 50 AS id, 'x' AS note FROM range(100)) AS s ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET amount = 0 WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)",
    "DELETE FROM recording.sales WHERE id = 1",
    "OPTIMIZE recording.sales",
    "DESCRIBE HISTORY recording.sales",
    "SELECT * FROM table_changes('recording.sales', 1)",
    "SELECT *, row_number() OVER (PARTITION BY day ORDER BY id) FROM recording.sales",
    "SELECT day, sum(amount), count(DISTINCT id) FROM recording.sales JOIN range(20) USING (id) GROUP BY day",
)


def record_classes(archive: Path | None = None) -> Path:
    """Write the archive that later sessions of this Python environment start from; takes half a minute.

    Args:
        archive: Where to write it, 200 MB; `archive_file()` by default, where sessions look for it.

    Raises:
        MissingTool: Spark does not start, the folder cannot be written, or Java wrote no archive.
    """
    target = archive or archive_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Java does not write an archive while it uses another.
        target.unlink(missing_ok=True)
        staging = tempfile.TemporaryDirectory(dir=target.parent)
    except OSError as error:
        raise MissingTool(
            f"The archive of classes cannot be written: {error.strerror}",
            where=str(target.parent),
            hint="Sessions work without it; run this in an environment of your own to have it",
        ) from error
    with staging as folder:
        written = Path(folder) / target.name
        output = _run_recording(written)
        if not written.is_file():
            raise MissingTool("Java wrote no archive of classes", where=output, hint="Sessions work without it")
        written.replace(target)
    return target


def _run_recording(archive: Path) -> str:
    command = [sys.executable, "-m", "databricks_utils.session.class_recording", str(archive)]
    # The recording is of a local session, also where this process is a client of a Connect server.
    environment = {name: value for name, value in os.environ.items() if name not in REMOTE_VARIABLES}
    answer = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=RECORD_SECONDS, check=False
    )
    return (answer.stderr or answer.stdout).strip()[-500:]


def _record(archive: Path) -> None:
    options = " ".join(recording_options(archive))
    spark = create_session(LocalSpark(settings={"spark.driver.extraJavaOptions": options}), short_lived=True)
    for statement in _WORKLOAD:
        spark.sql(statement).collect()
    spark.stop()
    _end_java()


def _end_java() -> None:
    """Let Java end and wait for it, since it writes the archive last."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(RECORD_SECONDS)


if __name__ == "__main__":
    _record(Path(sys.argv[1]))
