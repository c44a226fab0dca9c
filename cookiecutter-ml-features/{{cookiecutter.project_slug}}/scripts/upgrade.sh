#!/bin/sh
# Brings the project up to date: the template's files first, then the shared library of the same version.
# usage: upgrade.sh [FROM]
#
# FROM is an address or folder of the template's repository. With it only the library is taken, from there; without it
# both come from the address that .cruft.json remembers.
set -eu
cd "$(dirname "$0")/.."

cruft='cruft==2.16.0'
library=databricks-shared-utilities
from=${1:-}
commit=
scratch=build/upgrade

stop() {
    printf '%s\n' "$@" >&2
    exit 2
}

remembered() { # the value of one key of .cruft.json
    uv run --quiet --no-project python -c 'import json, sys; print(json.load(open(".cruft.json"))[sys.argv[1]])' "$1"
}

unmerged() { # files with both versions between marks, then files with the rejected part beside them
    git ls-files --unmerged | cut -f 2 | sort -u
    git ls-files --others --exclude-standard -- '*.rej'
}

content() { # version and content of a wheel, which the new one knows how to tell
    PYTHONPATH=$wheel uv run --quiet --no-project python -m databricks_utils.identity "$1"
}

update_files() {
    git rev-parse --is-inside-work-tree >/dev/null 2>&1 ||
        stop 'Template files are merged by git, and this folder is no repository. Start one:' \
            '  git init && git add --all && git commit --message "Start"'
    test -z "$(git status --porcelain)" ||
        stop 'There are changes that are not committed; an update could not be told from them. Commit or stash them:' \
            "$(git status --short)"
    printf 'Comparing with %s\n' "$(remembered template)"
    before=$(remembered commit)
    # Each version is generated anew in a folder of its own; what that prints is of interest only when it fails.
    if ! uvx --quiet --from "$cruft" cruft update --skip-apply-ask >"$scratch/cruft.log" 2>&1; then
        cat "$scratch/cruft.log" >&2
        stop '' 'The template could not be applied; nothing was changed. Where its address is wrong:' \
            "  uvx cruft link <address> --directory $(remembered directory)"
    fi
    if [ "$before" = "$(remembered commit)" ]; then
        printf 'The files of the template are up to date.\n'
        return 0
    fi
    printf 'The files of the template are now those of %s:\n' "$(remembered commit)"
    git status --short
    left=$(unmerged)
    if [ -n "$left" ]; then
        {
            printf '\nChanged by you and by the template, so you decide:\n'
            printf '%s\n' "$left" | sed 's/^/  /'
            printf '\nA file in the list holds both versions between <<<<<<< and >>>>>>>; keep what is right. A file that\n'
            printf 'ends with .rej holds what could not be applied; do it by hand and remove the file. Then:\n'
            printf '  git add --all && git commit --message "Update from the template"\n'
            printf '  make upgrade      # goes on with the library\n'
        } >&2
        exit 1
    fi
}

update_library() {
    if [ -d "$from/$library" ]; then
        source=$from/$library
    else
        git clone --quiet "$from" "$scratch/template"
        test -z "$commit" || git -C "$scratch/template" checkout --quiet "$commit"
        source=$scratch/template/$library
    fi
    uv build --quiet --wheel --no-create-gitignore --out-dir "$scratch/wheel" "$source"
    mkdir -p libs "$scratch/before"
    before=
    for wheel in libs/databricks_shared_utilities-*.whl; do
        test -f "$wheel" && mv "$wheel" "$scratch/before/" && before=$scratch/before/$(basename "$wheel")
    done
    cp "$scratch"/wheel/*.whl libs/
    wheel=$(ls libs/databricks_shared_utilities-*.whl)
    sed "s|libs/databricks_shared_utilities-[^\"]*[.]whl|$wheel|" pyproject.toml >"$scratch/pyproject.toml"
    cat "$scratch/pyproject.toml" >pyproject.toml
    uv lock --quiet --upgrade-package "$library" --refresh-package "$library"
    uv sync --quiet
    sh scripts/pin.sh
    # One version may have had several contents, so both are told.
    printf 'The shared library is now %s, %s\n' "$wheel" "$(content "$wheel")"
    test -z "$before" || printf '  before: %s\n' "$(content "$before")"
}

rm -rf "$scratch"
mkdir -p "$scratch"
if [ -z "$from" ]; then
    test -f .cruft.json || stop 'Say where the template lies: make upgrade FROM=<address or folder>'
    update_files
    from=$(remembered template)
    commit=$(remembered commit)
fi
update_library
printf 'Next: read what has changed, then run: make lint test, and commit\n'
