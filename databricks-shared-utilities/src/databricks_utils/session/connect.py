"""A Spark Connect server on this machine, for tests and for a session that outlives many short processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from databricks_utils.errors import InvalidInput, LakehouseError
from databricks_utils.session.installation import SparkInstallation, installed_spark
from databricks_utils.session.jars import DELTA, resolve_groups, resolve_jars
from databricks_utils.session.launch import new_log, not_started, prepare_environment
from databricks_utils.session.settings import SparkSettings, local_settings

if TYPE_CHECKING:
    pass

START_SECONDS = 90.0
"""How long a server may take until it answers."""

STOP_SECONDS = 15.0

ANSWER_SECONDS = 10.0
DEFAULT_PORT = 15002

TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"
"""Names what a server from Spark 4 on asks of its clients."""

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


@dataclass(frozen=True)
class ConnectServer:
    """A running server.

    Args:
        url: Address for `spark.remote`.
        process: The Java process, which this object ends by its id.
        log: File with everything the server printed.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """End the server; a second call does nothing."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)


def start_connect_server(
    spark: SparkSettings, warehouse: Path, *, short_lived: bool = False, jar_groups: Sequence[str] = DELTA
) -> ConnectServer:
    """Start a Connect server with Delta Lake on a free loopback port and wait until it answers.

    Args:
        spark: Cores, memory, shuffle partitions and further settings.
        warehouse: Folder of the tables.
        short_lived: As in `create_session`.
        jar_groups: As in `create_session`.

    Raises:
        MissingTool: No suitable Java, a jar is missing, or the server ended at once.
        LakehouseError: The server did not answer in time; it has been ended.
    """
    installation = installed_spark()
    jars = server_jars(installation, jar_groups)
    settings = local_settings(spark, warehouse, jars, short_lived=short_lived)
    server = spawn_server(installation, settings)
    await_answer(server)
    return server


def spawn_server(
    installation: SparkInstallation, settings: Mapping[str, str], *, token: str = "", held: Sequence[int] = ()
) -> ConnectServer:
    """Start the process of a Connect server on a free loopback port.

    Args:
        installation: The Spark to start.
        settings: Everything but the address.
        token: What a client must show; nothing where it is empty.
        held: File descriptors it inherits. With any, it outlives this process and its terminal.

    Raises:
        MissingTool: No suitable Java.
    """
    prepare_environment(installation)
    port, log = free_port(), new_log()
    address = {"spark.connect.grpc.binding.address": "127.0.0.1", "spark.connect.grpc.binding.port": str(port)}
    with log.open("ab") as output:
        process = subprocess.Popen(
            _command(installation, {**settings, **address}),
            # Spark 3.5 leaves an empty folder `artifacts` where it is started.
            cwd=log.parent,
            # Not an argument, since everybody on the machine may read those.
            env={**os.environ, **({TOKEN_VARIABLE: token} if token else {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=tuple(held),
            start_new_session=bool(held),
        )
    return ConnectServer(f"sc://127.0.0.1:{port}", process, log)


def await_answer(server: ConnectServer) -> None:
    """Wait until a server accepts a gRPC channel, not merely a TCP connection; one that does not is ended.

    Raises:
        MissingTool: The server ended at once.
        LakehouseError: The server did not answer in time.
    """
    try:
        _await_channel(server)
    except BaseException:
        server.stop()
        raise


@contextlib.contextmanager
def connect_server(
    spark: SparkSettings, warehouse: Path, *, short_lived: bool = False, jar_groups: Sequence[str] = DELTA
) -> Iterator[ConnectServer]:
    """Give a server for the length of a `with` block; arguments and errors as in `start_connect_server`."""
    server = start_connect_server(spark, warehouse, short_lived=short_lived, jar_groups=jar_groups)
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_answer(url: str, environ: Mapping[str, str] | None = None) -> None:
    """Check that something listens at the address, since the client itself would try for ten minutes.

    Args:
        url: Address, `sc://host:port`.
        environ: Environment; with a proxy in it nothing is checked, for the address is reached through that.

    Raises:
        InvalidInput: The address is not one of a Connect server.
        LakehouseError: Nobody listens there.
    """
    environ = os.environ if environ is None else environ
    place = url.partition(";")[0]
    host, port = _host_and_port(place)
    if any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES):
        return
    try:
        socket.create_connection((host, port), ANSWER_SECONDS).close()
    except OSError as error:
        raise LakehouseError(
            f"The Connect server does not answer: {error.strerror or error}",
            where=place,
            hint="Check the address in spark.remote and that the server runs",
        ) from error


def server_jars(installation: SparkInstallation, groups: Sequence[str] = DELTA) -> list[Path]:
    """Return the jars of a Connect server: the groups', and below Spark 4 the server's own, which pyspark lacks.

    Raises:
        MissingTool: A jar cannot be downloaded.
    """
    shipped = any(installation.jars.glob("spark-connect_*.jar"))
    own = [] if shipped else resolve_jars(group="connect", spark=installation)
    return [*resolve_groups(groups, installation), *own]


def _host_and_port(place: str) -> tuple[str, int]:
    address = urlsplit(place)
    with contextlib.suppress(ValueError):  # a port that is no number
        if address.scheme == "sc" and address.hostname:
            return address.hostname, address.port or DEFAULT_PORT
    raise InvalidInput(
        f"{place!r} is no address of a Connect server", where="spark.remote", hint="Write sc://host:15002"
    )


def _command(installation: SparkInstallation, settings: Mapping[str, str]) -> list[str]:
    script = "spark-submit.cmd" if os.name == "nt" else "spark-submit"
    options = [option for key, value in settings.items() for option in ("--conf", f"{key}={value}")]
    return [str(installation.home / "bin" / script), "--class", _SERVER, *options, "spark-internal"]


def _await_channel(server: ConnectServer) -> None:
    import grpc

    deadline = time.monotonic() + START_SECONDS
    with grpc.insecure_channel(server.url.removeprefix("sc://")) as channel:
        ready = grpc.channel_ready_future(channel)
        while True:
            with contextlib.suppress(grpc.FutureTimeoutError):
                ready.result(timeout=0.5)
                return
            if server.process.poll() is not None:
                raise not_started(server.log)
            if time.monotonic() > deadline:
                raise LakehouseError(
                    f"The Connect server did not answer within {START_SECONDS:.0f} seconds",
                    where=str(server.log),
                    hint="Give it more memory in spark.memory, or look into its log",
                )
