#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Print the path of a Python that really runs and is new enough. A file named python3.12 on PATH proves nothing: version
# managers put shims there for interpreters that are not chosen or are gone.
#
# Usage: find-python.sh            one of 3.11 or newer, the best supported first; $PYTHON, when set, is the only candidate
#        find-python.sh 3.9        exactly that version; exit status 1 and no output when there is none

wanted=$1
if [ -n "$wanted" ]; then
    candidates="python$wanted python3 python"
    test="sys.version_info[:2] == ($(echo "$wanted" | tr . ,))"
else
    candidates=${PYTHON:-python3.13 python3.12 python3.14 python3.11 python3 python}
    test="sys.version_info >= (3, 11)"
fi
if [ -z "$PYTHON" ] || [ -n "$wanted" ]; then
    for directory in "${PYENV_ROOT:-$HOME/.pyenv}/versions/${wanted:-3.1}"* "$HOME/.local/share/uv/python/cpython-${wanted:-3.1}"*; do
        candidates="$candidates $directory/bin/python3"
    done
fi

for candidate in $candidates; do
    if "$candidate" -c "import sys, venv, zlib, ssl, ctypes; sys.exit(0 if $test else 1)" >/dev/null 2>&1; then
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done

if [ -z "$wanted" ]; then
    echo "No usable Python of version 3.11 or newer among: $candidates" >&2
    echo "Install one (Debian, Ubuntu: apt install python3; macOS: brew install python@3.13) or name it: make PYTHON=/path/to/python ..." >&2
fi
exit 1
