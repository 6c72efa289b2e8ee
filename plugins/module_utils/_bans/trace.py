# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at this host from an address's point of view. It only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.addresses import Network, Span, canonical
from .._core.errors import Blind, IncidentError
from .._core.findings import Skipped
from .._core.judging import judge_look
from .._firewall.decisions.measured import Measured, Request, blocked_measured, judge_traced, known_rules
from .._firewall.decisions.tracing import cause_of, judge_listening, judge_trace
from .._firewall.decisions.verdict import UNDECIDED
from .._firewall.filters import Filters, read_filters
from .._firewall.tracer import trace_packets
from .._host.decisions.sockets_table import listeners
from .._module.programs import Run
from .daemons import Backend
from .operators import tcp_table
from .unban import iso


def trace(
    targets: t.Mapping[str, t.Sequence[Network]], *, open_daemon: t.Callable[[], Backend] | None, run: Run, verify: t.Sequence[str],
    port: int | None, protocol: str | None, trace_for: float = 0.0,
) -> dict[str, t.Any]:
    """What keeps these addresses out.

    Args:
        open_daemon: connects to the daemon that bans; None to leave it out.
        port, protocol: what they want to reach; None for anything.
        trace_for: how long their real packets are traced, seconds; 0 is not at all.

    Raises:
        Blind: nothing at all can be read.
    """
    measured = _measured(targets, run=run, port=port, protocol=protocol, seconds=trace_for) if trace_for else None
    skipped: list[Skipped] = []
    jails, bans = _bans(open_daemon, skipped)
    try:
        filters = read_filters(verify, run=run, jails=jails)
    except Blind as exc:
        if not bans:
            raise
        filters = Filters([], [], [Skipped("packet_filter", exc.message, exc.hint or "")])
    skipped += filters.skipped
    listening = listeners(tcp_table(), port) if port is not None and protocol in (None, "tcp") else None
    findings, looked = [], []
    for asked, networks in targets.items():
        for network in networks:
            span = Span.of(network)
            blocks = filters.blocks_on_the_way(span, protocol=protocol, port=port)
            own = [ban for ban_span, ban in bans if ban_span.covers(span)]
            unknown = _unknown(filters, span, protocol=protocol, port=port)
            cause = cause_of(blocks, bans=own, listening=None if listening is None else bool(listening), blind=bool(unknown))
            finding = judge_trace(canonical(network), blocks, bans=own, cause=cause, unknown=unknown)
            traced = None if measured is None else known_rules(measured.of(span), blocks)
            if traced is not None:
                finding = blocked_measured(finding, traced, single=span.single)
                findings.append(judge_traced(canonical(network), traced))
            findings.append(finding)
            looked.append({"address": canonical(network), "asked": asked, "cause": finding.detail["cause"], "bans": own,
                           "blocks": [block.as_dict() for block in blocks], "traced": None if traced is None else traced.as_dict()})
    if listening is not None and port is not None:
        findings.append(judge_listening(port, protocol or "tcp", [canonical(one) for one in listening]))
    return {
        **judge_look(findings, skipped).as_dict(), "trace": None if measured is None else dict(measured.said), "addresses": looked,
        "filters": filters.read, "jails": jails,
        "blocks": [{"address": one["address"], **block} for one in looked for block in t.cast("list[dict[str, t.Any]]", one["blocks"])],
    }


def _unknown(filters: Filters, span: Span, *, protocol: str | None, port: int | None) -> tuple[str, ...]:
    """Why it is not known whether an address gets in; empty where it is."""
    if filters.ways is None or not any(kind in filters.read for kind in ("nftables", "iptables")):
        return ("the packet filter could not be read",)
    verdict = filters.connection(span, protocol=protocol, port=port)
    return verdict.unknown or (f"{verdict.at}: not known",) if verdict.outcome == UNDECIDED else ()


def _measured(
    targets: t.Mapping[str, t.Sequence[Network]], *, run: Run, port: int | None, protocol: str | None, seconds: float,
) -> Measured:
    spans = tuple(dict.fromkeys(Span.of(network) for networks in targets.values() for network in networks))
    return trace_packets(Request(spans, () if port is None else (port,), protocol, seconds), run=run)


def _bans(
    open_daemon: t.Callable[[], Backend] | None, skipped: list[Skipped],
) -> tuple[list[str], list[tuple[Span, dict[str, t.Any]]]]:
    if open_daemon is None:
        return [], []
    try:
        backend = open_daemon()
        try:
            jails = backend.jails()
            bans = backend.bans(jails)
        finally:
            backend.close()
    except IncidentError as exc:
        skipped.append(Skipped("bans", exc.message, exc.hint or ""))
        return [], []
    return jails, [
        (ban.span, {"backend": backend.name, "jail": ban.jail, "entry": ban.entry, "banned_at": iso(ban.banned_at),
                    "ends_at": iso(ban.ends_at), "permanent": ban.permanent})
        for ban in bans if ban.span is not None
    ]
