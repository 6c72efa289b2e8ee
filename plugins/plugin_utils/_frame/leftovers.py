# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End what an asynchronous job left behind on its host when its time was up.

ansible-core's async_wrapper kills a job's process group, but makes that group only after the fork: on a busy host the module may already
have started in the group of before, and then outlives its job (reproduced with 2.19: twelve busy loops on two cores, one job in twelve).

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import secrets

#: Names a job in the environment of everything that it starts.
VARIABLE = "ONCALL_INCIDENT_JOB"

# A daemon that the module started has a session of its own by now, and is not a leftover: only the session in which the module itself still
# runs is ended. The supervisor in it removes its files, and ends. Without /proc nothing is found.
_END = """
says() {{ tr '\\0' ' ' < "$1/cmdline" 2>/dev/null | grep -q "$2"; }}
session() {{ sed 's/^.*) //' "$1/stat" 2>/dev/null | cut -d ' ' -f 4; }}
ours= running=' '
for one in $(grep -ls '{variable}={mark}' /proc/[0-9]*/environ); do
    one=${{one%/environ}}
    if says "$one" async_wrapper; then continue; fi
    ours="$ours $one"
    if says "$one" AnsiballZ_; then running="$running$(session "$one") "; fi
done
for one in $ours; do
    case "$running" in *" $(session "$one") "*) kill -9 "${{one#/proc/}}" 2>/dev/null ;; esac
done
:
"""


def new_mark() -> str:
    """What a job is known by: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def end_command(mark: str) -> str:
    """The commands (POSIX sh) that end what a job left behind.

    Args:
        mark: of the job, from new_mark().
    """
    return _END.format(variable=VARIABLE, mark=mark)
