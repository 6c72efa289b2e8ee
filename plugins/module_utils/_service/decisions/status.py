# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a team's own status script says of its services, by its exit status alone.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import NOT_APPLICABLE, OK, WARNING, Finding, Skipped

CHECK = "status_command"
#: Why the check does not apply.
ABSENT = {"no_status_command": "there is no status command"}


@dataclasses.dataclass(frozen=True)
class StatusSeen:
    """How a status script ended.

    Attributes:
        status: its exit status; None where it did not end by itself.
        trouble: why it has none.
    """

    status: t.Optional[int] = None
    trouble: str = ""


def judge_status(seen: t.Optional[StatusSeen]) -> t.Union[Finding, Skipped]:
    """The finding about a status script; None where there is none.

    Nobody has agreed on what it means when it is not 0, so that is a warning.
    """
    if seen is None:
        return Skipped(CHECK, f"no_status_command: {ABSENT['no_status_command']}.", kind=NOT_APPLICABLE)
    if seen.status is None:
        return Skipped(CHECK, f"unreadable: the status command {seen.trouble}.", "Run it by hand; it must end by itself, and say little.")
    hint = "" if seen.status == 0 else "Read what it says, in status_command of the result."
    return Finding(CHECK, WARNING if seen.status else OK, observed=seen.status, threshold=0, unit="exit status", hint=hint)
