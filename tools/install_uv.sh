#!/bin/sh
# Installs uv of a given version into a folder (its bin/uv is the program), with the Python of this machine.
# usage: install_uv.sh FOLDER VERSION
set -eu

folder=$1
version=$2

printf 'Installing uv %s into %s/\n' "$version" "$folder"
rm -rf "$folder"
if python3 -m venv "$folder" >/dev/null 2>&1; then
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$version"
elif python3 -m pip --version >/dev/null 2>&1; then
    # Debian's Python may lack ensurepip, which venv needs; a target folder is no part of the system's Python.
    rm -rf "$folder"
    python3 -m pip install --quiet --disable-pip-version-check --target "$folder" "uv==$version"
else
    rm -rf "$folder"
    printf 'uv cannot be installed: this Python has neither venv nor pip.\n' >&2
    printf '  Debian, Ubuntu   sudo apt-get install --yes python3-venv\n' >&2
    printf '  elsewhere        https://docs.astral.sh/uv/getting-started/installation\n' >&2
    exit 1
fi
