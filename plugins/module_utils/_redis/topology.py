# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one seed to all nodes: a cluster's, or those that a sentinel watches, looked at beside each other.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from .._core.deadline import Deadline
from .._core.errors import CannotReach, IncidentError
from .._core.findings import CRITICAL, NOT_APPLICABLE, OK, UNKNOWN, Finding, Skipped
from .._core.words import few
from .args import Way
from .connection import Client, CommandRefused, flat
from .decisions.absent import does_not_apply
from .decisions.facts import Facts, Request
from .decisions.info import integer, parse_info
from .decisions.state import HINT_CLUSTER, NO_QUORUM, State, most_pressing
from .decisions.topology import Member, judge_cluster, judge_sentinel, member_from_sentinel, parse_cluster_nodes, unreached
from .gather import reason
from .health import DATA_CHECKS, OF_A_SENTINEL, TOPOLOGY_CHECKS, NodeLook, judged, look_at, refused
from .resp import shown

#: More of CLUSTER NODES than this is not read, characters.
_NODES_TEXT = 4 * 1024 * 1024
_HINT_SENTINEL = "Allow +sentinel|masters, +sentinel|replicas, +sentinel|sentinels and +sentinel|ckquorum to this user."
#: Addresses that are named where the same keeps a check from its answer at several nodes.
_NAMED = 5
_THE_WAY = "Not reachable from here at the address that the others use, and they find nothing wrong: look from a host of their network."
#: Refusals that may be of the way from here rather than of the node, where the node's own kind thinks it well.
_MAYBE_THE_WAY = frozenset({"refused", "timeout", "no_route", "unknown_host", "connection_lost", "cannot_connect"})


@dataclasses.dataclass(frozen=True)
class Topology:
    """What a seed says of its kind.

    Attributes:
        kind: cluster, sentinel, or empty for a server that stands alone.
        members: the others and the seed itself, without those of no address.
        findings, skipped: what the seed's own words come to.
        data: the same as evidence.
        no_quorum: whether nobody could fail over.
        blind: why members may be missing; empty when all are known.
    """

    kind: str = ""
    members: tuple[Member, ...] = ()
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    data: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    no_quorum: bool = False
    blind: str = ""


@dataclasses.dataclass(frozen=True)
class Look:
    """What one look at a server, or at all of a topology, found."""

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    data: t.Mapping[str, t.Any]
    state: State
    recovery: str
    server: t.Mapping[str, t.Any]
    seed: NodeLook
    nodes: tuple[t.Mapping[str, t.Any], ...] = ()
    recoveries: tuple[t.Mapping[str, t.Any], ...] = ()
    kind: str = ""
    raw: t.Optional[Raw] = None


@dataclasses.dataclass(frozen=True)
class Node:
    """One server before it is judged.

    Attributes:
        facts: what it said; None where it could not be used.
        refusal: what can be said of it then.
        member: as the seed names it; None of the seed itself where no other names it.
        is_seed: whether it is the seed, which was looked at already.
    """

    facts: t.Optional[Facts] = None
    refusal: t.Optional[NodeLook] = None
    member: t.Optional[Member] = None
    is_seed: bool = False

    @classmethod
    def of(cls, one: NodeLook, *, member: t.Optional[Member] = None, is_seed: bool = False) -> Node:
        """The server behind a look."""
        if is_seed and member is not None:
            return cls(member=member, is_seed=True)
        return cls(one.facts, one if one.facts is None else None, member, is_seed)

    def recalled(self) -> Node:
        """See Facts."""
        return self if self.facts is None else dataclasses.replace(self, facts=self.facts.recalled())

    def whole(self) -> Node:
        """See Facts."""
        return self if self.facts is None else dataclasses.replace(self, facts=self.facts.whole())

    def judged(self, request: Request) -> NodeLook:
        """The look at it, made from what it said."""
        return judged(self.facts, request) if self.facts is not None else t.cast(NodeLook, self.refusal)


@dataclasses.dataclass(frozen=True)
class Raw:
    """What a look is made from: of the seed, of what that says of the others, and of the others."""

    seed: Node
    topology: Topology = Topology()
    nodes: tuple[Node, ...] = ()
    walk: bool = True


def made(raw: Raw, request: Request) -> Look:
    """The look that comes of what was seen."""
    seed = raw.seed.judged(_of_seed(request))
    if not raw.topology.kind:
        return alone(seed, request, walk=raw.walk)
    brief = _brief(request)
    looks = [(t.cast(Member, one.member), seed if one.is_seed else one.judged(brief)) for one in raw.nodes]
    return _together(seed, raw.topology, looks, request)


def look(way: Way, request: Request, deadline: Deadline, *, walk: bool, workers: int) -> Look:
    """Look at the seed, and with `walk` at all nodes of its cluster, or at all that it watches as a sentinel.

    Raises:
        BadInput: a certificate file is not usable.
        CannotReach: the seed refused us in a way that says nothing of it (a wrong password, ...).
    """
    topology = Topology()
    # Every node is judged by its availability at least: a sentinel may have nothing else that is wanted.
    seed = look_at(way, way.login, _of_seed(request), deadline)
    facts = seed.facts
    if walk and facts is not None and (facts.is_sentinel or facts.is_cluster):
        try:
            with way.open(deadline) as client:
                topology = _ask_sentinel(client, request) if facts.is_sentinel else _ask_cluster(client, way, request)
        except CannotReach as exc:
            seed = refused(exc, way.login, request)
    if not topology.kind:
        return dataclasses.replace(alone(seed, request, walk=walk), raw=Raw(Node.of(seed), walk=walk))
    looks = _walk(way, topology, seed, request, deadline, workers)
    nodes = tuple(Node.of(one, member=member, is_seed=one is seed) for member, one in looks)
    return dataclasses.replace(_together(seed, topology, looks, request), raw=Raw(Node.of(seed), topology, nodes, walk))


def _of_seed(request: Request) -> Request:
    return dataclasses.replace(request, checks=("availability", *request.checks))


def _brief(request: Request) -> Request:
    """What the other nodes are asked."""
    return dataclasses.replace(
        request, pings=min(request.pings, 5), sample_keys=0,
        checks=("availability", *(name for name in request.checks if name in DATA_CHECKS)),
    )


def alone(seed: NodeLook, request: Request, *, walk: bool) -> Look:
    """The look at a server by itself.

    Args:
        walk: whether the others would have been looked at if it had any.
    """
    # That it could not be used is told whatever was wanted.
    if not seed.error:
        seed = dataclasses.replace(
            seed, findings=tuple(one for one in seed.findings if one.check in request.checks),
            skipped=tuple(one for one in (*seed.skipped, *_no_others(seed, walk=walk)) if one.check in request.checks),
        )
    recoveries = ({"recovery": seed.recovery, "address": seed.address},) if seed.recovery else ()
    return Look(findings=seed.findings, skipped=seed.skipped, data=seed.data, state=seed.state, recovery=seed.recovery,
                server=seed.server, seed=seed, recoveries=recoveries)


def _no_others(seed: NodeLook, *, walk: bool) -> t.Iterator[Skipped]:
    """Why nothing is said of a topology."""
    facts = seed.facts
    for check in TOPOLOGY_CHECKS:
        if facts is None or not facts.after:
            # It may be of a cluster, or a sentinel.
            yield facts.no_info(check) if facts else Skipped(check, "not_read: INFO was not read")
        elif (facts.is_sentinel or facts.is_cluster) and not walk:
            yield Skipped(check, "this_server_alone: topology=single looks at no other node", "Set topology to auto.")
        else:
            yield does_not_apply(check, "stands_alone")


def _ask_cluster(client: Client, way: Way, request: Request) -> Topology:
    try:
        info = parse_info(client.call("CLUSTER", "INFO") or b"")
        nodes = shown(client.call("CLUSTER", "NODES"), length=_NODES_TEXT)
        members = parse_cluster_nodes(nodes, seed_host=way.login.host, seed_port=way.login.port)
    except CommandRefused as exc:
        return _unseen("cluster", reason(exc), HINT_CLUSTER)
    findings = judge_cluster(info, members, request)
    return Topology(
        kind="cluster", members=tuple(members), findings=tuple(findings),
        skipped=(does_not_apply("sentinel", "no_sentinel"), *unreached(nodes)),
        data={"cluster": {"state": info.get("cluster_state", ""), "slots_ok": integer(info, "cluster_slots_ok"),
                          "slots_fail": integer(info, "cluster_slots_fail"), "known_nodes": integer(info, "cluster_known_nodes"),
                          "size": integer(info, "cluster_size"), "epoch": integer(info, "cluster_current_epoch")}},
    )


def _unseen(kind: str, why: str, hint: str) -> Topology:
    """A cluster or a sentinel that does not tell of the others."""
    return Topology(kind=kind, blind=why, skipped=(
        Skipped(kind, why, hint), Skipped("nodes", why, hint),
        does_not_apply("sentinel", "no_sentinel") if kind == "cluster" else does_not_apply("cluster", "no_cluster"),
        *(Skipped(check, f"{why}; the other nodes were not looked at", hint) for check in DATA_CHECKS),
    ))


def _ask_sentinel(client: Client, request: Request) -> Topology:
    try:
        primaries = [flat(one) for one in client.call("SENTINEL", "MASTERS") or []]
    except CommandRefused as exc:
        return _unseen("sentinel", reason(exc), _HINT_SENTINEL)
    findings: list[Finding] = []
    skipped: list[Skipped] = [does_not_apply("cluster", "no_cluster")]
    members: dict[tuple[str, int], Member] = {}
    watched, no_quorum = [], False
    for primary in primaries:
        name = str(primary.get("name", ""))
        me = member_from_sentinel(primary, role="primary")
        replicas = _others(client, "REPLICAS", name, "replica", skipped)
        sentinels = _others(client, "SENTINELS", name, "sentinel", skipped)
        quorum = _quorum(client, name)
        no_quorum = no_quorum or (isinstance(quorum, str) and bool(quorum))
        found, left = judge_sentinel(shown(name), primary, quorum, sentinels, request)
        findings.extend(found)
        skipped.extend(left)
        for member in [*([me] if me else []), *replicas, *sentinels]:
            members.setdefault((member.host, member.port), member)
        watched.append({"name": shown(name), "primary": me.address if me else "", "quorum": quorum if isinstance(quorum, str) else None,
                        "replicas": [one.address for one in replicas], "sentinels": [one.address for one in sentinels]})
    info = client.info("sentinel")
    tilt = info.get("sentinel_tilt") == "1"
    if "sentinel_tilt" in info:
        findings.append(Finding(
            "sentinel", CRITICAL if tilt else OK, observed="tilt" if tilt else "watching", threshold="watching", subject="tilt",
            hint="Its clock jumped or it was stopped: it acts on nothing until that has passed for 30 seconds." if tilt else "",
        ))
    if not primaries:
        findings.append(Finding("sentinel", CRITICAL, observed=0, threshold=1, unit="primaries", subject="watched",
                                hint="It watches nothing: SENTINEL MONITOR names a primary."))
        skipped.extend(Skipped(check, "watches_nothing: no primary to look at") for check in DATA_CHECKS if check not in OF_A_SENTINEL)
    blind = next((item.reason for item in skipped if item.check == "nodes"), "")
    return Topology(kind="sentinel", members=tuple(members.values()), findings=tuple(findings), skipped=tuple(skipped),
                    data={"sentinel": {"primaries": watched, "tilt": tilt}}, no_quorum=no_quorum, blind=blind)


def _others(client: Client, what: str, name: str, role: str, skipped: list[Skipped]) -> list[Member]:
    # REPLICAS is the name since 5; every flavour of today knows it.
    try:
        reply = client.call("SENTINEL", what, name)
    except CommandRefused as exc:
        why = f"{reason(exc)}; not all nodes of {shown(name)} were looked at"
        skipped.extend(Skipped(check, why, _HINT_SENTINEL) for check in ("nodes", *DATA_CHECKS))
        return []
    found = (member_from_sentinel(flat(one), role=role, primary=name) for one in reply if isinstance(one, list))
    return [one for one in found if one is not None]


def _quorum(client: Client, name: str) -> t.Union[str, Skipped]:
    try:
        client.call("SENTINEL", "CKQUORUM", name)
    except CommandRefused as exc:
        if exc.code == "NOQUORUM":
            return str(exc.reply)
        return Skipped("sentinel", reason(exc), _HINT_SENTINEL)
    return ""


def _walk(
    way: Way, topology: Topology, seed: NodeLook, request: Request, deadline: Deadline, workers: int,
) -> list[tuple[Member, NodeLook]]:
    """Look at every member, `workers` at a time, in threads that nothing waits for beyond the deadline."""
    brief = _brief(request)
    found: dict[int, NodeLook] = {}
    waiting = list(enumerate(topology.members))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                index, member = waiting.pop(0)
            # A certificate names hosts, rarely addresses.
            host = member.hostname if way.login.tls and member.hostname else member.host
            login = way.to_node(host, member.port, behind_sentinel=topology.kind == "sentinel" and member.role != "sentinel")
            if _is_seed(member, way, seed):
                found[index] = seed
                continue
            try:
                found[index] = look_at(way, login, brief, deadline)
            except IncidentError as exc:
                found[index] = refused(CannotReach(exc.message, error="cannot_connect"), login, brief)

    threads = [threading.Thread(target=work, daemon=True) for _number in range(min(max(workers, 1), len(waiting)))]
    for thread in threads:
        thread.start()
    # Each of them ends with the deadline by itself; the little more is for all together.
    end = Deadline(deadline.remaining() + 0.2)
    for thread in threads:
        thread.join(end.remaining())
    late = CannotReach("There was no time left to look at it.", error="timeout")
    return [(member, found.get(index) or refused(late, way.login.at(member.host, member.port), brief))
            for index, member in enumerate(topology.members)]


def _is_seed(member: Member, way: Way, seed: NodeLook) -> bool:
    return (member.host, member.port) == (way.login.host, way.login.port) or "myself" in member.flags


def _together(seed: NodeLook, topology: Topology, looks: list[tuple[Member, NodeLook]], request: Request) -> Look:
    findings, skipped = list(topology.findings), [("", item) for item in topology.skipped]
    nodes, recoveries = [], []
    everywhere: dict[str, list[tuple[str, Finding]]] = {}
    for member, one in [*looks, *_missing_seed(seed, topology, looks)]:
        maybe = _maybe_the_way(member, one)
        more = {"flags": list(member.flags), "slots": member.slots, "member_role": member.role}
        node = {**one.as_node(role=member.role, told=more), "address": member.address}
        if maybe:
            node.update(status=UNKNOWN, alive=None, ready=None, writable=None, recovery="")
        elif one.recovery and member.role != "sentinel":
            recoveries.append({"recovery": one.recovery, "address": member.address})
        nodes.append(node)
        findings.append(_node_finding(member, node, maybe))
        for finding in one.findings:
            told_of = dataclasses.replace(finding, status=UNKNOWN, hint=_THE_WAY) if maybe else finding
            everywhere.setdefault(finding.check, []).append((member.address, told_of))
        # Of a sentinel that cannot be reached too: it holds no data.
        skipped.extend((member.address, item) for item in one.skipped if member.role != "sentinel" or item.check in OF_A_SENTINEL)
    for check, told in everywhere.items():
        bad = [(address, finding) for address, finding in told if finding.status != OK]
        findings.extend(dataclasses.replace(finding, subject=f"{address}: {finding.subject}" if finding.subject else address)
                        for address, finding in bad)
        if not bad:
            findings.append(Finding(check, OK, observed="ok", detail={"nodes": len({address for address, _finding in told})}))
    if topology.no_quorum:
        recoveries.append({"recovery": NO_QUORUM, "address": seed.address})
    wanted = [finding for finding in findings if finding.check in request.checks]
    left = [(address, item) for address, item in skipped if item.check in request.checks]
    return Look(
        findings=tuple(wanted), skipped=tuple(_merged(_that_apply(left, wanted))),
        data={**seed.data, **topology.data}, state=_state(nodes, blind=bool(topology.blind)), seed=seed, server=seed.server,
        nodes=tuple(nodes), recovery=most_pressing(entry["recovery"] for entry in recoveries), recoveries=tuple(recoveries),
        kind=topology.kind,
    )


def _missing_seed(seed: NodeLook, topology: Topology, looks: list[tuple[Member, NodeLook]]) -> list[tuple[Member, NodeLook]]:
    """A sentinel does not name itself among the sentinels; a cluster's node that sees no others does."""
    if any(one is seed for _member, one in looks):
        return []
    host, _colon, port = seed.address.rpartition(":")
    role = "sentinel" if topology.kind == "sentinel" else "primary"
    return [(Member(host=host.strip("[]") or seed.address, port=int(port) if port.isdecimal() else 0, role=role, flags=("myself",)), seed)]


def _maybe_the_way(member: Member, one: NodeLook) -> bool:
    """Whether a node that we can't reach is well by the word of the others: then nobody knows, and it is not called down."""
    return one.error in _MAYBE_THE_WAY and not member.failed and not member.suspected


def _node_finding(member: Member, node: t.Mapping[str, t.Any], maybe: bool) -> Finding:
    status = str(node["status"])
    hint = ""
    if maybe:
        hint = _THE_WAY
    elif status != OK:
        hint = f"See nodes for its own findings{': ' + node['error'] if node['error'] else ''}."
    return Finding("nodes", status, observed=node["error"] or status, threshold=OK, subject=member.address, hint=hint,
                   detail={"role": node["role"], "recovery": node["recovery"]})


def _state(nodes: t.Sequence[t.Mapping[str, t.Any]], *, blind: bool) -> State:
    """Of the whole: what is true of all primaries; False where it is false of one, None where one is not known.

    Args:
        blind: whether there may be primaries that are not among the nodes.
    """
    primaries = [node for node in nodes if node["role"] == "primary" and "fail" not in node["flags"]] or \
        [node for node in nodes if node["role"] != "sentinel"]

    def of_all(name: str) -> t.Optional[bool]:
        values = [node[name] for node in primaries]
        return False if False in values else (None if blind or None in values or not values else True)

    return State(alive=of_all("alive"), ready=of_all("ready"), writable=of_all("writable"), durable=of_all("durable"))


def _that_apply(skipped: t.Sequence[tuple[str, Skipped]], findings: t.Sequence[Finding]) -> list[tuple[str, Skipped]]:
    """Without the nodes to which a check does not apply, where it applies to others."""
    applies = {finding.check for finding in findings} | {item.check for _address, item in skipped if item.kind != NOT_APPLICABLE}
    return [(address, item) for address, item in skipped if item.kind != NOT_APPLICABLE or item.check not in applies]


def _merged(skipped: t.Sequence[tuple[str, Skipped]]) -> list[Skipped]:
    """One entry per check and reason, with the nodes that it is of: a hundred nodes without CONFIG are one thing to say."""
    by_what: dict[tuple[str, str], list[tuple[str, Skipped]]] = {}
    for address, item in skipped:
        by_what.setdefault((item.check, item.reason), []).append((address, item))
    return [dataclasses.replace(found[0][1], reason=_at([address for address, _item in found if address]) + why)
            for (_check, why), found in by_what.items()]


def _at(addresses: t.Sequence[str]) -> str:
    return f"{few(addresses, most=_NAMED)}: " if addresses else ""
