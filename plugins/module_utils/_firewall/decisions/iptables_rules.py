# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What iptables-save and ip6tables-save print, as tables, chains and rules.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ..._core.addresses import Span, read_network
from .ipsets import IpSet
from .iptables_matches import Asked, Group, Option, addresses, asked_by, fragment, interface, protocol
from .packet import Packet
from .packet_filter import ACCEPT, DROP, GO_ON, GOTO, JUMP, PERHAPS, RETURN, Chain, Rule, Step, Table, does
from .truths import number

#: The hook of each built-in chain (iptables(8)).
_HOOKS = {"PREROUTING": "prerouting", "INPUT": "input", "FORWARD": "forward", "OUTPUT": "output", "POSTROUTING": "postrouting"}
#: Order of the tables at one hook, as netfilter's priorities have it; nat is late where packets leave its hooks.
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_LATE = {("nat", "INPUT"): 100, ("nat", "POSTROUTING"): 100}
_VERDICTS = {"DROP": DROP, "REJECT": DROP, "TARPIT": DROP, "ACCEPT": ACCEPT, "RETURN": RETURN}
#: Targets that change or count packets and decide nothing here.
_NEUTRAL = frozenset({
    "LOG", "NFLOG", "ULOG", "TRACE", "TCPMSS", "TOS", "DSCP", "TTL", "HL", "CLASSIFY", "AUDIT", "CHECKSUM", "TEE", "SECMARK",
    "CONNSECMARK", "LED", "RATEEST", "TCPOPTSTRIP", "ECN", "IDLETIMER",
})
_TRANSLATING = frozenset({"SNAT", "MASQUERADE"})
_BASE = {
    **dict.fromkeys(("-s", "--source", "--src"), "saddr"), **dict.fromkeys(("-d", "--destination", "--dst"), "daddr"),
}
_OPTION = re.compile(r"--?[a-zA-Z]")
#: What shlex reads otherwise than as words between blanks, and takes its time for.
_QUOTED = re.compile(r"[\"'\\#]")
_COUNTERS = re.compile(r"\[\d+:\d+\] (?=-A )")
_ADDRESS_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[0-9.]+)|(?P<bare>[0-9a-fA-F:]+))?(?::(?P<port>[\d-]+))?\Z")


def parse_save(text: str, *, where: str, family: str, sets: t.Mapping[str, IpSet] | None = None) -> tuple[list[Table], list[str]]:
    """The tables of a dump, and the lines that could not be read.

    Args:
        where: the program, as blocks name it.
        family: ip or ip6.
        sets: ipsets by name; a rule with one that is not here matches perhaps.
    """
    tables: list[Table] = []
    unread: list[str] = []
    name = ""
    policies: dict[str, str] = {}
    rules: dict[str, list[Rule]] = {}

    def finish() -> None:
        if name:
            tables.append(Table(where, family, name, {
                chain: _chain(name, chain, policy, rules.get(chain, ())) for chain, policy in policies.items()}))

    for line in text.splitlines():
        line = _COUNTERS.sub("", line.strip(), count=1)
        if line.startswith("*"):
            finish()
            name, policies, rules = line[1:], {}, {}
        elif line.startswith(":"):
            parts = line[1:].split()
            if len(parts) >= 2:
                policies[parts[0]] = parts[1]
        elif line.startswith("-A "):
            try:
                chain, rule = _rule(line, rules, policies, sets or {})
            except ValueError:
                unread.append(line[:300])
            else:
                rules.setdefault(chain, []).append(rule)
        elif line and not line.startswith("#") and line != "COMMIT":
            unread.append(line[:300])
    finish()
    return tables, unread


def variant_of(text: str) -> str:
    """nf_tables or legacy: whose rules a dump shows, by its first line."""
    return "nf_tables" if "(nf_tables)" in text[:300] else "legacy"


def _chain(table: str, name: str, policy: str, rules: t.Sequence[Rule]) -> Chain:
    return Chain(
        name=name, rules=tuple(rules), hook=_HOOKS.get(name, "") if policy != "-" else "",
        priority=_LATE.get((table, name), _PRIORITIES.get(table, 0)), policy=DROP if policy == "DROP" else ACCEPT,
        kind="nat" if table == "nat" else "filter",
    )


def _rule(line: str, rules: t.Mapping[str, t.Sequence[Rule]], policies: t.Mapping[str, str], sets: t.Mapping[str, IpSet],
          ) -> tuple[str, Rule]:
    words = shlex.split(line) if _QUOTED.search(line) else line.split()
    if len(words) < 2:
        raise ValueError("too short")
    chain = words[1]
    asked = Asked()
    groups: list[tuple[str, list[Option]]] = [("", [])]
    ending: t.Optional[tuple[str, str]] = None
    effects: list[Option] = []
    for option in _options(words[2:]):
        if option.name in ("-j", "--jump", "-g", "--goto"):
            if not option.first:
                raise ValueError("no target")
            ending = option.first, option.name
        elif ending is not None:
            effects.append(option)
        elif option.name in ("-m", "--match"):
            groups.append((option.first, []))
        else:
            base = _base(option)
            if base is not None:
                asked.add(base)
            else:
                groups[-1][1].append(option)
    for name, options in groups:
        if name or options:
            asked.add(asked_by(Group(name, tuple(options)), sets))
    verdict, target, steps, writes = _ending(ending, effects, policies)
    return chain, Rule(
        number=len(rules.get(chain, ())) + 1, verdict=verdict, text=line, target=target, steps=(*asked.steps, *steps),
        sources=tuple(asked.sources), sets=frozenset(asked.sets | writes), plain=asked.plain and not writes,
    )


def _options(words: t.Sequence[str]) -> t.Iterator[Option]:
    at, negated = 0, False
    while at < len(words):
        if words[at] == "!":
            negated, at = True, at + 1
            continue
        end = at + 1
        while end < len(words) and not _OPTION.match(words[end]) and words[end] != "!":
            end += 1
        yield Option(words[at], tuple(words[at + 1:end]), negated)
        at, negated = end, False


def _base(option: Option) -> t.Optional[Asked]:
    """What belongs to no match."""
    if option.name in _BASE:
        return addresses(option.first, side=_BASE[option.name], negated=option.negated, said=option.text)
    if option.name in ("-p", "--protocol"):
        return protocol(option)
    if option.name in ("-i", "--in-interface", "-o", "--out-interface"):
        return interface(option)
    return fragment(option) if option.name in ("-f", "--fragment") else None


def _ending(ending: t.Optional[tuple[str, str]], options: t.Sequence[Option], policies: t.Mapping[str, str],
            ) -> tuple[str, str, list[Step], set[str]]:
    """The verdict, the chain of a jump, what the target does, and the sets that it writes."""
    if ending is None:
        return GO_ON, "", [], set()
    name, how = ending
    given = {option.name: option for option in options}
    if name in policies:
        return (GOTO if how in ("-g", "--goto") else JUMP), name, [], set()
    if name in _VERDICTS:
        return _VERDICTS[name], "", [], set()
    if name in _NEUTRAL:
        return GO_ON, "", [], set()
    if name in _TRANSLATING:
        return ACCEPT, "", [], set()
    if name in ("DNAT", "REDIRECT"):
        return ACCEPT, "", [does(_translation(name, given))], set()
    if name in ("MARK", "CONNMARK"):
        return GO_ON, "", [does(_marking(name, given))], set()
    if name == "NOTRACK" or (name == "CT" and "--notrack" in given):
        return GO_ON, "", [does(lambda packet, sure: packet.untrack(sure=sure))], set()
    if name == "CT":
        zoned = any(option.startswith("--zone") for option in given)
        return GO_ON, "", [does(lambda packet, sure: packet.rezone())] if zoned else [], set()
    if name == "SET":
        written = {option.first for option in options if option.name in ("--add-set", "--del-set", "--map-set")}
        return GO_ON, "", [does(lambda packet, sure: packet.written.update(written))], written
    return PERHAPS, "", [], set()


def _translation(name: str, given: t.Mapping[str, Option]) -> t.Callable[[Packet, bool], None]:
    to: t.Optional[Span] = None
    port: t.Optional[tuple[int, int]] = None
    if name == "REDIRECT":
        said = given["--to-ports"].first if "--to-ports" in given else ""
    else:
        match = _ADDRESS_PORT.match(given["--to-destination"].first) if "--to-destination" in given else None
        address = (match["six"] or match["four"] or match["bare"] or "") if match else ""
        network = read_network(address)
        to, said = Span.of(network) if network else None, (match["port"] or "") if match else ""
    if said:
        low, _dash, high = said.partition("-")
        first, last = number(low), number(high or low)
        port = (first, last) if first is not None and last is not None else (0, 65535)
    keeps = name == "REDIRECT" or ("--to-destination" in given and given["--to-destination"].first.startswith(":"))
    return lambda packet, sure: packet.redirect(packet.destination if keeps else to, port, sure=sure)


def _marking(name: str, given: t.Mapping[str, Option]) -> t.Callable[[Packet, bool], None]:
    """What MARK and CONNMARK do. A mark that cannot be told from the rule is not known from there."""
    def masks(first: str, second: str) -> tuple[int, int]:
        found = [number(given[one].first) if one in given else 0xFFFFFFFF for one in (first, second)]
        return tuple(0xFFFFFFFF if one is None else one for one in found)  # type: ignore[return-value]

    def changed(packet: Packet) -> t.Optional[int]:
        now = packet.mark if name == "MARK" else packet.ct_mark
        for option in ("--set-xmark", "--set-mark"):
            if option in given:
                text, _slash, mask = given[option].first.partition("/")
                value, bits = number(text), number(mask or "0xffffffff")
                if now is None and bits == 0xFFFFFFFF:
                    now = 0
                if value is None or bits is None or now is None:
                    return None
                return (now & ~bits) ^ value if option == "--set-xmark" else (now & ~bits) | value
        ours, theirs = masks("--nfmask", "--ctmask")
        if packet.mark is None or packet.ct_mark is None or name == "MARK":
            return None
        if "--save-mark" in given:
            return (packet.ct_mark & ~theirs) ^ (packet.mark & ours)
        return (packet.mark & ~ours) ^ (packet.ct_mark & theirs) if "--restore-mark" in given else None

    connection = name == "CONNMARK" and "--restore-mark" not in given
    return lambda packet, sure: packet.set_mark(changed(packet), sure=sure, connection=connection)
