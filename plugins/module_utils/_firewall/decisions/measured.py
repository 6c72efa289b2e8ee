# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real packets say of an address: whether it is let in, and which rule dropped it.

This module util is PRIVATE to the collection: it may change at any time.

Rules that were read are a model. A packet that was traced is a measurement: where the two differ, that is said, and counts.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span, read_network
from ..._core.durations import format_duration
from ..._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Finding, worst
from .packet_filter import Block
from .rule_removal import remedy
from .trace_events import ARRIVED, DROPPED, LOST, QUEUED, REFUSED

#: The check that judges what was traced.
CHECK = "traced"
#: The rules of legacy iptables whose counters rose: likely, never certainly.
LIKELY = "likely"
#: What to do where the rules do not say.
OFFER = "With trace_for real packets say it, while the person tries to connect."
_MOST = 10
_AGAIN = "Trace again while the person tries to connect."


@dataclasses.dataclass(frozen=True)
class Request:
    """Whose packets are traced, to which ports (none is every one), over which protocol, and for how long; seconds."""

    spans: tuple[Span, ...]
    ports: tuple[int, ...] = ()
    protocol: t.Optional[str] = None
    seconds: float = 0.0

    def about(self, spans: tuple[Span, ...]) -> Request:
        """The same for others."""
        return dataclasses.replace(self, spans=spans)


@dataclasses.dataclass(frozen=True)
class Packet:
    """Packets of one address to one port with one fate; see trace_events.Followed.

    Attributes:
        rule: what dropped them.
        reply: what the host answered; empty where it did not.
        reply_fate, reply_rule: what became of the answer.
        count: how many.
    """

    source: str
    target: str
    protocol: str
    port: int
    fate: str
    rule: t.Optional[Block] = None
    forwarded: bool = False
    reply: str = ""
    reply_fate: str = ""
    reply_rule: t.Optional[Block] = None
    count: int = 1

    @property
    def to(self) -> str:
        """Where it went, for people."""
        return f"{self.protocol}/{self.port}"

    @property
    def no_rule_dropped_it(self) -> bool:
        """Whether the packet filter of nftables let it in, and the answer out as far as that is known."""
        return self.fate == ARRIVED and self.reply_fate != DROPPED

    @property
    def let_in(self) -> bool:
        """Whether it was let in, and the answer left the host. Over UDP there need not be one."""
        return self.no_rule_dropped_it and (self.reply_fate == ARRIVED or (self.protocol != "tcp" and not self.reply))

    def as_dict(self) -> dict[str, t.Any]:
        """As it appears in results."""
        return {
            **dataclasses.asdict(self), "rule": None if self.rule is None else self.rule.as_dict(),
            "reply_rule": None if self.reply_rule is None else self.reply_rule.as_dict(),
        }


@dataclasses.dataclass(frozen=True)
class Traced:
    """What was seen of one address or network.

    Attributes:
        waited: how long was listened, seconds.
        packets: what came.
        likely: rules of legacy iptables that dropped something meanwhile.
        ports: that were asked about.
        problem: why packets cannot be traced here.
        missed: the kernel told more than could be read, so what seems lost need not be.
    """

    waited: float
    packets: tuple[Packet, ...] = ()
    likely: tuple[Block, ...] = ()
    ports: tuple[int, ...] = ()
    problem: str = ""
    missed: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        """As it appears in results."""
        return {"waited": self.waited, "packets": [one.as_dict() for one in self.packets],
                LIKELY: [one.as_dict() for one in self.likely], "problem": self.problem}

    @property
    def untried(self) -> list[int]:
        """The ports that were asked about and to which nothing came."""
        return [port for port in self.ports if all(one.port != port for one in self.packets)]


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one trace gave, of everybody.

    Attributes:
        packets: by address of the packet.
        counted: what legacy iptables counted, for each that was asked about.
        said: our own object in the kernel, until when it is there and what became of it; for results.
    """

    request: Request
    waited: float
    packets: tuple[Packet, ...] = ()
    counted: t.Mapping[Span, tuple[Block, ...]] = dataclasses.field(default_factory=dict)
    problem: str = ""
    missed: bool = False
    said: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def of(self, span: Span) -> Traced:
        """What was seen of one address or network."""
        own = tuple(one for one in self.packets if span.covers(span_of(one.source)))
        # A counter says nothing about packets of which it is known what became of them.
        doubt = not own or any(one.fate == LOST or (one.no_rule_dropped_it and not one.let_in) for one in own)
        return Traced(self.waited, own, self.counted.get(span, ()) if doubt else (), self.request.ports, self.problem, self.missed)


def is_settled(traced: Traced) -> bool:
    """Whether packets came to all ports that were asked about, and all of them through."""
    return bool(traced.packets) and not traced.untried and all(one.let_in for one in traced.packets)


def span_of(address: str) -> Span:
    """An address that the kernel told.

    Raises:
        ValueError: it is not an address.
    """
    network = read_network(address)
    if network is None:
        raise ValueError(address)
    return Span.of(network)


def known_rule(rule: Block, blocks: t.Sequence[Block]) -> Block:
    """The same rule as the walk through the rules knows it, with what it is about; the rule itself where it does not know it."""
    same = next((block for block in blocks if _identity(block) == _identity(rule)), None)
    return rule if same is None else dataclasses.replace(same, conditions=())


def _identity(block: Block) -> tuple[t.Any, ...]:
    """What two blocks have in common that are the same rule: iptables knows a rule by its place and text, nftables by its handle."""
    where = (block.where, block.family, block.table, block.chain)
    if block.rule == "policy drop":
        return (*where, "policy")
    return (*where, block.handle) if block.handle is not None else (*where, block.number, block.rule)


def known_rules(traced: Traced, blocks: t.Sequence[Block]) -> Traced:
    """The same with each rule as the walk through the rules knows it."""
    def known(rule: t.Optional[Block]) -> t.Optional[Block]:
        return None if rule is None else known_rule(rule, blocks)

    return dataclasses.replace(traced, packets=tuple(
        dataclasses.replace(one, rule=known(one.rule), reply_rule=known(one.reply_rule)) for one in traced.packets
    ))


def judge_traced(asked: str, traced: Traced) -> Finding:
    """The finding on what was traced of one address or network."""
    said = [_judge_packet(one, traced) for one in traced.packets]
    if not traced.packets:
        said = [_judge_nothing(traced)]
    elif traced.untried:
        said.append((UNKNOWN, f"nobody tried {', '.join(map(str, traced.untried))} within {format_duration(traced.waited)}", _AGAIN))
    status = worst(one[0] for one in said)
    observed = "; ".join(dict.fromkeys(one[1] for one in said[:_MOST]))
    hint = next((one[2] for one in said if one[0] == status), "")
    return Finding(CHECK, status, observed=observed, subject=asked, hint=hint, detail=traced.as_dict())


def judge_kept_traced(asked: str, traced: Traced, *, refused: t.Collection[int] = ()) -> Finding:
    """The finding on what was traced of somebody who should be kept out: a packet that was dropped is good.

    Args:
        refused: the ports at which every program refuses the address; a packet that arrives there does not tell whether it did.
    """
    finding = judge_traced(asked, traced)
    if _came_in(traced, refused):
        return dataclasses.replace(finding, status=CRITICAL, hint="No rule of the packet filter dropped a real packet of it.")
    if any(one.fate == ARRIVED for one in traced.packets):
        return dataclasses.replace(finding, status=UNKNOWN, hint=(
            "Packets do not tell what the service does with a connection, and hosts.deny refuses it there: look at the service's log."
        ))
    if traced.packets and not traced.untried and all(one.fate == DROPPED for one in traced.packets):
        return dataclasses.replace(finding, status=OK, hint="")
    lost = any(one.fate == LOST for one in traced.packets)
    return dataclasses.replace(finding, status=UNKNOWN, hint="" if lost else finding.hint)


def _judge_nothing(traced: Traced) -> tuple[str, str, str]:
    if traced.likely:
        seen = "no packet could be traced" if traced.problem else "no packet was seen"
        return UNKNOWN, f"{seen}; {_say_likely(traced.likely)}", f"Likely, not certain. {_cure(traced.likely[0])}"
    if traced.problem:
        return UNKNOWN, f"packets cannot be traced: {traced.problem}", "Look at the rules, or ask firewall_trace for each port."
    return UNKNOWN, f"nobody tried: no packet of it came within {format_duration(traced.waited)}", (
        f"{_AGAIN} If it was tried, something in front of this host or at its device's ingress drops it, or it comes from another address."
    )


def _judge_packet(one: Packet, traced: Traced) -> tuple[str, str, str]:
    """The status, what was seen, and what to do."""
    if one.fate == DROPPED and one.rule is not None:
        return CRITICAL, f"{one.to}: dropped by {say_rule(one.rule)}", f"{_cure(one.rule)}"
    if one.fate == QUEUED and one.rule is not None:
        return UNKNOWN, f"{one.to}: taken from the packet filter by {say_rule(one.rule)}", "A program decides about it: look at its log."
    if one.fate == LOST:
        return _judge_lost(one, traced)
    if one.reply_fate == DROPPED and one.reply_rule is not None:
        return CRITICAL, f"{one.to}: let in, and the answer is dropped by {say_rule(one.reply_rule)}", (
            f"It is the way back. {_cure(one.reply_rule)}"
        )
    return _judge_answer(one, traced)


def _judge_lost(one: Packet, traced: Traced) -> tuple[str, str, str]:
    if traced.missed:
        return UNKNOWN, f"{one.to}: came in, and not everything was told of it", _AGAIN
    said = f"{one.to}: came in and did not arrive, and no rule of nftables dropped it"
    if traced.likely:
        return CRITICAL, f"{said}; {_say_likely(traced.likely)}", f"Likely, not certain. {_cure(traced.likely[0])}"
    return CRITICAL, said, "Look at legacy iptables, at the filter of reverse paths (rp_filter), and at the routes."


def _judge_answer(one: Packet, traced: Traced) -> tuple[str, str, str]:
    if one.reply == REFUSED and one.reply_fate == ARRIVED:
        return CRITICAL, f"{one.to}: let in, and refused: nothing listens at {one.target} port {one.port}", (
            "The packet filter lets it in. Look at the service, and at which address it listens."
        )
    if one.reply_fate == ARRIVED:
        return OK, f"{one.to}: let in and answered", ""
    if traced.missed and not one.let_in:
        return UNKNOWN, f"{one.to}: let in, and not everything was told of the answer", _AGAIN
    if one.reply_fate == QUEUED and one.reply_rule is not None:
        return UNKNOWN, f"{one.to}: let in, and the answer is taken from the packet filter by {say_rule(one.reply_rule)}", (
            "A program decides about it: look at its log."
        )
    if one.reply:
        said = f"{one.to}: let in, and the answer did not leave the host"
        if traced.likely:
            return CRITICAL, f"{said}; {_say_likely(traced.likely)}", f"Likely, not certain. {_cure(traced.likely[0])}"
        return CRITICAL, said, "Look at legacy iptables and the routes back."
    if one.protocol == "tcp" and not one.forwarded:
        return CRITICAL, f"{one.to}: let in, and the host answered nothing", (
            "The packet filter lets it in. Look at the routes back to it (ip route get), and at the service's accept queue (ss -ltn)."
        )
    return (OK if one.protocol != "tcp" else UNKNOWN), f"{one.to}: let in; no answer was seen", (
        "" if one.protocol != "tcp" else "Look at where it was sent on to."
    )


def say_rule(block: Block) -> str:
    """A rule, for people."""
    return f"{block.where_text}: {block.rule[:200]}"


def _say_likely(blocks: t.Sequence[Block]) -> str:
    return f"likely dropped by {say_rule(blocks[0])}" + (f", or by {len(blocks) - 1} more whose counters rose" if blocks[1:] else "")


def _cure(block: Block) -> str:
    if block.rule.startswith("policy "):
        return "No rule before it accepted the packet: write one that does."
    advice = remedy(block).advice
    return "Change it by hand." if advice.startswith("Change it by hand") else f"What removes it: {advice}"


def let_in_measured(finding: Finding, traced: Traced, *, single: bool, more: bool = False) -> Finding:
    """What the rules say of somebody who should be let in, with what real packets say.

    Args:
        single: it is about one address. Of a network, one that is let in says nothing about the others.
        more: something behind the packet filter may turn it away, which packets do not tell.
    """
    if not traced.packets:
        return finding
    judged = [(one, _judge_packet(one, traced)) for one in traced.packets]
    kept = [(one, said) for one, said in judged if not one.let_in and said[0] == CRITICAL]
    if kept:
        return _kept_out(finding, traced, kept, single=single)
    if more or not single or not traced.ports or not is_settled(traced):
        return _told(finding, traced)
    said = f"packets to {', '.join(sorted({one.to for one in traced.packets}))} were let in"
    if finding.status == UNKNOWN:
        return _told(dataclasses.replace(finding, status=OK, observed=said, hint=""), traced, cause="none")
    if finding.status == CRITICAL and finding.detail.get("cause") == "firewall":
        return _told(dataclasses.replace(
            finding, status=UNKNOWN, observed=f"{said}, though: {finding.observed}",
            hint="The rules drop it only at times, or were read wrongly. Trace again while the person tries.",
        ), traced)
    return _told(finding, traced)


def _kept_out(
    finding: Finding, traced: Traced, kept: t.Sequence[tuple[Packet, tuple[str, str, str]]], *, single: bool,
) -> Finding:
    rules = [rule for one, _said in kept for rule in (one.rule or one.reply_rule,) if rule is not None]
    said = "; ".join(dict.fromkeys(f"{one.source} to {text}" for one, (_status, text, _hint) in kept))
    if not single and finding.status != CRITICAL:
        status = WARNING if finding.status == OK else finding.status
        return _told(dataclasses.replace(finding, status=status, observed=f"some of it is kept out: {said}"), traced)
    blocks = [{**rule.as_dict(), "remedy": remedy(rule).advice} for rule in dict.fromkeys(rules)]
    told = _told(
        dataclasses.replace(finding, status=CRITICAL, observed=f"measured: {said}", hint=kept[0][1][2]), traced,
        cause=cause_of_packet(kept[0][0], traced),
    )
    return dataclasses.replace(told, detail={**told.detail, "blocks": blocks or list(told.detail.get("blocks", ()))})


def cause_of_packet(one: Packet, traced: Traced) -> str:
    """Whose doing it is that a packet did not come through, as causes are named; where it is only likely, that."""
    lost = one.fate == LOST or (bool(one.reply) and one.reply_fate != ARRIVED)
    rule = one.rule or one.reply_rule or (traced.likely[0] if lost and traced.likely else None)
    if rule is not None:
        return rule.owner if rule.owner in ("fail2ban", "crowdsec") else "firewall"
    if lost:
        return "unknown"
    return "service" if one.reply == REFUSED or not one.reply else "none"


def _came_in(traced: Traced, refused: t.Collection[int]) -> list[Packet]:
    """The packets that arrived where nothing behind the packet filter refuses them."""
    return [one for one in traced.packets if one.fate == ARRIVED and one.port not in refused]


def kept_out_measured(finding: Finding, traced: Traced, *, single: bool, refused: t.Collection[int] = ()) -> Finding:
    """What the rules say of somebody who should be kept out, with what real packets say: one that came in is enough.

    Args:
        refused: as of judge_kept_traced.
    """
    if not traced.packets:
        return finding
    came = _came_in(traced, refused)
    if came:
        said = f"measured: {came[0].source} got in to {', '.join(sorted({one.to for one in came}))}"
        return _told(dataclasses.replace(
            finding, status=CRITICAL, observed=said, hint="No rule of the packet filter dropped a real packet of it.",
        ), traced)
    dropped = [one for one in traced.packets if one.fate == DROPPED and one.rule is not None]
    whole = single and traced.ports and not traced.untried and len(dropped) == len(traced.packets)
    if finding.status == UNKNOWN and whole and dropped[0].rule is not None:
        said = f"measured at {', '.join(sorted({one.to for one in dropped}))}: dropped by {say_rule(dropped[0].rule)}"
        return _told(dataclasses.replace(finding, status=OK, observed=said, hint=""), traced)
    return _told(finding, traced)


def blocked_measured(finding: Finding, traced: Traced, *, single: bool) -> Finding:
    """What firewall_trace says of an address, with what real packets say."""
    if not traced.packets:
        return finding
    judged = [(one, _judge_packet(one, traced)) for one in traced.packets]
    bad = [(one, said) for one, said in judged if said[0] == CRITICAL]
    if bad:
        one, (_status, text, hint) = bad[0]
        of_the_service = one.no_rule_dropped_it and (not one.reply or one.reply_fate == ARRIVED)
        finding = dataclasses.replace(finding, status=finding.status if of_the_service else CRITICAL, hint=f"Measured: {text}. {hint}")
        return _told(finding, traced, cause=cause_of_packet(one, traced))
    if single and traced.ports and is_settled(traced):
        if finding.status in (UNKNOWN, WARNING):
            return _told(dataclasses.replace(finding, status=OK, hint=f"Measured: {judged[0][1][1]}."), traced, cause="none")
        if finding.status == CRITICAL:
            hint = f"Measured: {judged[0][1][1]}, though: {finding.hint}"
            return _told(dataclasses.replace(finding, status=UNKNOWN, hint=hint), traced)
    return _told(finding, traced)


def _told(finding: Finding, traced: Traced, **more: t.Any) -> Finding:
    return dataclasses.replace(finding, detail={**finding.detail, **more, CHECK: [one.as_dict() for one in traced.packets[:_MOST]]})
