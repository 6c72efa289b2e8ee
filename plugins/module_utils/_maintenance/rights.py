# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about maintenance need. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CHANGE, FILE, LOOK, Chapter, Needs, Right
from .decisions.state import CHECKS, SWITCH

CHAPTER = Chapter(13, "Maintenance and silences", (
    Needs("maintenance_health", LOOK, CHECKS, (
        Right(FILE, "<flag, and its directory>: read", (SWITCH,), "The check is `unknown`.", named="become"),
    )),
    Needs("maintenance_switch", CHANGE, free="it writes the flag: its user must own the directory that the inventory names, or be root"),
    Needs("alert_silence", CHANGE, free="Alertmanager has no users: what stands before it may want the header that the call has"),
))
