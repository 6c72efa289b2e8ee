# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster's nodes and a sentinel say of the others, and how that is judged.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Finding, Skipped, judge
from .facts import Request
from .info import integer

SLOTS = 16384


@dataclasses.dataclass(frozen=True)
class Member:
    """A node as another one names it.

    Attributes:
        host, port: where clients reach it.
        role: primary, replica or sentinel.
        flags: as they were said (master, slave, fail, fail?, s_down, o_down, ...).
        primary: for a replica, its primary's id or address.
        ident: the node's id.
        suspected, failed: what the others think of it.
        slots: how many slots it serves.
        hostname: the name it announces beside its address.
    """

    host: str
    port: int
    role: str
    flags: tuple[str, ...] = ()
    primary: str = ""
    ident: str = ""
    suspected: bool = False
    failed: bool = False
    slots: int = 0
    hostname: str = ""

    @property
    def address(self) -> str:
        """Host and port for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_cluster_nodes(text: str, *, seed_host: str, seed_port: int) -> list[Member]:
    """CLUSTER NODES: one node a line: id address flags primary ping pong epoch link slots...

    https://redis.io/docs/latest/commands/cluster-nodes/. A node that was never reached has no address and is left out: nothing can be
    asked of it; see unreached(). Lines that are none are dropped.
    """
    found = []
    for words, flags in _lines(text):
        host, port = _address(words[1])
        if "myself" in flags:
            # A node that nobody told its own address shows none.
            host, port = host or seed_host, port or seed_port
        if not host or not port or _is_unreached(flags):
            continue
        found.append(Member(
            hostname=words[1].partition(",")[2].partition(",")[0], host=host, port=port, ident=words[0],
            role="primary" if "master" in flags else "replica", flags=flags,
            primary="" if words[3] == "-" else words[3], suspected="fail?" in flags,
            failed="fail" in flags, slots=sum(_slots(word) for word in words[8:]),
        ))
    return found


def unreached(text: str) -> list[Skipped]:
    """The nodes of CLUSTER NODES of which nothing can be asked, since the cluster itself never reached them or lost their address."""
    found = []
    for words, flags in _lines(text):
        if "myself" not in flags and (_is_unreached(flags) or not all(_address(words[1]))):
            found.append(Skipped(
                "nodes", f"not_reached: the cluster knows node {words[0][:40]} ({','.join(flags)}) without an address that it has reached",
                "CLUSTER MEET with its address where it is alive, CLUSTER FORGET with its id on every node where it is gone for good.",
            ))
    return found


def member_from_sentinel(fields: t.Mapping[str, t.Any], *, role: str, primary: str = "") -> t.Optional[Member]:
    """A master, replica or sentinel as SENTINEL MASTERS, REPLICAS or SENTINELS tells it; None without an address."""
    port = str(fields.get("port", ""))
    if not fields.get("ip") or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    flags = tuple(str(fields.get("flags", "")).split(","))
    down = "o_down" in flags or "s_down" in flags or "disconnected" in flags
    return Member(
        host=str(fields["ip"]), port=int(port), role=role, flags=flags, primary=primary, ident=str(fields.get("runid", "")),
        suspected=down, failed="o_down" in flags or ("s_down" in flags and role != "primary"),
    )


def judge_cluster(info: t.Mapping[str, str], members: t.Sequence[Member], request: Request) -> list[Finding]:
    """The cluster as its seed sees it: its state, its slots, the nodes that failed, and replicas that are missing."""
    state = info.get("cluster_state", "")
    findings = [Finding(
        "cluster", OK if state == "ok" else (CRITICAL if state else UNKNOWN), observed=state or "not told", threshold="ok", subject="state",
        hint="" if state == "ok" else "Slots have no primary, or this node sees no majority of the primaries: bring the failed ones back, "
                                      "or where a majority is left CLUSTER FAILOVER FORCE on a replica of theirs.",
    )]
    fine, failed, suspected = (integer(info, f"cluster_slots_{name}") for name in ("ok", "fail", "pfail"))
    if fine is None:
        findings.append(Finding("cluster", UNKNOWN, observed="not told", threshold=SLOTS, unit="slots", subject="slots"))
    else:
        # The state can be ok with slots missing where cluster-require-full-coverage is off.
        findings.append(Finding(
            "cluster", OK if fine == SLOTS else (WARNING if not failed and fine + (suspected or 0) == SLOTS else CRITICAL),
            observed=fine, threshold=SLOTS, unit="slots", subject="slots", detail={"failed": failed, "suspected": suspected},
            hint="" if fine == SLOTS else "Keys of the other slots can't be read or written.",
        ))
    for one in members:
        if one.failed or one.suspected:
            worse = one.failed and one.role == "primary"
            findings.append(Finding(
                "cluster", CRITICAL if worse else WARNING, observed="fail" if one.failed else "fail?", threshold="ok", subject=one.address,
                hint=f"The other nodes do not reach this {one.role}.", detail={"role": one.role},
            ))
    if request.expected_replicas:
        findings.extend(_missing_replicas(members, request))
    return findings


def judge_sentinel(
    name: str, primary: t.Mapping[str, t.Any], quorum: t.Union[str, Skipped], others: t.Sequence[Member], request: Request,
) -> tuple[list[Finding], list[Skipped]]:
    """One primary as a sentinel watches it: whether a failover could be agreed on, and what it thinks of the primary.

    Args:
        name: of the primary.
        primary: as SENTINEL MASTERS tells it.
        quorum: empty when CKQUORUM is content, else what it said; or why it could not be asked.
        others: the other sentinels.
    """
    findings, skipped = [], []
    if isinstance(quorum, Skipped):
        skipped.append(quorum)
    else:
        findings.append(Finding(
            "sentinel", CRITICAL if quorum else OK, observed=quorum or "quorum", threshold="quorum", subject=f"{name}: quorum",
            detail={"other_sentinels": len(others), "quorum": primary.get("quorum")},
            hint="Nobody could fail over if the primary went down now: bring the other sentinels back." if quorum else "",
        ))
    flags = str(primary.get("flags", "")).split(",")
    down = "o_down" if "o_down" in flags else ("s_down" if "s_down" in flags else "")
    findings.append(Finding(
        "sentinel", CRITICAL if down else (OK if "master" in flags else UNKNOWN), observed=down or "up", threshold="up",
        subject=f"{name}: primary",
        hint="The sentinels do not reach the primary; a failover follows where there is a quorum and a replica." if down else "",
    ))
    count = integer({key: str(value) for key, value in primary.items()}, "num-slaves")
    if request.expected_replicas and count is not None:
        findings.append(judge(
            "sentinel", max(request.expected_replicas - count, 0), critical=1, unit="replicas missing", subject=f"{name}: replicas",
            hint="The sentinel knows fewer replicas than expected.",
        ))
    return findings, skipped


def _missing_replicas(members: t.Sequence[Member], request: Request) -> list[Finding]:
    findings = []
    for one in members:
        if one.role != "primary" or not one.slots or one.failed:
            continue
        have = sum(1 for other in members if other.primary == one.ident and not other.failed)
        if have < request.expected_replicas:
            findings.append(Finding(
                "cluster", CRITICAL, observed=have, threshold=request.expected_replicas, unit="replicas",
                subject=f"{one.address}: replicas", hint="Replicas of this primary are missing.",
            ))
    return findings


def _lines(text: str) -> t.Iterator[tuple[list[str], tuple[str, ...]]]:
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 8:
            yield words, tuple(words[2].split(","))


def _is_unreached(flags: t.Sequence[str]) -> bool:
    return "noaddr" in flags or "handshake" in flags


def _address(word: str) -> tuple[str, int]:
    """`ip:port@busport,hostname` and its older, shorter forms; IPv6 has colons of its own."""
    place = word.split(",", 1)[0].split("@", 1)[0]
    host, _colon, port = place.rpartition(":")
    number = int(port) if port.isdecimal() else 0
    return host.strip("[]"), number if 0 < number < 65536 else 0


def _slots(word: str) -> int:
    # [slot->-node] and [slot-<-node] are slots on the move, served here or there all the same.
    first, _dash, last = word.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()):
        return 0
    return max(int(last or first) - int(first) + 1, 0)
