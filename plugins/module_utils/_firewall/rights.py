# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about packet filters need. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CAPABILITY, CHANGE, LOOK, Chapter, Needs, Right
from .decisions.rule_removal import VERB

_NET_ADMIN = "CAP_NET_ADMIN"

CHAPTER = Chapter(6, "Packet filters", (
    Needs("firewall_trace", LOOK, ("blocks",), (
        Right(CAPABILITY, _NET_ADMIN, ("blocks",), "The module fails with `blind`."),
    )),
    Needs("firewall_remove", CHANGE, (VERB,), (
        Right(CAPABILITY, _NET_ADMIN, (VERB,), "The module fails with `blind`."),
    )),
), text="""
`trace_for` of firewall_trace and access_health takes nothing more: with CAP_NET_ADMIN a table of nftables is made and removed, and the
kernel's trace messages are heard. Without it the check `traced` is `unknown`, and the module fails with `blind` as before.

Which of the processes that listen have libwrap loaded is seen with CAP_SYS_PTRACE. Without it, a line of hosts.deny about an address leaves
`let_in` of access_health `unknown`. The same holds for the time of lists of xt_recent without being root: `/proc/timer_list` is root's.
""")
