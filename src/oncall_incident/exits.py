# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exit statuses of `incident`: one number per thing a script may have to tell apart."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """What the process says to its caller; TABLE explains each."""

    RECOVERED = 0
    FAILED = 1
    USAGE = 2
    NOT_RECOVERED = 3
    REFUSED = 4
    NOTHING_TO_DO = 5
    NOT_RECORDED = 6
    TIMED_OUT = 124
    INTERRUPTED = 130


#: Status, name, meaning of `incident run`: for --help, the docs and their test.
TABLE: tuple[tuple[int, str, str], ...] = (
    (Exit.RECOVERED, "recovered", "measured healthy; with --check: a plan was made"),
    (Exit.FAILED, "failed", "a task failed, and its host was not measured"),
    (Exit.USAGE, "bad input", "arguments, inventory or playbook; nothing touched"),
    (Exit.NOT_RECOVERED, "not recovered", "measured unhealthy, or a host not measured"),
    (Exit.REFUSED, "refused", "the plan was not approved; nothing changed"),
    (Exit.NOTHING_TO_DO, "nothing to do", "measured healthy, nothing planned"),
    (Exit.NOT_RECORDED, "could not record", "stopped, or not begun, without a record"),
    (Exit.TIMED_OUT, "timed out", "--timeout was over; see what is still unknown"),
    (Exit.INTERRUPTED, "interrupted", "Ctrl-C or a signal; see what is still unknown"),
)
