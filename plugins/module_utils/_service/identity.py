# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which unit a process belongs to.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .decisions.identity import unit_of


def unit_of_process(pid: t.Optional[int], proc: str = "/proc") -> str:
    """See unit_of()."""
    if pid is None:
        return ""
    try:
        with open(f"{proc}/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            return unit_of(file.read())
    except OSError:
        return ""
