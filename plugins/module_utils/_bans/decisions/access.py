# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is an address let in, kept out, or at least not banned? Judged from the daemon's bans and the packet filter's rules.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span
from ..._core.findings import CRITICAL, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from ..._firewall.decisions.packet_filter import COVERING, EVERYONE, EXACT, FAIL2BAN, PART, SEE, UNSEEN, Block
from ..._firewall.decisions.rule_removal import remedy
from ..._firewall.decisions.tracing import cause_of
from .replies import Ban
from .traced import Trace, with_traces

MODULE = "access_health"
DAEMON, LET_IN, NOT_BANNED, KEPT_OUT = CHECKS = ("daemon", "let_in", "not_banned", "kept_out")
#: Of a network, some of whose addresses are let in, or kept out, that is told and does not hold anything up.
GOOD = (OK, WARNING)
#: Why a check does not apply.
ABSENT = {"nobody_logged_in": "nobody is logged in over SSH"}
_MAX_SHOWN = 10
_BANNING = (FAIL2BAN, "crowdsec")


@dataclasses.dataclass(frozen=True)
class Answered:
    """What the daemon that bans said: how many jails it has, or why it did not answer, and what to do."""

    jails: int = 0
    message: str = ""
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Seen:
    """What there is about one address or network.

    Attributes:
        asked: as the caller wrote it.
        span: what it means.
        bans: those of the daemon that share an address with it.
        blocks: what the packet filter has against it.
        blind: what of the packet filter could not be read.
    """

    asked: str
    span: Span
    bans: tuple[Ban, ...] = ()
    blocks: tuple[Block, ...] = ()
    blind: str = ""


def decide(
    daemon: t.Optional[Answered], let_in: tuple[Seen, ...], not_banned: tuple[Seen, ...], kept_out: tuple[Seen, ...],
    skipped: tuple[Skipped, ...], nobody_logged_in: bool, asked: t.Optional[tuple[str, ...]],
    traces: tuple[Trace, ...] = (),
) -> Judged:
    """The verdict on who gets in.

    Args:
        daemon: None where none bans here.
        skipped: what of the packet filter could not be read.
        nobody_logged_in: those who are logged in were asked about, and there are none.
        asked: the checks that must be answered.
        traces: what became of real packets of those who should be let in or kept out.
    """
    findings = [_answered(daemon)] if daemon is not None else []
    findings += [judge_let_in(one.asked, one.span, bans=one.bans, blocks=one.blocks, blind=one.blind) for one in let_in]
    findings += [judge_not_banned(one.asked, one.span, bans=one.bans, blocks=one.blocks, blind=one.blind) for one in not_banned]
    findings += [judge_kept_out(one.asked, blocks=one.blocks) for one in kept_out]
    code = "nobody_logged_in"
    left = [*skipped, *([Skipped(NOT_BANNED, f"{code}: {ABSENT[code]}.", kind=NOT_APPLICABLE)] if nobody_logged_in else [])]
    findings = with_traces(findings, {LET_IN: let_in, KEPT_OUT: kept_out}, traces)
    return Judged(judge_look(findings, left, asked=asked, good=GOOD), basis=Basis(MODULE, {
        "daemon": daemon, "let_in": let_in, "not_banned": not_banned, "kept_out": kept_out, "skipped": skipped,
        "nobody_logged_in": nobody_logged_in, "asked": asked, "traces": traces,
    }))


def _answered(daemon: Answered) -> Finding:
    if daemon.message:
        # Without its answer nobody knows whom it bans: not ok, and no reason to leave the packet filter unread.
        return Finding(DAEMON, CRITICAL, observed=daemon.message, hint=daemon.hint or "See the daemon's log.")
    return Finding(DAEMON, OK, observed=daemon.jails, unit="count")


def judge_let_in(asked: str, span: Span, *, bans: t.Sequence[Ban], blocks: t.Sequence[Block], blind: str = "") -> Finding:
    """Whether nothing keeps an address out: no ban that holds it, and no rule that drops it.

    A rule about everybody that drops only perhaps (a rate limit, another interface) keeps nobody out by itself. Of a network it is a
    warning when only some of its addresses are kept out.

    Args:
        asked: as the caller wrote it.
        span: what it means.
        bans: every ban of the daemon.
        blocks: what the packet filter has against it, at any of the ports.
        blind: what of the packet filter could not be read; then nothing that was seen makes it let in.
    """
    holding = [ban for ban in bans if ban.span is not None and ban.span.covers(span)]
    inside = [ban for ban in bans if ban.span is not None and not ban.span.covers(span) and ban.span.touches(span)]
    closed = [block for block in blocks if block.matched in (EXACT, COVERING) or (block.matched == EVERYONE and block.certain)]
    partly = [block for block in blocks if block.matched == PART]
    said = [f"banned by {ban.jail} as {ban.entry}" for ban in holding] + [_say(block) for block in closed]
    some = [f"{ban.entry} banned by {ban.jail}" for ban in inside] + [_say(block) for block in partly]
    causes = [{"backend": FAIL2BAN, "jail": ban.jail} for ban in holding]
    detail = {
        "cause": cause_of([*closed, *partly], bans=causes, listening=None, blind=False),
        "blocks": [{**block.as_dict(), "remedy": remedy(block).advice} for block in (*closed, *partly)[:_MAX_SHOWN]],
        "perhaps": [_say(block) for block in blocks if block not in closed and block not in partly][:_MAX_SHOWN],
    }
    if said:
        cures = [remedy(block).advice for block in closed]
        hint = "Lift the ban." if holding else f"It is no ban. What removes it: {cures[0]}"
        return Finding(LET_IN, CRITICAL, observed="; ".join(said[:_MAX_SHOWN]), subject=asked, hint=hint, detail=detail)
    if some:
        return Finding(LET_IN, WARNING, observed=f"some of it is kept out: {'; '.join(some[:_MAX_SHOWN])}", subject=asked, detail=detail,
                       hint="Name the single addresses, or their network as one whose members are let in.")
    unseen = _unseen(blocks, blind)
    if unseen:
        return Finding(LET_IN, UNKNOWN, observed=unseen, subject=asked, hint=SEE, detail={**detail, "cause": "unknown"})
    return Finding(LET_IN, OK, observed="nothing drops it", subject=asked, detail=detail)


def judge_not_banned(
    asked: str, span: Span, *, bans: t.Sequence[Ban], blocks: t.Sequence[Block], blind: str = "",
) -> Finding:
    """Whether no ban holds an address, and no rule of a daemon that bans. What else keeps it out is not asked."""
    holding = [f"banned by {ban.jail} as {ban.entry}" for ban in bans if ban.span is not None and ban.span.touches(span)]
    left = [_say(block) for block in blocks if block.owner in _BANNING and block.matched != UNSEEN]
    if holding or left:
        said = "; ".join([*holding, *left][:_MAX_SHOWN])
        return Finding(NOT_BANNED, CRITICAL, observed=said, subject=asked, hint="Lift this ban at once.")
    unseen = _unseen([block for block in blocks if block.owner in _BANNING], blind)
    if unseen:
        return Finding(NOT_BANNED, UNKNOWN, observed=unseen, subject=asked, hint=SEE)
    return Finding(NOT_BANNED, OK, observed="no ban holds it", subject=asked)


def judge_kept_out(asked: str, *, blocks: t.Sequence[Block]) -> Finding:
    """Whether the packet filter drops an address, by a rule that is about it."""
    own = [block for block in blocks if block.matched in (EXACT, COVERING)]
    if own:
        detail = {"blocks": [block.as_dict() for block in own[:_MAX_SHOWN]]}
        return Finding(KEPT_OUT, OK, observed=_say(own[0]), subject=asked, detail=detail)
    unseen = _unseen(blocks, "")
    if unseen:
        return Finding(KEPT_OUT, UNKNOWN, observed=unseen, subject=asked, hint=SEE)
    return Finding(KEPT_OUT, CRITICAL, observed="nothing drops it", subject=asked,
                   hint="No rule of the packet filter is about it, whatever the daemon says.")


def _unseen(blocks: t.Sequence[Block], blind: str) -> str:
    """Why nothing can be said: what could not be read, and rules about sets that nobody could read."""
    said = [blind] if blind else []
    said += [f"whom {block.set} holds is not known: {_say(block)}" for block in blocks if block.matched == UNSEEN]
    return "; ".join(said[:_MAX_SHOWN])


def _say(block: Block) -> str:
    conditions = f" (where {', '.join(block.conditions)})" if block.conditions else ""
    return f"{block.where_text}: {block.rule[:200]}{conditions}"
