# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about disks and logs of a host need. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CAPABILITY, CHANGE, FILE, LOOK, Chapter, Needs, Right
from .decisions.cleaning import VERBS
from .decisions.disk import CHECKS, DECISIVE

_OPEN = "CAP_SYS_PTRACE"
#: statvfs(2) needs no right at the path itself.
_WAY = "<directories above the path>: search"
_DIRECTORIES = "CAP_DAC_READ_SEARCH"

CHAPTER = Chapter(4, "Disks and logs of a host", (
    Needs("disk_health", LOOK, DECISIVE, (
        Right(FILE, _WAY, DECISIVE, "The checks are `unknown`, `could_not_look`.", named="search of the directory"),
    )),
    Needs("disk_survey", LOOK, CHECKS, (
        Right(FILE, _WAY, DECISIVE, "The checks are `unknown`, `could_not_look`.", named="search of the directory"),
        Right(CAPABILITY, _OPEN, ("deleted_open",), "The check is `unknown`, `could_not_look`."),
        Right(CAPABILITY, _DIRECTORIES, ("deleted_open",), "The check is `unknown`, `could_not_look`."),
        Right(FILE, "<file of `samples`, and its directory>: write", ("disk_growth",), "The check is `unknown`, `could_not_look`.",
              named="not a file of this user"),
    )),
    Needs("log_excerpt", LOOK, ("excerpt",), (
        Right(FILE, "<log>: read", ("excerpt",), "The module fails, or the result has a `reason`."),
    )),
    Needs("disk_clean", CHANGE, VERBS, (
        Right(CAPABILITY, _OPEN, VERBS, "The module fails with `blind`, and nothing is removed."),
        Right(CAPABILITY, _DIRECTORIES, VERBS, "The module fails with `blind`, and nothing is removed."),
        Right(FILE, "<directories of the rules, and files that are emptied>: write", VERBS,
              "The action is `not_permitted`.", named="write access"),
    )),
), text="""
`become: true`, as root, has all of these; root in a container often lacks
CAP_SYS_PTRACE, and does not see every process then.

`disk_survey` also sees what is hidden under mount points with CAP_SYS_ADMIN
(Linux 5.2 or newer), and says so where it does not.
""")
