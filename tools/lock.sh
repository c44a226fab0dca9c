#!/bin/sh
# Resolves requirements/*.in together with the library's dependencies into pinned lists for every Python from 3.10 on.
# The lists name no index, so they install from whichever one a machine is set up for.
# usage: lock.sh UV
set -eu
cd "$(dirname "$0")/.."

# Every extra but the client that may be used with Databricks' services only: nothing here may install it.
extras=$(awk '/^\[/ { inside = ($0 == "[project.optional-dependencies]") }
    inside && /^[a-z-]+ = / && $1 != "feature-engineering" { print "--extra", $1 }' databricks-shared-utilities/pyproject.toml)

for input in requirements/*.in; do
    output=${input%.in}.txt
    printf 'Locking %s\n' "$output"
    {
        printf '# Made by `make lock` from %s and the library'\''s pyproject.toml. Do not edit.\n' "$(basename "$input")"
        "$1" pip compile --quiet --upgrade --universal --python-version 3.10 --no-header --no-annotate \
            --no-emit-index-url $extras "$input" databricks-shared-utilities/pyproject.toml
    } >"$output.new"
    mv "$output.new" "$output"
done
