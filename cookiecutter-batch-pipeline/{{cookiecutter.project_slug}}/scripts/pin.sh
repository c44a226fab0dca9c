#!/bin/sh
# Writes the versions of uv.lock that deployed tasks install into requirements.txt, which the bundle uploads.
#
# Spark, Delta Lake and the tools of development are in the group dev and stay out: a runtime brings its own. So do the
# two wheels, which a task installs by their files.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
uv export --quiet --frozen --no-dev --no-hashes --no-annotate --no-header --no-emit-project \
    --no-emit-package databricks-shared-utilities --output-file build/requirements.txt >/dev/null
{
    sed '/^[^#]/,$d' requirements.txt
    cat build/requirements.txt
} >build/requirements.new
if ! cmp -s build/requirements.new requirements.txt; then
    cat build/requirements.new >requirements.txt
fi
