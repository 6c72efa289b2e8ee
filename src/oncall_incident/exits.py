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


#: Status, name, meaning: for --help, the docs and their test.
TABLE: tuple[tuple[int, str, str], ...] = (
    (Exit.RECOVERED, "recovered", "measured healthy after the actions; with --check: a plan was made; verify: the record is intact"),
    (Exit.FAILED, "failed", "a task failed and the outcome is not a measured one; verify: the record is broken"),
    (Exit.USAGE, "bad input", "arguments, inventory, limit or playbook are not usable; nothing was touched"),
    (Exit.NOT_RECOVERED, "not recovered", "measured, and not healthy, or a host could not be measured; verify: the record is incomplete"),
    (Exit.REFUSED, "refused", "the operator did not approve the plan, or nobody was there to ask; nothing was changed"),
    (Exit.NOTHING_TO_DO, "nothing to do", "measured healthy, and nothing was planned"),
    (Exit.NOT_RECORDED, "could not record", "the record could not be written, so the run was stopped or not begun"),
    (Exit.TIMED_OUT, "timed out", "--timeout was over; the record names what may still be under way"),
    (Exit.INTERRUPTED, "interrupted", "Ctrl-C or a termination signal; the record names what may still be under way"),
)
