# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules need that keep evidence. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CAPABILITY, FILE, LOOK, SOCKET, Chapter, Needs, Right

_TOLD = "The item is `failed` in the index, with what its command said; the run goes on."

CHAPTER = Chapter(9, "Evidence of a host", (
    Needs("snapshot", LOOK, ("items",), (
        Right(CAPABILITY, "CAP_NET_ADMIN", ("items",), _TOLD, when="the packet filter is to be kept"),
        Right(CAPABILITY, "CAP_SYS_PTRACE", ("items",), "Processes of others have no names in lists of sockets and open files."),
        Right(FILE, "group systemd-journal, group adm", ("items",), _TOLD, when="the journal and logs are to be kept"),
        Right(SOCKET, "/var/run/docker.sock: read and write", ("items",), _TOLD, when="containers run there"),
    )),
), text="""
A snapshot never fails a run: what it may not see is in its index, with what the command said. As root (`evidence_become`) it sees all.
""")
