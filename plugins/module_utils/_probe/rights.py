# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module about ports needs. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import FILE, LOOK, ROOT, SOCKET, Chapter, Needs, Right
from .decisions.ports import CHECKS
from .decisions.refusals import CHECK as REFUSALS
from .decisions.web import CHECK as APPLICATION
from .decisions.web import CHECKS as HTTP_CHECKS

_UNKNOWN = "The check is `unknown`, `could_not_look`."

_CONTAINER = "scope is a container"

CHAPTER = Chapter(12, "Ports and applications", (
    Needs("port_health", LOOK, CHECKS, (
        Right(FILE, "<log>: read", (REFUSALS,), _UNKNOWN, named="adm", when="refusals_since is set"),
        Right(FILE, "the system's journal: read", (REFUSALS,), _UNKNOWN, named="systemd-journal", when="refusals_since is set"),
    )),
    Needs("http_health", LOOK, HTTP_CHECKS, (
        Right(ROOT, "root", (APPLICATION,), "The check is `unknown`, its stage `no_way`.", when=_CONTAINER),
        Right(SOCKET, "/var/run/docker.sock: read and write", (APPLICATION,), "The check is `unknown`, its stage `no_way`.", when=_CONTAINER),
    )),
    Needs("http_smoke", LOOK, free="asking a URL needs no right of the host; its user is one of the application"),
), text="""
Connecting to a port, seeing who waits there, and asking a URL need no right.
""")
