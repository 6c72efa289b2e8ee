# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules need that are of no subject: nothing, or what the modules need that they run. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CHANGE, CONTROLLER, LOOK, Chapter, Needs

_HERE = "it works on the controller alone, in the directory of the run's record"

CHAPTER = Chapter(11, "On the controller, and other people's modules", (
    *(Needs(name, CONTROLLER, free=_HERE) for name in ("approved", "conclude", "guard", "in_force", "place", "publish_plan", "recording")),
    Needs("act", CHANGE, free="it runs other modules: the one that changes something and those that look and measure need what they need"),
    Needs("lease", LOOK, free="it writes a file below /run/lock, where everybody may"),
))
