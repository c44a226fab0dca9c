"""Checks of the machine: Python, tools, libraries of the system, disk, permissions, ports."""

from __future__ import annotations

import importlib
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from databricks_utils.doctor.check import Check

OLDEST_PYTHON = (3, 10)
NEEDED_GIGABYTES = 2.0
"""Free disk space for the environment, the jars and small tables."""

_TOOLS = {
    "uv": "Install uv: see docs.astral.sh/uv, then open a new terminal",
    "git": "Install git: `sudo apt-get install git`, `brew install git` or `winget install Git.Git`",
}
_OPENMP = "Install OpenMP: `sudo apt-get install libgomp1` or `brew install libomp`; scikit-learn's models need none"


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Check:
    """Check the version of the running Python."""
    found = ".".join(str(part) for part in version)
    ok = version[:2] >= OLDEST_PYTHON
    return Check("Python", ok, found, "" if ok else "Run with Python 3.10 or later: `uv python install 3.12`")


def check_tool(name: str) -> Check:
    """Check that `uv` or `git` is installed and starts."""
    executable = shutil.which(name)
    if executable is None:
        return Check(name, False, "not installed", _TOOLS[name])
    try:
        answer = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name, False, f"{executable} does not start: {error}", _TOOLS[name])
    return Check(name, True, answer.stdout.strip())


def check_lightgbm() -> Check:
    """Check that an installed LightGBM loads: it needs OpenMP, which is part of the system and not of its wheel."""
    try:
        version = importlib.import_module("lightgbm").__version__
    except (ImportError, OSError) as error:
        return Check("LightGBM", False, f"does not load: {error}", _OPENMP)
    return Check("LightGBM", True, str(version))


def check_disk(folder: Path) -> Check:
    """Check the free space of the disk that holds a folder."""
    try:
        free = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        return Check("Disk space", False, f"{folder}: {error.strerror}", "Create the folder")
    advice = f"Free {NEEDED_GIGABYTES:.0f} GB on the disk of {folder}"
    return Check("Disk space", free >= NEEDED_GIGABYTES, f"{free:.1f} GB free", advice)


def check_writable(name: str, folder: Path, advice: str) -> Check:
    """Check that a file can be written in a folder; the folder is created if it can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return Check(name, True, str(folder))
    except OSError as error:
        return Check(name, False, f"{folder}: {error.strerror}", advice)


def check_loopback() -> Check:
    """Check that a port of the loopback address can be opened, which Python and Java talk through."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return Check("Loopback", True, f"port {server.getsockname()[1]} opened on 127.0.0.1")
    except OSError as error:
        advice = "Allow programs to listen on 127.0.0.1 in the firewall or sandbox"
        return Check("Loopback", False, f"no port on 127.0.0.1: {error.strerror}", advice)
