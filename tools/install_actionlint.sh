#!/bin/sh
# Installs actionlint, which the harness checks GitHub workflows with, unless a machine has it or cannot have it.
# usage: install_actionlint.sh FOLDER
set -eu

version=v1.7.12
mkdir -p "$1"
folder=$(cd "$1" && pwd)

if [ -x "$folder/actionlint" ] || command -v actionlint >/dev/null 2>&1; then
    exit 0
fi
if ! command -v go >/dev/null 2>&1; then
    # The tests that need it say so themselves; everything else works without.
    printf 'actionlint is not installed, since this machine has no Go; tests/test_workflows.py will ask for it.\n' >&2
    exit 0
fi
printf 'Installing actionlint %s into %s/\n' "$version" "$1"
# Settings of a project around this folder are not for this program.
cd "$folder"
GOBIN=$folder GOFLAGS=-mod=mod GOWORK=off go install "github.com/rhysd/actionlint/cmd/actionlint@$version" || {
    printf 'actionlint could not be installed; tests/test_workflows.py will ask for it.\n' >&2
    exit 0
}
