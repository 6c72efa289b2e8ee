# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets that one call traces: who is traced again, and what is forgotten."""

from __future__ import annotations

from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._bans import access
from ansible_collections.oncall.incident.plugins.module_utils._bans.tracing import Tracing
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, parse_network
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import Judged, judge_look
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.measured import Measured, Packet, Request
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet_filter import Block
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran

ONE, TWO = (Span.of(parse_network(text)) for text in ("192.0.2.7", "192.0.2.8"))
RULE = Block(where="nftables", family="inet", table="mine", chain="in", handle=7, rule="drop")


class Kernel:
    """Says what becomes of packets, and of whom it was asked."""

    def __init__(self) -> None:
        self.fates: dict[Span, str] = {}
        self.asked: list[list[Span]] = []

    def trace(self, request: Request, **_more: Any) -> Measured:
        self.asked.append(list(request.spans))
        packets = [Packet(str(span), "192.0.2.1", "tcp", 22, fate, RULE if fate == "dropped" else None, reply="accepted",
                          reply_fate="arrived") for span, fate in self.fates.items() if span in request.spans]
        return Measured(request, 1.0, tuple(packets), said={"removed": True})


def tracing(kernel: Kernel) -> Tracing:
    return Tracing(Request((ONE, TWO), (22,), "tcp", 30.0), run=lambda argv: Ran(), trace=kernel.trace)


def test_who_comes_through_is_not_traced_again() -> None:
    kernel = Kernel()
    kernel.fates = {ONE: "arrived", TWO: "dropped"}
    traces = tracing(kernel)
    traces.look()
    kernel.fates = {}
    traces.look()
    assert kernel.asked == [[ONE, TWO], [TWO]]
    known = {trace.span: trace.traced.packets for trace in traces.known()}
    assert known[ONE] and known[TWO] == (), "what dropped it may be gone by now"
    traces.look([ONE])
    assert len(kernel.asked) == 2


def test_of_the_undecided_nothing_old_counts(monkeypatch: Any) -> None:
    """What was dropped in an earlier look is forgotten, so that the rules that were changed since are asked again."""
    kernel = Kernel()
    kernel.fates = {ONE: "dropped"}
    traces = tracing(kernel)
    said: list[list[str]] = []

    def rules(*args: Any) -> Judged:
        told = [next((one.fate for one in trace.traced.packets), "") for trace in traces.known()]
        said.append(told)
        status = "unknown" if not any(told) else "critical" if "dropped" in told else "ok"
        return Judged(judge_look([Finding("let_in", status, subject="192.0.2.7")]))

    monkeypatch.setattr(access, "_look", rules)
    question = access.Question({"192.0.2.7": [parse_network("192.0.2.7")]}, {}, {}, False, (22,), "tcp", False, 30.0, True)
    assert question.named == ("let_in",), "who is not traced leaves let_in unknown"

    def look() -> str:
        judged = access.look(question, open_daemon=lambda: None, run=lambda argv: Ran(), asked=("let_in",), tracing=traces)  # type: ignore[arg-type,return-value]
        return judged.verdict.status

    assert look() == "critical"
    kernel.fates = {ONE: "arrived"}
    assert look() == "ok"
    kernel.fates = {}
    assert look() == "ok" and kernel.asked == [[ONE], [ONE]], "measured once in the call"
