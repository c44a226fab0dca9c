#!/bin/sh
# Makes a virtual environment with pinned packages and the library in place.
# usage: install.sh UV ENVIRONMENT REQUIREMENTS LIBRARY [PYTHON]
set -eu

uv=$1
environment=$2
requirements=$3
library=$4
python=${5:->=3.10}

printf 'Installing %s into %s/\n' "$requirements" "$environment"
rm -f "$environment/ready"
if ! [ -x "$environment/bin/python" ]; then
    "$uv" venv --quiet --python "$python" "$environment"
fi
# Spark is a large source archive: the default limit of 30 s for a stalled download is too tight for slow lines.
UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-300}
export UV_HTTP_TIMEOUT
"$uv" pip sync --quiet --python "$environment/bin/python" "$requirements"
"$uv" pip install --quiet --python "$environment/bin/python" --no-deps --editable "$library"
touch "$environment/ready"
