# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about releases and configuration need. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CHANGE, FILE, LOOK, Chapter, Needs, Right
from .decisions.changes import CHECK
from .decisions.configuration import CHECKS as CONFIG_CHECKS
from .decisions.configuration import VERBS
from .decisions.verdict import CHECKS

_UNKNOWN = "The checks are `unknown`, `could_not_look`."
_FILES = ("config_files",)

CHAPTER = Chapter(13, "Releases and configuration", (
    Needs("release_health", LOOK, CHECKS, (
        Right(FILE, "<directory of the releases>: read", CHECKS, _UNKNOWN, named="directory of the releases"),
    )),
    Needs("release_note", CHANGE, ("note",), (
        Right(FILE, "<file of `notes`, and its directory>: write", ("note",), "The module fails, and nothing is noted."),
    )),
    Needs("recent_change", LOOK, (CHECK,), (
        Right(FILE, "<logs of packages, and what is named>: read", (CHECK,), "It is among `skipped_checks`."),
    )),
    Needs("config_health", LOOK, CONFIG_CHECKS, (
        Right(FILE, "<listed files, and the archive>: read", _FILES, _UNKNOWN, named="Permission denied"),
    )),
    Needs("config_restore", CHANGE, VERBS, (
        Right(FILE, "<directories of the listed files>: write", VERBS, "The action is `refused`, or failed where the files can be seen.",
              named="Permission denied"),
    )),
), text="""
A link, a directory and a clone are read with the rights of their owner. The socket of Docker is needed where releases are images, `get`
and `list` of `deployments`, `replicasets` and `pods` where they are revisions of a Deployment.
""")
