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
from ..._firewall.decisions.packet_filter import COVERING, EXACT, FAIL2BAN, PART, SEE, UNSEEN, Block
from ..._firewall.decisions.rule_removal import remedy
from ..._firewall.decisions.tracing import cause_of
from ..._firewall.decisions.verdict import ACCEPTED, BACK, DROPPED, UNDECIDED, Verdict
from ..._firewall.decisions.walk import FORWARD
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
        blocks: what is about it: of who should be let in beside the packet filter, of the others in the packet filter as well.
        blind: what of the packet filter could not be read.
        verdicts: what becomes of a new connection, by port.
        ports_named: the caller named the ports.
        listening: without named ports, those at which something of this host listens, and not for itself alone; None where nobody looked.
    """

    asked: str
    span: Span
    bans: tuple[Ban, ...] = ()
    blocks: tuple[Block, ...] = ()
    blind: str = ""
    verdicts: tuple[Verdict, ...] = ()
    ports_named: bool = True
    listening: t.Optional[tuple[int, ...]] = None


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
    findings += [
        judge_let_in(one.asked, one.span, bans=one.bans, verdicts=one.verdicts, ports_named=one.ports_named, blocks=one.blocks)
        for one in let_in
    ]
    findings += [judge_not_banned(one.asked, one.span, bans=one.bans, blocks=one.blocks, blind=one.blind) for one in not_banned]
    findings += [
        judge_kept_out(one.asked, verdicts=one.verdicts, ports_named=one.ports_named, listening=one.listening) for one in kept_out
    ]
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


def judge_let_in(
    asked: str, span: Span, *, bans: t.Sequence[Ban], verdicts: t.Sequence[Verdict], ports_named: bool = True,
    blocks: t.Sequence[Block] = (),
) -> Finding:
    """Whether an address is let in: no ban holds it, and a new connection of it surely gets in and is answered at each port.

    Of a network it is a warning when only some of its addresses are kept out.

    Args:
        asked: as the caller wrote it.
        span: what it means.
        bans: every ban of the daemon.
        verdicts: what becomes of a connection, by port.
        ports_named: the caller named the ports; without, a port that is closed for everybody says nothing about this address.
        blocks: what else is about it, beside the packet filter.
    """
    holding = [ban for ban in bans if ban.span is not None and ban.span.covers(span)]
    inside = [ban for ban in bans if ban.span is not None and not ban.span.covers(span) and ban.span.touches(span)]
    dropped = [one for one in verdicts if one.outcome == DROPPED]
    closed = dropped if ports_named or len(dropped) == len(verdicts) else [one for one in dropped if _is_about_it(one)]
    perhaps = [one for one in verdicts if one.outcome == UNDECIDED or (one.outcome == DROPPED and one not in closed)]
    own = list(dict.fromkeys(block for one in closed for block in one.blocks if block.certain or one.port is None)) or [
        block for one in closed for block in one.blocks]
    partly = list(dict.fromkeys(block for one in perhaps for block in one.blocks if block.matched == PART))
    denied = [block for block in blocks if block.certain and block.matched != PART]
    own += denied
    first = [_drops(one) for one in closed]
    said = [f"banned by {ban.jail} as {ban.entry}" for ban in holding] + first + [
        _say(block) for block in own if not any(f"{block.where_text}: {block.rule[:200]}" in line for line in first)
    ]
    some = [f"{ban.entry} banned by {ban.jail}" for ban in inside] + [_say(block) for block in partly]
    causes = [{"backend": FAIL2BAN, "jail": ban.jail} for ban in holding]
    detail = {
        "cause": cause_of([*own, *partly], bans=causes, listening=None, blind=False),
        "blocks": [{**block.as_dict(), "remedy": remedy(block).advice} for block in (*own, *partly)[:_MAX_SHOWN]],
        "perhaps": [line for one in perhaps for line in _open(one)][:_MAX_SHOWN],
        "walk": [one.as_dict() for one in verdicts][:_MAX_SHOWN],
    }
    if said:
        cures = [remedy(block).advice for block in own]
        hint = "Lift the ban." if holding else f"It is not a ban. What removes it: {cures[0]}" if cures else "It is not a ban."
        return Finding(LET_IN, CRITICAL, observed="; ".join(said[:_MAX_SHOWN]), subject=asked, hint=hint, detail=detail)
    if some:
        return Finding(LET_IN, WARNING, observed=f"some of it is kept out: {'; '.join(some[:_MAX_SHOWN])}", subject=asked, detail=detail,
                       hint="Name the single addresses, or their network as one whose members are let in.")
    lines = list(dict.fromkeys(line for one in perhaps for line in _open(one)))[:_MAX_SHOWN]
    if not perhaps:
        lines = [_say(block) for block in blocks]
    if lines or not verdicts:
        hint = _how_to_know(perhaps, ports_named=ports_named)
        return Finding(LET_IN, UNKNOWN, observed="; ".join(lines) or "nothing was looked at", subject=asked, hint=hint,
                       detail={**detail, "perhaps": lines, "cause": "unknown"})
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


def judge_kept_out(
    asked: str, *, verdicts: t.Sequence[Verdict], ports_named: bool = True, listening: t.Optional[t.Collection[int]] = None,
) -> Finding:
    """Whether a new connection of an address surely fails at each port.

    It is a warning where rules are about ports alone at which nothing listens, and something listens elsewhere: that may be attacked.

    Args:
        verdicts: what becomes of one, by port.
        ports_named: the caller named the ports; without, they are those of the rules that are about the address.
        listening: the ports at which something listens for others; None where that is not known.
    """
    about = [] if ports_named else [one for one in verdicts if one.outcome == DROPPED and _is_about_it(one)]
    meant = list(verdicts) if not about or any(one.rest for one in about) else about
    let_in = [one for one in meant if one.outcome == ACCEPTED or _is_only_in_part(one)]
    perhaps = [one for one in meant if one.outcome == UNDECIDED and one not in let_in]
    detail = {
        "blocks": list({block: block.as_dict() for one in meant for block in one.blocks}.values())[:_MAX_SHOWN],
        "walk": [one.as_dict() for one in verdicts][:_MAX_SHOWN],
    }
    if let_in and (ports_named or about or not perhaps):  # else its ban may be what is not known
        said = "; ".join(f"{one.at}: {one.by} lets it in" if one.by else f"{one.at}: nothing drops it" for one in let_in[:_MAX_SHOWN])
        return Finding(KEPT_OUT, CRITICAL, observed=said if verdicts else "nothing drops it", subject=asked, detail=detail,
                       hint="The packet filter lets it in, whatever the daemon says.")
    if perhaps or not verdicts:
        lines = list(dict.fromkeys(line for one in perhaps for line in _open(one)))[:_MAX_SHOWN]
        return Finding(KEPT_OUT, UNKNOWN, observed="; ".join(lines) or "nothing was looked at", subject=asked, detail=detail,
                       hint=_how_to_know(perhaps, ports_named=ports_named))
    beside = _nobody_listens(about, listening or ())
    hint = (f"Nothing listens at {', '.join(map(str, beside))}, which is all that its rules are about. Name the ports of the service that "
            "it attacks.") if beside else ""
    return Finding(KEPT_OUT, WARNING if beside else OK, observed="; ".join(dict.fromkeys(_drops(one) for one in meant[:_MAX_SHOWN])),
                   subject=asked, hint=hint, detail=detail)


def _nobody_listens(about: t.Sequence[Verdict], listening: t.Collection[int]) -> list[int]:
    """The ports of this host that rules are about, where something listens at others alone. What is forwarded is listened to elsewhere."""
    ports = [one.port for one in about if one.port is not None and not one.rest]
    here = not any(block.hook == FORWARD for one in about for block in one.blocks)
    return ports if listening and here and len(ports) == len(about) and not set(ports) & set(listening) else []


def _is_about_it(verdict: Verdict) -> bool:
    """Whether a rule about the address itself drops it."""
    return any(block.certain and block.matched in (EXACT, COVERING) for block in verdict.blocks)


def _is_only_in_part(verdict: Verdict) -> bool:
    """Whether nothing but that it is about a part of a network keeps a rule from dropping it surely."""
    return verdict.outcome == UNDECIDED and bool(verdict.blocks) and all(
        block.matched == PART and block.certain for block in verdict.blocks)


def _drops(verdict: Verdict) -> str:
    way = "" if verdict.way != BACK else " (the answer on its way back)"
    return f"{verdict.at}: {verdict.by}{way}"


def _open(verdict: Verdict) -> list[str]:
    """What is not known of a connection."""
    if verdict.outcome == DROPPED:
        return [f"{_drops(verdict)}, which is about everybody"]
    return list(verdict.unknown) or [f"{verdict.at}: not known"]


def _how_to_know(verdicts: t.Sequence[Verdict], *, ports_named: bool) -> str:
    if not ports_named and any(one.outcome == DROPPED for one in verdicts):
        return "Name the ports that it needs."
    if any("not be read" in line or "cannot be read" in line for one in verdicts for line in one.unknown):
        return SEE
    return "The rules do not say. Let the address try, and see whether it gets in."


def _unseen(blocks: t.Sequence[Block], blind: str) -> str:
    """Why nothing can be said: what could not be read, and rules about sets that nobody could read."""
    said = [blind] if blind else []
    said += [f"whom {block.set} holds is not known: {_say(block)}" for block in blocks if block.matched == UNSEEN]
    return "; ".join(said[:_MAX_SHOWN])


def _say(block: Block) -> str:
    conditions = f" (where {', '.join(block.conditions)})" if block.conditions else ""
    return f"{block.where_text}: {block.rule[:200]}{conditions}"
