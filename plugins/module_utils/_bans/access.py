# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at who is let in and who is not: the daemon's bans and the packet filter, as they are now. It only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._core.addresses import Network, Span, canonical, read_network
from .._core.errors import CannotReach
from .._core.findings import UNKNOWN
from .._core.judging import Judged
from .._firewall.decisions.measured import CHECK as TRACED
from .._firewall.decisions.measured import Request
from .._firewall.decisions.packet_filter import Block
from .._firewall.decisions.verdict import Verdict
from .._firewall.filters import AUTO, read_filters
from .._firewall.tracer import left_behind
from .._host.decisions.sockets_table import LISTEN
from .._module.programs import Run
from . import operators
from .daemons import Backend
from .decisions.access import DAEMON, KEPT_OUT, LET_IN, NOT_BANNED, Answered, Seen, decide
from .decisions.replies import Ban
from .tracing import Tracing


@dataclasses.dataclass(frozen=True)
class Question:
    """Who should be let in, not be banned, and be kept out: as written, and what that means.

    Attributes:
        operators: whether those who are logged in over SSH should not be banned either.
        ports: that are asked about of who should be let in; none is every one.
        daemon: whether a daemon bans here.
        trace_for: how long real packets of who should be let in or kept out are traced, seconds; 0 is not at all.
        trace_undecided: only of those of whom the rules do not say.
    """

    let_in: t.Mapping[str, t.Sequence[Network]]
    not_banned: t.Mapping[str, t.Sequence[Network]]
    kept_out: t.Mapping[str, t.Sequence[Network]]
    operators: bool
    ports: t.Sequence[int]
    protocol: str
    daemon: bool
    trace_for: float = 0.0
    trace_undecided: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """The checks that the question is about."""
        asked = {
            DAEMON: self.daemon, LET_IN: self.let_in, NOT_BANNED: self.not_banned or self.operators, KEPT_OUT: self.kept_out,
            TRACED: self.trace_for and not self.trace_undecided and (self.let_in or self.kept_out),
        }
        return tuple(check for check, there in asked.items() if there)

    def tracing(self, run: Run) -> t.Optional[Tracing]:
        """What traces their packets; None where nobody is to be traced."""
        if not self.trace_for:
            return None
        spans = tuple(dict.fromkeys(span for wanted in (self.let_in, self.kept_out) for _said, span in _spans(wanted)))
        return Tracing(Request(spans, tuple(self.ports), self.protocol if self.ports else None, self.trace_for), run=run)


def look(
    question: Question, *, open_daemon: t.Callable[[], Backend], run: Run, asked: t.Optional[tuple[str, ...]], proc: str = "/proc",
    tracing: t.Optional[Tracing] = None,
) -> Judged:
    """One look, with its verdict.

    Args:
        asked: the checks that must be answered.
        tracing: traces real packets as well.

    Raises:
        Blind: no packet filter can be read.
    """
    if tracing is None:
        return _look(question, open_daemon, run, asked, proc, None)
    if question.trace_undecided:
        tracing.forget()
        tracing.look(_undecided(question, _look(question, open_daemon, run, asked, proc, tracing)))
    else:
        tracing.look()
    # What was read before a trace is as old as the trace is long.
    judged = _look(question, open_daemon, run, asked, proc, tracing)
    return dataclasses.replace(judged, more={"changed": left_behind(tracing.said), "trace": tracing.said})


def _undecided(question: Question, judged: Judged) -> list[Span]:
    """Of whom the rules, and what was traced until now, do not say whether they are let in or kept out."""
    open_ones = {(one.check, one.subject) for one in judged.verdict.findings if one.status == UNKNOWN}
    wanted = ((LET_IN, question.let_in), (KEPT_OUT, question.kept_out))
    return [span for check, addresses in wanted for said, span in _spans(addresses) if (check, said) in open_ones]


def _look(
    question: Question, open_daemon: t.Callable[[], Backend], run: Run, asked: t.Optional[tuple[str, ...]], proc: str,
    tracing: t.Optional[Tracing],
) -> Judged:
    bans: list[Ban] = []
    jails: list[str] = []
    daemon: t.Optional[Answered] = None
    if question.daemon:
        try:
            backend = open_daemon()
            try:
                jails = backend.jails()
                bans = backend.bans(jails)
            finally:
                backend.close()
            daemon = Answered(jails=len(jails))
        except CannotReach as exc:
            daemon = Answered(message=exc.message, hint=exc.hint or "")
    filters = read_filters([AUTO], run=run, jails=jails)

    def about(
        wanted: t.Mapping[str, t.Sequence[Network]], blocks: t.Callable[[Span], list[Block]],
        judge: t.Optional[t.Callable[..., list[Verdict]]] = None,
    ) -> tuple[Seen, ...]:
        return tuple(
            Seen(
                asked, span, bans=tuple(ban for ban in bans if ban.span is not None and ban.span.touches(span)),
                blocks=tuple(blocks(span)), blind=filters.blind_for(span), ports_named=bool(question.ports),
                verdicts=tuple(judge(span, protocol=question.protocol, ports=question.ports)) if judge else (),
            ) for asked, span in _spans(wanted)
        )

    def refused(span: Span) -> list[Block]:
        return filters.refused(span, protocol=question.protocol, ports=question.ports)

    spared = _with_operators(question, proc)
    kept_out = about(question.kept_out, lambda span: [], filters.attempts)
    if not question.ports and question.protocol == "tcp":
        listening = _listening(proc)
        kept_out = tuple(dataclasses.replace(one, listening=listening) for one in kept_out)
    return decide(
        daemon, let_in=about(question.let_in, refused, filters.connections),
        not_banned=about(spared, filters.blocks), kept_out=kept_out,
        skipped=tuple(filters.not_read()), nobody_logged_in=question.operators and not spared, asked=asked,
        traces=() if tracing is None else tracing.known(),
    )


def _listening(proc: str) -> tuple[int, ...]:
    """The ports at which something listens, and not for this host alone."""
    sockets = (one for one in operators.tcp_table(f"{proc}/self") if one.state == LISTEN)
    return tuple(sorted({one.local_port for one in sockets if not one.local.is_loopback}))


def _with_operators(question: Question, proc: str) -> dict[str, t.Sequence[Network]]:
    wanted = dict(question.not_banned)
    if question.operators:
        for network in {*operators.ssh_peers(proc), *operators.callers(os.environ, proc)}:
            wanted.setdefault(canonical(network), [network])
    return wanted


def _spans(wanted: t.Mapping[str, t.Sequence[Network]]) -> t.Iterator[tuple[str, Span]]:
    """Each network with its name in findings: one spelling, and with the host name where it came from one."""
    for asked, networks in wanted.items():
        for network in networks:
            said = canonical(network)
            yield said if read_network(asked) is not None else f"{asked} {said}", Span.of(network)
