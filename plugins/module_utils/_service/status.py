# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a team's own status script, which only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._module.programs import execute, find
from .decisions.status import StatusSeen

#: Bytes that it may say; more ends it.
MOST = 1024 * 1024
#: Characters of it that are kept, its end.
_KEPT = 16 * 1024


@dataclasses.dataclass(frozen=True)
class StatusSaid:
    """How a status script ended, and the end of what it said."""

    seen: StatusSeen
    text: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        return {**dataclasses.asdict(self.seen), "text": self.text}


def run_status(argv: t.Sequence[str], *, seconds: float) -> StatusSaid:
    """Run it, with all that it starts ended after some seconds. What it says on stderr comes after the rest.

    Args:
        argv: the script, not empty.
    """
    path = find(argv[0])
    if path is None:
        return StatusSaid(StatusSeen(trouble=f"{argv[0]} is not installed"))
    done = execute([path, *argv[1:]], seconds=seconds, most=MOST, own_group=True, env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C"})
    text = b"\n".join(part.strip() for part in (done.out, done.err) if part.strip()).decode("utf-8", "replace")[-_KEPT:]
    if done.problem:
        return StatusSaid(StatusSeen(trouble=f"cannot be started: {done.problem}"))
    if done.late:
        return StatusSaid(StatusSeen(trouble=f"did not end within {seconds:g} s"), text)
    if done.cut:
        return StatusSaid(StatusSeen(trouble=f"said more than {MOST} bytes"), text)
    if done.status is None or done.status < 0:
        return StatusSaid(StatusSeen(trouble=f"was ended by signal {-(done.status or 0)}"), text)
    return StatusSaid(StatusSeen(status=done.status), text)
