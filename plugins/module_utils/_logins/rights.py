# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module about logins needs. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import FILE, LOOK, Chapter, Needs, Right
from .decisions.logins import CHECKS

CHAPTER = Chapter(7, "Logins", (
    Needs("failed_logins", LOOK, CHECKS, (
        Right(FILE, "<log>: read", CHECKS, "The checks are unknown; where nothing else can be read, the module fails with `blind`.",
              named="adm"),
        Right(FILE, "the system's journal: read", CHECKS, "The checks are `unknown`, `could_not_look`.", named="systemd-journal",
              when="the journal is read"),
    )),
), text="""
On Debian the groups `adm` (for `/var/log/auth.log`) and `systemd-journal` are enough. On Red Hat `/var/log/secure` is root's.
""", example="""
usermod -aG adm,systemd-journal incident
""")
