# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module about ports needs. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import FILE, LOOK, Chapter, Needs, Right
from .decisions.ports import CHECKS
from .decisions.refusals import CHECK as REFUSALS

_UNKNOWN = "The check is `unknown`, `could_not_look`."

CHAPTER = Chapter(12, "Ports", (
    Needs("port_health", LOOK, CHECKS, (
        Right(FILE, "<log>: read", (REFUSALS,), _UNKNOWN, named="adm", when="refusals_since is set"),
        Right(FILE, "the system's journal: read", (REFUSALS,), _UNKNOWN, named="systemd-journal", when="refusals_since is set"),
    )),
), text="""
Connecting to a port, and seeing who waits there, needs no right.
""")
