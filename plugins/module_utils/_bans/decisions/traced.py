# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings on who is let in and who is kept out, with what became of real packets.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span
from ..._core.findings import UNKNOWN, Finding
from ..._firewall.decisions.measured import (
    OFFER,
    Traced,
    judge_kept_traced,
    judge_traced,
    kept_out_measured,
    known_rules,
    let_in_measured,
)
from ..._firewall.decisions.other_filters import HOSTS_DENY
from ..._firewall.decisions.packet_filter import Block
from ..._firewall.decisions.verdict import DROPPED, Verdict


@dataclasses.dataclass(frozen=True)
class Trace:
    """What was traced of one address or network."""

    span: Span
    traced: Traced


class Asked(t.Protocol):
    """Who was asked about, as findings name it, and the rules that are about it."""

    @property
    def asked(self) -> str:
        """As findings name it."""

    @property
    def span(self) -> Span:
        """What it means."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What is about it beside the packet filter."""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What becomes of a new connection, by port."""


def with_traces(
    findings: t.Sequence[Finding], asked: t.Mapping[str, t.Sequence[Asked]], traces: t.Sequence[Trace],
) -> list[Finding]:
    """The findings with what was traced, and a finding on each trace.

    Args:
        findings: by the rules alone.
        asked: by the check that is about them: let_in and kept_out.
        traces: empty where nobody traced.
    """
    seen = {trace.span: trace.traced for trace in traces}
    who = {(check, one.asked): one for check, several in asked.items() for one in several}
    found: list[Finding] = []
    told: list[Finding] = []
    for finding in findings:
        one = who.get((finding.check, finding.subject))
        if one is None:
            found.append(finding)
        elif one.span not in seen:
            found.append(_offered(finding))
        else:
            traced = known_rules(seen[one.span], [*one.blocks, *(block for verdict in one.verdicts for block in verdict.blocks)])
            single = one.span.single
            if finding.check == "let_in":
                # Who reads hosts.deny lets the connection in first, and ends it then.
                denied = any(block.where == HOSTS_DENY for block in one.blocks)
                found.append(let_in_measured(finding, traced, single=single, more=denied))
                told.append(judge_traced(one.asked, traced))
            else:
                refused = _refused(one.verdicts)
                found.append(kept_out_measured(finding, traced, single=single, refused=refused))
                told.append(judge_kept_traced(one.asked, traced, refused=refused))
    return found + told


def _refused(verdicts: t.Sequence[Verdict]) -> list[int]:
    """The ports that hosts.deny closes: who is refused there is let in by the packet filter first."""
    return [
        one.port for one in verdicts
        if one.outcome == DROPPED and one.port is not None and one.blocks and all(block.where == HOSTS_DENY for block in one.blocks)
    ]


def _offered(finding: Finding) -> Finding:
    """Where the rules do not say, a trace does."""
    return dataclasses.replace(finding, hint=f"{finding.hint} {OFFER}".strip()) if finding.status == UNKNOWN else finding
