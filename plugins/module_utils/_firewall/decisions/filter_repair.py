# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules that fail2ban left behind can be taken out without touching anybody else's.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import shlex

from ..._core.addresses import Span
from .packet_filter import EXACT, FAIL2BAN, Block


def removal(block: Block, span: Span) -> list[str] | None:
    """The argv that takes a left-over rule or set member out, None where it cannot be identified beyond doubt.

    Only what carries fail2ban's own name, and is about exactly this address or network and nobody else.
    """
    if block.owner != FAIL2BAN or block.matched != EXACT or block.source != str(span):
        return None
    if block.where == "nftables":
        if block.set:
            return ["nft", "delete", "element", block.family, block.table, block.set, f"{{ {block.source} }}"]
        if block.sole and block.handle is not None and "vmap" not in block.rule:
            return ["nft", "delete", "rule", block.family, block.table, block.chain, "handle", str(block.handle)]
        return None
    if block.where.startswith(("iptables", "ip6tables")):
        if block.set:
            return ["ipset", "del", block.set, block.source]
        words = shlex.split(block.rule)
        if block.sole and words[:2] == ["-A", block.chain]:
            return [block.where, "-w", "-t", block.table, "-D", *words[1:]]
    return None
