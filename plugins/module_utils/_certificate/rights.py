# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about certificates need. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CHANGE, FILE, LOOK, Chapter, Needs, Right
from .decisions.renewal import RENEW, SETTLE
from .decisions.verdict import CHECKS

_KEY = "<key>: read and write"
_NOT_TRIED = "The module fails with `cannot_reach`; nothing was tried."

CHAPTER = Chapter(3, "Certificates", (
    Needs("cert_expiry", LOOK, CHECKS, (
        Right(FILE, "<certificate>: read", CHECKS, "`unreadable` is `unknown`, and so are the file's other checks.",
              named="permission denied", when="files are looked at"),
    )),
    Needs("cert_renew", CHANGE, (RENEW, SETTLE), (
        Right(FILE, "<certificate>: read and write", (RENEW, SETTLE), _NOT_TRIED, named="cannot be read"),
        Right(FILE, _KEY, (RENEW, SETTLE), "The action is `failed`, `not_tried`.", named="cannot be read"),
        Right(FILE, "<backup_dir>: read and write", (RENEW, SETTLE), _NOT_TRIED, named="cannot be read"),
    )),
), text="""
Looking at what servers serve needs no right. The command that renews needs its own rights, certbot root's.
""")
