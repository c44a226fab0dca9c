#!/bin/sh
# Says which prerequisite is missing or too old, and the line that installs it. All of them at once.
# usage: prerequisites.sh [--verbose]
set -u
cd "$(dirname "$0")/.." || exit 1

oldest_uv_minor=9 # of 0.x: the first that brings the build backend and writes no .gitignore beside a wheel

problems=0
verbose=${1:-}

found() {
    [ "$verbose" = "--verbose" ] && printf '  %-8s %s\n' "$1" "$2"
    return 0
}

missing() { # name, what is wrong, Debian package, Homebrew formula, other
    problems=$((problems + 1))
    {
        printf '%s: %s\n' "$1" "$2"
        printf '  Debian, Ubuntu   sudo apt-get install --yes %s\n' "$3"
        printf '  macOS            brew install %s\n' "$4"
        printf '  elsewhere        %s\n' "$5"
    } >&2
}

# Spark starts $JAVA_HOME/bin/java when JAVA_HOME is set, so that one counts.
check_java() {
    java=java
    origin='on the PATH'
    if [ -n "${JAVA_HOME:-}" ]; then
        java=$JAVA_HOME/bin/java
        origin="in JAVA_HOME ($JAVA_HOME)"
    fi
    version=$("$java" -version 2>&1 | sed -n 's/.*version "\([^"]*\)".*/\1/p' | head -n 1)
    major=$(printf '%s' "$version" | sed 's/^1\.//; s/[^0-9].*//')
    if [ -z "$major" ]; then
        missing java "no working Java $origin; version 17 or newer is needed" \
            openjdk-17-jre-headless openjdk@17 'https://adoptium.net'
    elif [ "$major" -lt 17 ]; then
        missing java "version $version $origin; version 17 or newer is needed" \
            openjdk-17-jre-headless openjdk@17 'https://adoptium.net'
        [ -n "${JAVA_HOME:-}" ] && printf '  then             point JAVA_HOME at the new one, or unset it\n' >&2
    else
        found java "$version"
    fi
}

check_git() {
    if version=$(git --version 2>/dev/null); then
        found git "${version#git version }"
    else
        missing git 'not found' git git 'https://git-scm.com/downloads'
    fi
}

# uv is installed by the Makefile where it is missing, and that takes a Python with pip.
check_uv() {
    uv=uv
    [ -x .tools/bin/uv ] && uv=.tools/bin/uv
    if version=$("$uv" --version 2>/dev/null); then
        check_uv_age "${version#uv }"
        return 0
    fi
    if python3 -c 'import venv, ensurepip' 2>/dev/null || python3 -m pip --version >/dev/null 2>&1; then
        found uv 'not found; make installs it into .tools/'
    else
        missing uv 'not found, and this machine has no Python with venv or pip to install it' \
            python3-venv uv 'https://docs.astral.sh/uv/getting-started/installation'
    fi
}

check_uv_age() { # "0.13.8 (…)"
    major=${1%%.*}
    rest=${1#*.}
    if [ "$major" -eq 0 ] && [ "${rest%%.*}" -lt "$oldest_uv_minor" ]; then
        missing uv "version $1; version 0.$oldest_uv_minor or newer is needed" \
            'pipx && pipx install uv' uv 'uv self update'
    else
        found uv "$1"
    fi
}

check_make() {
    if version=$(make --version 2>/dev/null); then
        found make "$(printf '%s' "$version" | head -n 1)"
    else
        missing make 'not found' make make 'https://www.gnu.org/software/make'
    fi
}

check_java
check_git
check_uv
check_make
if [ "$problems" -gt 0 ]; then
    printf '\n%s prerequisite(s) to install, then repeat the command.\n' "$problems" >&2
    exit 1
fi
