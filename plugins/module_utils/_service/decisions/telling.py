# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of an instance to people: what became of it, and where its log is.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.durations import format_duration
from ..._core.words import few
from .instance import Instance

#: So many instances are named in one sentence.
_NAMED = 3
#: What shells, engines and kernels mean by a status.
_ENDS = {
    125: "the engine could not start it", 126: "its command cannot be executed", 127: "its command is not there",
    134: "it gave up by itself", 137: "it was killed", 139: "it touched memory that is not its own", 143: "it was told to end",
}
#: How the last lines of an instance's log are read, by runtime: {engine} is the daemon's command, {name} the instance's.
LOGS: t.Mapping[str, str] = {
    "compose": "Look at {engine} logs --tail 50 {name}", "systemd": "Look at the journal of {name}",
    "kubernetes": "Look at {engine} logs --tail=50 {name}, with --previous for what came before its last start",
}


def became(one: Instance, *, at: float) -> str:
    """Of an instance that does not run: its state, its end and why, in a few words.

    Args:
        at: now, seconds since the epoch.
    """
    ended = f", {format_duration(max(at - one.ended_at, 0))} ago" if one.ended_at is not None else ""
    status = "" if one.exit_code is None or one.state == "created" else f" with {one.exit_code}"
    meaning = f" ({_ENDS[one.exit_code]})" if status and one.exit_code in _ENDS else ""
    memory = "; it was ended for lack of memory" if one.oom else ""
    why = f": {one.reason}" if one.reason else ""
    return f"{one.name} is {one.state}{status}{meaning}{ended}{memory}{why}"


def became_all(instances: t.Sequence[Instance], *, at: float) -> str:
    """See became()."""
    return few((became(one, at=at) for one in instances), most=_NAMED, separator="; ")


def look_at_log(one: Instance, *, engine: str) -> str:
    """Where an instance says why, as a sentence.

    Args:
        engine: the command of the daemon.
    """
    return LOGS.get(one.runtime, "Look at the log of {name}").format(engine=engine, name=one.name) + "."


def named(instances: t.Iterable[Instance]) -> str:
    """Their names, the first few."""
    return few((one.name for one in instances), most=_NAMED)
