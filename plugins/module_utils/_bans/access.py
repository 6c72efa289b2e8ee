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
from .._core.findings import CRITICAL, NOT_APPLICABLE, OK, WARNING, Finding, Skipped
from .._firewall.decisions.packet_filter import Block
from .._firewall.filters import AUTO, Filters, read_filters
from .._module.programs import Run
from . import operators
from .daemons import Backend
from .decisions import access
from .decisions.replies import Ban

DAEMON = "daemon"
CHECKS = (DAEMON, access.LET_IN, access.NOT_BANNED, access.KEPT_OUT)
#: Of a network, some of whose addresses are let in, or kept out, that is told and does not hold anything up.
GOOD = (OK, WARNING)


@dataclasses.dataclass(frozen=True)
class Question:
    """Who should be let in, not be banned, and be kept out: as written, and what that means.

    Attributes:
        operators: whether those who are logged in over SSH should not be banned either.
        ports: that are asked about of who should be let in; none is every one.
        daemon: whether a daemon bans here.
    """

    let_in: t.Mapping[str, t.Sequence[Network]]
    not_banned: t.Mapping[str, t.Sequence[Network]]
    kept_out: t.Mapping[str, t.Sequence[Network]]
    operators: bool
    ports: t.Sequence[int]
    protocol: str
    daemon: bool

    @property
    def named(self) -> tuple[str, ...]:
        """The checks that the question is about."""
        asked = {
            DAEMON: self.daemon, access.LET_IN: self.let_in, access.NOT_BANNED: self.not_banned or self.operators,
            access.KEPT_OUT: self.kept_out,
        }
        return tuple(check for check, there in asked.items() if there)


def look(
    question: Question, *, open_daemon: t.Callable[[], Backend], run: Run, proc: str = "/proc",
) -> tuple[list[Finding], list[Skipped]]:
    """One look.

    Raises:
        Blind: no packet filter can be read.
    """
    findings: list[Finding] = []
    bans: list[Ban] = []
    jails: list[str] = []
    if question.daemon:
        try:
            backend = open_daemon()
            try:
                jails = backend.jails()
                bans = backend.bans(jails)
            finally:
                backend.close()
            findings.append(Finding(DAEMON, OK, observed=len(jails), unit="count"))
        except CannotReach as exc:
            # Without its answer nobody knows whom it bans: not ok, and no reason to leave the packet filter unread.
            findings.append(Finding(DAEMON, CRITICAL, observed=exc.message, hint=exc.hint or "See the daemon's log."))
    filters = read_filters([AUTO], run=run, jails=jails)
    for asked, network in _pairs(question.let_in):
        span = Span.of(network)
        findings.append(access.judge_let_in(asked, span, bans=bans, blocks=_blocks(filters, question, span),
                                            blind=filters.blind_for(span)))
    spared = _with_operators(question, proc)
    skipped = filters.not_read()
    if question.operators and not spared:
        skipped.append(Skipped(access.NOT_BANNED, f"nobody_logged_in: {access.ABSENT['nobody_logged_in']}.", kind=NOT_APPLICABLE))
    for asked, network in _pairs(spared):
        span = Span.of(network)
        findings.append(access.judge_not_banned(asked, span, bans=bans, blocks=filters.blocks(span), blind=filters.blind_for(span)))
    for asked, network in _pairs(question.kept_out):
        # The ports that its ban is about are the jail's to choose.
        findings.append(access.judge_kept_out(asked, blocks=filters.blocks(Span.of(network))))
    return findings, skipped


def _with_operators(question: Question, proc: str) -> dict[str, t.Sequence[Network]]:
    wanted = dict(question.not_banned)
    if question.operators:
        for network in {*operators.ssh_peers(proc), *operators.callers(os.environ, proc)}:
            wanted.setdefault(canonical(network), [network])
    return wanted


def _pairs(wanted: t.Mapping[str, t.Sequence[Network]]) -> t.Iterator[tuple[str, Network]]:
    """Each network with its name in findings: one spelling, and with the host name where it came from one."""
    for asked, networks in wanted.items():
        for network in networks:
            said = canonical(network)
            yield said if read_network(asked) is not None else f"{asked} {said}", network


def _blocks(filters: Filters, question: Question, span: Span) -> list[Block]:
    found: list[Block] = []
    for port in question.ports or (None,):
        found += [
            block for block in filters.blocks(span, protocol=question.protocol if port is not None else None, port=port)
            if block not in found
        ]
    return found
