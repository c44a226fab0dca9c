"""Downloading jars with the Ivy that pyspark ships, so that no build tool must be installed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

from databricks_utils.errors import MissingTool

MIRROR_VARIABLE = "MAVEN_REPOSITORY_URL"
"""Names a company's mirror of the public Maven repository."""

DOWNLOAD_SECONDS = 300

_UNREACHABLE = re.compile(r"UnknownHost|Host .* not found|refused|timed out|unreachable", re.IGNORECASE)
_NOT_FOUND = re.compile(r":: ([\w.-]+)#([\w.-]+);([\w.-]+): not found")
_UNTRUSTED = re.compile(r"PKIX|SSLHandshake|certificate", re.IGNORECASE)


def download(
    coordinates: Sequence[str],
    folder: Path,
    *,
    java: Path,
    spark_jars: Path,
    environ: Mapping[str, str] | None = None,
) -> list[Path]:
    """Download each coordinate's own jar, and nothing it depends on, into a folder.

    Args:
        coordinates: Maven coordinates, `group:artifact:version`.
        folder: An existing empty folder; also takes Ivy's working files.
        java: The `java` program.
        spark_jars: Folder of pyspark's jars, which holds Ivy.
        environ: Environment to read the mirror and proxies from; the process's own by default.

    Returns:
        One path per coordinate, in the same order, named `artifact-version.jar`.

    Raises:
        MissingTool: The repository did not answer or lacks a jar.
    """
    environ = os.environ if environ is None else environ
    settings, module = folder / "ivysettings.xml", folder / "ivy.xml"
    settings.write_text(_settings_xml(environ.get(MIRROR_VARIABLE)), encoding="utf-8")
    module.write_text(_module_xml(coordinates), encoding="utf-8")
    command = [
        *(str(java), f"-Divy.default.ivy.user.dir={folder / 'ivy'}", *proxy_options(environ)),
        *("-cp", str(spark_jars / "*"), "org.apache.ivy.Main"),
        *("-settings", str(settings), "-ivy", str(module)),
        *("-retrieve", f"{folder.as_posix()}/[artifact]-[revision].[ext]"),
    ]
    output = _run(command)
    jars = [folder / file_name(coordinate) for coordinate in coordinates]
    missing = [name for name, jar in zip(coordinates, jars, strict=True) if not jar.is_file()]
    if missing:
        # Ivy copies nothing when one jar is not found, so its own list is the shorter one.
        raise _not_downloaded(_not_found(output) or missing, output, environ)
    return jars


def file_name(coordinate: str) -> str:
    """Return the jar's file name of `group:artifact:version`."""
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def proxy_options(environ: Mapping[str, str]) -> list[str]:
    """Return the Java options for HTTP_PROXY, HTTPS_PROXY and NO_PROXY, which Java does not read itself."""
    options: list[str] = []
    for scheme in ("http", "https"):
        proxy = urlsplit(_variable(environ, f"{scheme}_proxy"))
        if proxy.hostname:
            options += [f"-D{scheme}.proxyHost={proxy.hostname}", f"-D{scheme}.proxyPort={proxy.port or 80}"]
    exempt = [host.strip() for host in _variable(environ, "no_proxy").split(",") if host.strip()]
    if options and exempt:
        hosts = "|".join(f"*{host}" if host.startswith(".") else host for host in exempt)
        options.append(f"-Dhttp.nonProxyHosts={hosts}")
    return options


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""


def _settings_xml(mirror: str | None) -> str:
    # Ivy knows the public repository itself. POM files are not read: the lock is already complete, and a jar
    # whose POM has a missing parent would fail for no reason.
    root = f" root={quoteattr(mirror.rstrip('/') + '/')}" if mirror else ""
    return (
        '<ivysettings><settings defaultResolver="maven"/><resolvers>'
        f'<ibiblio name="maven" m2compatible="true" usepoms="false"{root}/>'
        "</resolvers></ivysettings>\n"
    )


def _module_xml(coordinates: Sequence[str]) -> str:
    lines = ['<ivy-module version="2.0"><info organisation="local" module="jars"/><dependencies>']
    for coordinate in coordinates:
        group, artifact, version = (quoteattr(part) for part in coordinate.split(":"))
        lines.append(f'<dependency org={group} name={artifact} rev={version} transitive="false"/>')
    return "\n".join([*lines, "</dependencies></ivy-module>"]) + "\n"


def _run(command: Sequence[str]) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"timed out after {DOWNLOAD_SECONDS} seconds"
    return answer.stdout + answer.stderr


def _not_found(output: str) -> list[str]:
    return [":".join(found) for found in dict.fromkeys(_NOT_FOUND.findall(output))]


def _not_downloaded(missing: Sequence[str], output: str, environ: Mapping[str, str]) -> MissingTool:
    mirror = environ.get(MIRROR_VARIABLE)
    repository = f"the mirror in {MIRROR_VARIABLE}" if mirror else "the public Maven repository"
    names = ", ".join(missing)
    if _UNTRUSTED.search(output):
        return MissingTool(
            f"Java does not trust the certificate of {repository}",
            where=names,
            hint="Add your company's certificate to Java's trust store (keytool -importcert -cacerts)",
        )
    if _UNREACHABLE.search(output):
        return MissingTool(
            f"No answer from {repository}",
            where=names,
            hint=f"Check network and proxy, or set {MIRROR_VARIABLE} to the address of your company's mirror",
        )
    return MissingTool(
        f"{repository[0].upper()}{repository[1:]} does not have every jar",
        where=names,
        hint=f"Check {MIRROR_VARIABLE}" if mirror else f"Set {MIRROR_VARIABLE} to a mirror that has them",
    )
