# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an address's point of view: what keeps it out, and whose doing that is.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Finding
from .other_filters import HOSTS_DENY
from .packet_filter import EVERYONE, FAIL2BAN, PART, UNSEEN, Block

#: Conditions that limit what is kept out, not whether: the address is kept out of that.
_LIMITS = ("protocol ", "port ", "service", "zone ")


def is_perhaps(block: Block) -> bool:
    """Whether it cannot be told from the address that the block applies.

    Where no port was asked about, what keeps everybody out of some ports is nothing about this address: hosts have a default deny.
    """
    if block.matched == EVERYONE and any(condition.startswith("port ") for condition in block.conditions):
        return True
    return block.matched in (PART, UNSEEN) or any(not condition.startswith(_LIMITS) for condition in block.conditions)


def cause_of(blocks: t.Sequence[Block], *, bans: t.Sequence[t.Mapping[str, t.Any]], listening: bool | None, blind: bool) -> str:
    """Whose doing it is that an address cannot get in.

    Args:
        blocks: of the address.
        bans: of the daemon.
        listening: whether anything listens at the port; None where no port was asked about.
        blind: whether something could not be read, or decided.
    """
    sure = [block for block in blocks if not is_perhaps(block)] or list(blocks)
    for block in sure:
        if block.owner in (FAIL2BAN, "crowdsec"):
            return block.owner
    if bans and sure:
        return str(bans[0].get("backend", FAIL2BAN))
    for block in sure:
        if block.where in ("route", HOSTS_DENY):
            return block.where
    if sure:
        return "firewall"
    if listening is False:
        return "service"
    return "unknown" if blind else "none"


def judge_trace(
    address: str, blocks: t.Sequence[Block], *, bans: t.Sequence[t.Mapping[str, t.Any]], cause: str, unknown: t.Sequence[str] = (),
) -> Finding:
    """The finding on one address.

    Args:
        unknown: why it is not known to the end whether it gets in: what could not be read, and rules that could not be decided.
    """
    sure = [block for block in blocks if not is_perhaps(block)]
    if sure:
        status, hint = CRITICAL, f"{sure[0].where_text} keeps it out: {sure[0].rule}"
    elif blocks:
        status, hint = WARNING, f"{blocks[0].where_text} may keep it out: {blocks[0].rule} ({'; '.join(blocks[0].conditions) or 'in part'})"
    elif bans:
        status, hint = WARNING, f"{bans[0]['jail']} bans it, and no rule of this host's packet filter drops it."
    else:
        status, hint = (UNKNOWN, f"Not known: {'; '.join(unknown)}") if unknown else (OK, "")
    return Finding(
        "blocked", status, observed=len(blocks), threshold=1, unit="count", subject=address, hint=hint,
        detail={"cause": cause, "unknown": list(unknown)},
    )


def judge_listening(port: int, protocol: str, at: t.Sequence[str]) -> Finding:
    """Whether the service itself is there."""
    return Finding(
        "listening", OK if at else CRITICAL, observed=len(at), threshold=1, unit="count", subject=f"{protocol}/{port}",
        hint="" if at else "Nothing listens there: it is the service, not the packet filter.",
        detail={"addresses": list(at)},
    )
