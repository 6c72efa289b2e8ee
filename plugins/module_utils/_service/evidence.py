# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of services before a restart erases it, as the runtimes say it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses

#: What it is. Events come first, since engines keep few of them; then states, then logs.
EVENTS, STATE, LOGS = "events", "state", "logs"


@dataclasses.dataclass(frozen=True)
class Kept:
    """One thing that is kept.

    Attributes:
        service: whose it is; empty for one that tells of all services of a daemon.
        what: EVENTS, STATE or LOGS.
        argv: the command. It only reads, and prints no environment and no command line. Empty where there is nothing to take now.
        text: instead of a command: what was read already, without those.
    """

    service: str
    what: str
    argv: tuple[str, ...] = ()
    text: str = ""
