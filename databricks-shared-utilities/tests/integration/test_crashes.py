"""Runs that die, at whatever moment: the next run ends with the tables of a pipeline that nothing happened to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from little_shop import SECOND, SHOP, Undisturbed, closed, contents, land, landing, opened, succeeded
from own_process import run_until_killed, uncommitted
from pyspark.sql import SparkSession

from databricks_utils.delta import newest_version
from databricks_utils.errors import RunFailed
from databricks_utils.medallion import Lakehouse, bronze, gold, run_pipeline, runner, silver

#: Where a run dies in its first delivery and in its second: the module whose call it is, the call, and the moment.
FIRST_DEATHS = (
    (bronze, "append", "before"),
    (bronze, "append", "after"),
    (silver, "overwrite", "after"),
    (gold, "overwrite", "before"),
    (gold, "overwrite", "after"),
    (runner, "save_progress", "before"),
    (runner, "save_progress", "after"),
)
SECOND_DEATHS = (
    (bronze, "append", "after"),
    (silver, "merge_by_key", "before"),
    (silver, "merge_by_key", "after"),
    (silver, "overwrite", "after"),
    # One after the other: what a table has written it does not write again.
    *((gold, "merge_by_key", moment) for moment in ("before", "after", "after", "after")),
    (runner, "save_progress", "before"),
)

# Started by a test in a process of its own, which ends its process group at a call: when it has returned, or while it
# writes. Spark opens a data file only inside the statement that writes, before its commit: a new one is the sign. Which
# table that is, and its version before, is left in a file.
DYING_PROGRAM = """
import importlib, os, signal, sys, threading, time
from pathlib import Path
from little_shop import SECOND, SHOP, land, landing, opened
from databricks_utils.delta import newest_version
from databricks_utils.medallion import run_pipeline
from databricks_utils.session import create_session
from databricks_utils.session.settings import LocalSpark

folder, mark, place, name, moment, least = Path(sys.argv[1]), *sys.argv[2:]
# Rows go to the disk soon, and not by the 128 MB.
settings = {"spark.hadoop.parquet.block.size": "16384"}
spark = create_session(LocalSpark(memory="1g", settings=settings), "dying", folder / "warehouse", short_lived=True)
shop = opened(spark, folder, mark)
run_pipeline(shop, SHOP)
land(landing(shop), SECOND)
for waiting in folder.glob("*.csv"):
    waiting.rename(landing(shop) / "orders" / waiting.name)
module = importlib.import_module(place)
original = getattr(module, name)
watched = threading.Lock()

def die():
    os.killpg(os.getpgid(0), signal.SIGKILL)

def data_files(table):
    files = {}
    for path, folders, names in os.walk(table):
        if "_delta_log" in folders:
            folders.remove("_delta_log")
        for file in names:
            if file.endswith(".parquet"):
                files[file] = os.stat(os.path.join(path, file)).st_size
    return files

def die_while_it_writes(table, known, returned):
    deadline = time.monotonic() + 120
    while not returned.is_set() and time.monotonic() < deadline:
        if any(size >= int(least) for file, size in data_files(table).items() if file not in known):
            die()

def call_and_die(*arguments, **named):
    if moment != "during":
        original(*arguments, **named)
        die()
    if not watched.acquire(blocking=False):
        return original(*arguments, **named)
    table, returned = named.get("folder") or arguments[0].folder("operations.progress"), threading.Event()
    (folder / "struck").write_text(f"{table}\\n{newest_version(table)}")
    watch = threading.Thread(target=die_while_it_writes, args=(table, data_files(table), returned))
    watch.start()
    try:
        original(*arguments, **named)
    finally:
        returned.set()
        watch.join()
        print(f"{name} returned before the process was killed", file=sys.stderr, flush=True)
        os._exit(3)

setattr(module, name, call_and_die)
run_pipeline(shop, SHOP)
"""
MEDALLION = "databricks_utils.medallion"
KILLS = (
    (f"{MEDALLION}.silver", "merge_by_key", "during"),
    (f"{MEDALLION}.bronze", "append", "during"),
    (f"{MEDALLION}.bronze", "append", "after"),
    (f"{MEDALLION}.silver", "overwrite", "during"),
    (f"{MEDALLION}.silver", "overwrite", "after"),
    (f"{MEDALLION}.gold", "merge_by_key", "during"),
    (f"{MEDALLION}.gold", "merge_by_key", "after"),
    (f"{MEDALLION}.runner", "save_progress", "during"),
    (f"{MEDALLION}.runner", "save_progress", "after"),
)
#: Lines of a file of which a part is in bronze's data files already, and the rest not read, when the process is killed.
LONG = 60_000
#: As many bytes are some thousand of these lines.
PART = 200_000


class Died(RuntimeError):
    """Stands for the end of the process, at a moment that a test chose."""


def dying(original: Callable[..., object], moment: str, met: list[str]) -> Callable[..., object]:
    """Return the function, dying before or after it has done its work, and noting that it died."""

    def dies(*arguments: object, **named: object) -> object:
        met.append(moment)
        if moment == "after":
            original(*arguments, **named)
        raise Died(moment)

    return dies


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Lakehouse]:
    lakehouse = opened(spark, tmp_path)
    yield lakehouse
    closed(lakehouse)


def test_runs_that_die_at_every_commit_leave_what_an_undisturbed_pipeline_leaves(
    shop: Lakehouse, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch, spark_mode: str
) -> None:
    if spark_mode == "connect":
        pytest.skip("a batch of bronze is written in the server's own Python, where no test reaches in")
    for deaths, files in ((FIRST_DEATHS, SECOND), (SECOND_DEATHS, {})):
        for module, name, moment in deaths:
            met: list[str] = []
            with monkeypatch.context() as patch:
                patch.setattr(module, name, dying(getattr(module, name), moment, met))
                run_until_death(shop)
            assert met, f"{module.__name__}.{name} was not called"
        succeeded(run_pipeline(shop, SHOP))
        land(landing(shop), files)

    assert contents(shop) == undisturbed.second


def run_until_death(shop: Lakehouse) -> None:
    """Run the pipeline, which dies in a table's turn or between them."""
    try:
        run = run_pipeline(shop, SHOP)
    except RunFailed as error:  # the note about what was written could not be made
        if not isinstance(error.__cause__, Died):
            raise
        return
    except Died:
        return
    assert run.status == "failed"


def killed(folder: Path, mark: str, place: str, name: str, moment: str, least: int = 0) -> None:
    """Run the second delivery in a process that is killed at a call, and prove when that was.

    Args:
        folder: Place of the lakehouse.
        mark: Ends the names of its schemas.
        place: The module whose call it is.
        name: The call.
        moment: `during`, when a data file is there and no commit of it, or `after`.
        least: Bytes that have to be in the data file.
    """
    run_until_killed(DYING_PROGRAM, str(folder), mark, place, name, moment, str(least))
    if moment == "during":
        table, version = (folder / "struck").read_text().split("\n")
        assert newest_version(Path(table)) == int(version), f"{table} was committed before the process was killed"
        assert any(path.stat().st_size >= least for path in uncommitted(Path(table))), f"{table} was not being written"


@pytest.mark.parametrize(
    ("place", "name", "moment"), [KILLS[0], *(pytest.param(*kill, marks=pytest.mark.matrix) for kill in KILLS[1:])]
)
def test_a_killed_process_loses_and_doubles_nothing(
    spark: SparkSession, undisturbed: Undisturbed, tmp_path: Path, place: str, name: str, moment: str
) -> None:
    mark = f"killed_{KILLS.index((place, name, moment))}"

    killed(tmp_path, mark, place, name, moment)

    shop = opened(spark, tmp_path, mark)
    land(landing(shop), SECOND)
    succeeded(run_pipeline(shop, SHOP))
    assert contents(shop) == undisturbed.second
    closed(shop)


@pytest.mark.matrix
def test_a_file_half_read_when_the_process_is_killed_is_read_once(
    spark: SparkSession, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    # An order known already, so that bronze alone has these rows; the column too many makes each another one.
    lines = (f"1,10,2024-01-05,5.00,1,{sha256(str(number).encode()).hexdigest()}\n" for number in range(LONG))
    (tmp_path / "long.csv").write_text("order_id,customer_id,ordered_on,amount,revision,seal\n" + "".join(lines))

    killed(tmp_path, "half_read", f"{MEDALLION}.bronze", "append", "during", least=PART)

    shop = opened(spark, tmp_path, "half_read")
    (left,) = (path for path in [shop.folder("bronze.orders")] if path is not None)
    # A file's last bytes are these once its last row is in it.
    begun = [path for path in uncommitted(left) if path.stat().st_size >= PART]
    assert begun
    assert not any(path.read_bytes().endswith(b"PAR1") for path in begun)
    succeeded(run_pipeline(shop, SHOP))
    found = contents(shop)
    found["bronze.orders"].subtract({("1", "10", "2024-01-05", "5.00", "1"): LONG})
    assert found == undisturbed.second
    assert shop.read("bronze.orders").where("_rescued_data IS NOT NULL").distinct().count() == LONG
    closed(shop)
