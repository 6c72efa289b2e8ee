# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the kernel has killed a process of an instance for lack of memory.

This module util is PRIVATE to the collection: it may change at any time.

The runtimes tell it of the main process alone. A child that was killed below an init is only in the counters of the control group.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._module.files import text_of
from .decisions.instance import Instance

_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def with_kills(instances: t.Sequence[Instance], *, proc: str = "/proc", groups: str = "/sys/fs/cgroup") -> list[Instance]:
    """The instances, those that run with how many of their processes were killed since their start."""
    return [
        dataclasses.replace(one, oom_kills=_kills(one, proc, groups)) if one.runs and one.main_pid else one for one in instances
    ]


def _kills(one: Instance, proc: str, groups: str) -> t.Optional[int]:
    for line in text_of(f"{proc}/{one.main_pid}/cgroup").splitlines():
        number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        # The engine may be on another machine, where this pid is somebody else's: the group must be of the instance.
        if one.id not in path:
            continue
        if "memory" in controllers.split(","):
            found = _COUNT.search(text_of(f"{groups}/memory{path}/memory.oom_control"))
        elif number == "0":
            found = _COUNT.search(text_of(f"{groups}{path}/memory.events"))
        else:
            continue
        if found:
            return int(found.group(1))
    return None
