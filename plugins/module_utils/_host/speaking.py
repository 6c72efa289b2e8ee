# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process of this host is the one that answered: servers say their process id, as they know it themselves.

A rule of the packet filter or a floating address may lead from a port that this process listens to, to another one.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import time
import typing as t

from .._module.files import text_of

#: The kernel tells starts in ticks, rounded down: seconds.
_ROUNDED = 0.1


def now() -> float:
    """The time on the clock that starts of processes are told by: seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def is_itself(process: int, said: int, *, proc: str = "/proc") -> t.Optional[bool]:
    """Whether a process knows itself by this id; None when we may not see it."""
    known = _own_id(process, proc)
    return None if known is None else known == said


def has_child(process: int, said: int, *, since: float, proc: str = "/proc") -> t.Optional[bool]:
    """Whether a process has a child that knows itself by this id; None when we may not see it.

    Args:
        since: when the child was not there yet, by now(): the same number may be another process on another host.
    """
    if _own_id(process, proc) is None:
        return None
    return any(
        _own_id(pid, proc) == said for pid in (int(name) for name in os.listdir(proc) if name.isdigit())
        if _is_child(pid, process, since, proc)
    )


def _is_child(pid: int, parent: int, since: float, proc: str) -> bool:
    # Fields 4 and 22 of stat, proc(5); the name before them may hold anything.
    words = text_of(f"{proc}/{pid}/stat").rpartition(")")[2].split()
    return len(words) > 19 and int(words[1]) == parent and int(words[19]) / os.sysconf("SC_CLK_TCK") >= since - _ROUNDED


def _own_id(pid: int, proc: str) -> t.Optional[int]:
    """As the innermost of its pid namespaces numbers it; kernels without these have one number."""
    lines = dict(line.partition(":")[::2] for line in text_of(f"{proc}/{pid}/status").splitlines())
    words = (lines.get("NSpid") or lines.get("Pid") or "").split()
    return int(words[-1]) if words else None
