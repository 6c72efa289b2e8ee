# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at one server: ask what the wanted checks need, judge it, keep the data as evidence.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.deadline import Deadline
from .._core.errors import CannotReach
from .._core.findings import CRITICAL, OK, UNKNOWN, Answer, Finding, Skipped, worst
from .args import Way
from .decisions import verdict, verdict_speed, verdict_storage
from .decisions.absent import does_not_apply
from .decisions.availability import ALIVE_ALL_THE_SAME, PROXY, availability_hint, is_of_another, is_sick
from .decisions.facts import Facts, Request
from .decisions.info import flavor, integer
from .decisions.state import State, recovery_from, recovery_from_refusal, state_of, unreachable_state
from .dial import Login
from .gather import gather, is_local
from .pausing import ask_whether_held_back

Check = t.Callable[[Facts, Request], Answer]

#: Every check of a server that holds data, in the order in which it is told.
DATA_CHECKS: t.Mapping[str, Check] = {
    "availability": verdict.availability,
    "writes": verdict.writes,
    "memory": verdict.memory,
    "fragmentation": verdict.fragmentation,
    "evictions": verdict.evictions,
    "connections": verdict.connections,
    "blocked_clients": verdict.blocked_clients,
    "errors": verdict.errors,
    "persistence": verdict_storage.persistence,
    "aof": verdict_storage.aof,
    "replication": verdict_storage.replication,
    "slow_log": verdict_speed.slow_log,
    "latency": verdict_speed.latency,
    "latency_events": verdict_speed.latency_events,
    "keyspace": verdict_speed.keys,
    "host": verdict_speed.host,
}
#: Checks that the topology adds where there is one.
TOPOLOGY_CHECKS = ("cluster", "sentinel", "nodes")
CHECKS = (*DATA_CHECKS, *TOPOLOGY_CHECKS)
#: What a sentinel, which holds no data, can be judged by.
OF_A_SENTINEL = ("availability", "latency")


@dataclasses.dataclass(frozen=True)
class NodeLook:
    """What one look at one server found.

    Attributes:
        address: of the server.
        findings, skipped, data: judged, not judged, and the data behind it.
        state: the split verdict.
        recovery: code of what would help; empty for none.
        server: who it is: flavor, version, run_id, role, mode, uptime.
        facts: what was read; None when the server could not be used.
        error: kind of the refusal when it could not be used.
    """

    address: str
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    data: t.Mapping[str, t.Any]
    state: State
    recovery: str
    server: t.Mapping[str, t.Any]
    facts: t.Optional[Facts] = None
    error: str = ""

    @property
    def status(self) -> str:
        """The worst of its findings."""
        return worst(finding.status for finding in self.findings)

    def as_node(self, *, role: str = "", told: t.Optional[t.Mapping[str, t.Any]] = None) -> dict[str, t.Any]:
        """The look as one entry of a topology: its verdict, and of its findings those that are not ok."""
        return {
            "address": self.address, "role": self.server.get("role") or role, "status": self.status, **self.state.as_dict(),
            "recovery": self.recovery, "error": self.error, "version": self.server.get("version", ""), **(told or {}),
            "findings": [finding.as_dict() for finding in self.findings if finding.status != OK],
            "skipped_checks": [item.as_dict() for item in self.skipped],
        }


def look_at(way: Way, login: Login, request: Request, deadline: Deadline) -> NodeLook:
    """Look at one server; one that can't be used is a result too.

    Raises:
        BadInput: a certificate file is not usable.
    """
    try:
        with way.open(deadline, login=login) as client:
            facts = gather(client, request, local=is_local(login.host, login.unix_socket))
            ask_whether_held_back(client, way, facts)
    except CannotReach as exc:
        return refused(exc, login, request)
    return judged(facts, request)


def judged(facts: Facts, request: Request) -> NodeLook:
    """The verdict on a server that answered."""
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    data: dict[str, t.Any] = {}
    for name, check in DATA_CHECKS.items():
        if name not in request.checks:
            continue
        if facts.is_proxy and name != "availability":
            skipped.append(_of_another(name, PROXY))
            continue
        if facts.is_sentinel and name not in OF_A_SENTINEL:
            skipped.append(does_not_apply(name, "holds_no_data"))
            continue
        answer = check(facts, request)
        findings.extend(answer.findings)
        skipped.extend(answer.skipped)
        data.update(answer.data)
    state = state_of(facts, request)
    return NodeLook(
        address=facts.address, findings=tuple(findings), skipped=tuple(skipped), data=data, state=state,
        recovery=recovery_from(findings, facts, state), server=server_of(facts), facts=facts,
    )


def refused(error: CannotReach, login: Login, request: Request) -> NodeLook:
    """What can be said of a server that could not be used: that, and that nothing else was judged."""
    kind = str(error.facts.get("error", error.kind))
    # A wrong password says nothing of the server: that is no health, and no sickness either.
    finding = Finding(
        "availability", CRITICAL if is_sick(kind) else UNKNOWN, observed=kind, threshold="PONG",
        hint=f"Tried {login.describe()}. {availability_hint(kind)}",
        detail={"message": str(error.facts.get("server_message", error.message))},
    )
    left = [name for name in CHECKS if name in request.checks and name != "availability"]
    skipped = [_of_another(name, kind) if is_of_another(kind) else Skipped(name, f"unreachable: {kind}") for name in left]
    return NodeLook(
        address=login.place, findings=(finding,), skipped=tuple(skipped), data={}, recovery=recovery_from_refusal(kind),
        state=unreachable_state(kind, alive_all_the_same=ALIVE_ALL_THE_SAME), server={}, error=kind,
    )


def _of_another(check: str, kind: str) -> Skipped:
    """A check of a server that was not reached, since somebody else answers."""
    return Skipped(check, f"{kind}: the server itself was not reached", availability_hint(kind))


def server_of(facts: Facts) -> dict[str, t.Any]:
    """Who a server is."""
    info = facts.after
    name, version = flavor(info)
    roles = {"master": "primary", "slave": "replica"}
    role = "sentinel" if facts.is_sentinel else roles.get(info.get("role", ""), info.get("role", ""))
    if info.get("role") == "active-replica":
        role = "active-replica"
    return {
        "address": facts.address, "flavor": name, "version": version, "role": role,
        # Dragonfly has no run_id; its replication id is as much its own.
        "run_id": info.get("run_id") or info.get("master_replid", ""),
        "mode": info.get("server_mode") or info.get("redis_mode", ""), "uptime": integer(info, "uptime_in_seconds"),
        "ping": facts.ping, "process_id": integer(info, "process_id"), "config_file": info.get("config_file", ""),
    }
