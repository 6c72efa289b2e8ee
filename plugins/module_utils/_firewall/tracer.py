# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trace real packets through this host's packet filter while somebody tries to connect.

This module util is PRIVATE to the collection: it may change at any time.

For that a table of our own is there for a while. It drops nothing; whom it traces the kernel forgets by itself, and the table is
removed at the end.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import errno
import json
import math
import re
import secrets
import select
import signal
import socket
import threading
import time
import typing as t

from .._core import ranges
from .._core.temporary import KERNEL, Temporary, say
from .._module.programs import Run
from .decisions.counted_rules import Key, counters, likely
from .decisions.iptables_rules import variant_of
from .decisions.measured import Measured, Packet, Request
from .decisions.packet_filter import DROP, EVERYONE, Block, owner_of
from .decisions.rule_texts import IPTABLES_TABLES, find_listed, has_chain, nth_rule
from .decisions.trace_events import QUIET, Followed, Follower, Place, parse_events
from .decisions.trace_table import PREFIX, forgotten, script

#: NETLINK_NETFILTER and NFNLGRP_NFTRACE (linux/netlink.h, linux/netfilter/nfnetlink.h); a group is a bit of what a socket joins.
_NETFILTER, _TRACES = 12, 1 << (9 - 1)
_ROOM = 4 * 1024 * 1024
_TICK = 0.2
#: The kernel traces for a little longer than is listened, so that the last packet is not half told: seconds.
_LONGER = 5
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_FAMILIES = {"iptables": "ip", "ip6tables": "ip6"}
_SET = re.compile(r"@(\S+)|--match-set (\S+)")
_NFT_ALONE = re.compile(r"[{@]|\bvmap\b")
_MOST = 50
Clock = t.Callable[[], float]


def trace_time(text: str) -> float:
    """How long is traced, from a module's option; 0 is not at all.

    Raises:
        BadInput: it is not a duration, or longer than anybody waits.
    """
    return ranges.read(text, name="trace_for") if text else 0.0


def left_behind(said: t.Optional[t.Mapping[str, t.Any]]) -> bool:
    """Whether our object is still in the kernel: it could not be removed."""
    return said is not None and not said["removed"]


def trace_packets(request: Request, *, run: Run, clock: Clock = time.monotonic) -> Measured:
    """Trace until of everybody it is known what became of a packet, or the time is up.

    What cannot be traced is said in the result's `problem`; it is not a failure.
    """
    started = clock()
    before = _legacy(run)
    with _Table(request, run) as table:
        table.listen(clock)
        if table.problem and before:
            _let_pass(request.seconds - (clock() - started), clock)
        after = _legacy(run) if before else {}
        texts = _Texts(run)
        packets = _summed([_packet(one, texts) for one in table.follower.followed(at=clock())])
    counted = {
        span: tuple(
            block for program, counts in after.items() if (_FAMILIES[program] == "ip") == (span.version == 4)
            for block in likely(
                before.get(program, {}), counts, span, where=f"{program}-legacy", family=_FAMILIES[program], ports=request.ports,
                protocol=request.protocol,
            )
        ) for span in request.spans
    }
    return Measured(request, round(clock() - started, 1), packets, counted, table.problem, table.missed, table.said())


class _Table:
    """Our table in the kernel, and a socket that hears of traced packets since before it was made."""

    def __init__(self, request: Request, run: Run) -> None:
        self._request, self._run = request, run
        self.name = f"{PREFIX}{secrets.token_hex(4)}"
        self.follower = Follower(self.name, request.spans, ports=request.ports)
        self.problem = ""
        self.missed = False
        self._left = ""
        self._made = False
        self._temporary: t.Optional[Temporary] = None
        self._on_exit = contextlib.ExitStack()
        self._socket: t.Optional[socket.socket] = None

    def __enter__(self) -> _Table:
        self._on_exit.enter_context(_ended_politely())
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        try:
            if self._socket is not None:
                self._socket.close()
            if self._made:
                ran = self._run(["nft", "delete", "table", "inet", self.name])
                self._left = ran.problem
        finally:
            self._on_exit.close()

    def _make(self) -> None:
        lasts = math.ceil(self._request.seconds) + _LONGER
        try:
            self._socket = _listening()
        except OSError as exc:
            self.problem = f"the kernel's trace messages cannot be heard: {exc.strerror or exc}"
            return
        for name in _forgotten(self._run):
            self._run(["nft", "delete", "table", "inet", name])
        text = script(self.name, self._request.spans, ports=self._request.ports, protocol=self._request.protocol, seconds=lasts)
        self._made = True  # also where nft is ended before it says so
        ran = self._run(["nft", text])
        if ran.problem:
            self.problem = f"nftables: {ran.problem}"
            # Whoever was ended in the middle may have made it: it is removed at the end, unless it was never there.
            self._made = not ran.missing and bool(self._run(["nft", "list", "table", "inet", self.name]).out)
            if not self._made:
                return
        self._temporary = Temporary(way_back="The table is removed when the trace ends.", ends=KERNEL, lasts=float(lasts)).armed(
            until=time.time() + lasts)

    def listen(self, clock: Clock) -> None:
        """Hear what is told of packets until all is known, or the time is up."""
        until = clock() + self._request.seconds
        while not self.problem and self._socket is not None:
            if select.select([self._socket], [], [], _TICK)[0]:
                self._hear(self._socket, clock)
            # What came in the last moment may still be on its way.
            elif self.follower.settled(at=clock()):
                return
            if clock() >= until:
                self.follower.close()
            if clock() >= until + QUIET + _TICK:
                return

    def _hear(self, heard: socket.socket, clock: Clock) -> None:
        try:
            data = heard.recv(_ROOM)
        except OSError as exc:
            if exc.errno == errno.ENOBUFS:
                self.missed = True
            else:
                self.problem = f"the kernel's trace messages cannot be heard any more: {exc.strerror or exc}"
            return
        for event in parse_events(data):
            self.follower.take(event, at=clock())

    def said(self) -> dict[str, t.Any]:
        """What our object was, until when it is there at most, and whether it is gone; for results."""
        if self._temporary is None:
            return {"object": "", "ends": "", "expires": "", "removed": True, "problem": self.problem}
        return {
            "object": f"table inet {self.name}", "ends": say(self._temporary), "expires": self._temporary.expires,
            "removed": not self._left, "problem": self._left,
        }


def _listening() -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        made.bind((0, _TRACES))
    except OSError:
        made.close()
        raise
    return made


def _forgotten(run: Run) -> list[str]:
    listed = run(["nft", "-j", "list", "tables"])
    if PREFIX not in listed.out:
        return []
    tables = _objects(listed.out, "table")
    sets, seen = [], []
    for one in tables:
        if str(one.get("name", "")).startswith(PREFIX):
            ran = run(["nft", "-j", "list", "table", "inet", str(one["name"])])
            if ran.problem:
                continue  # whether somebody traces with it is not known
            seen.append(one)
            sets += _objects(ran.out, "set")
    return forgotten(seen, sets)


def _objects(text: str, kind: str) -> list[dict[str, t.Any]]:
    try:
        found = json.loads(text or "{}").get("nftables", [])
    except ValueError:
        return []
    return [one[kind] for one in found if isinstance(one, dict) and isinstance(one.get(kind), dict)]


@contextlib.contextmanager
def _ended_politely() -> t.Iterator[None]:
    """Whoever ends this process meanwhile lets it remove its table first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _let_pass(seconds: float, clock: Clock) -> None:
    """Between two readings of counters there is time for the person to try."""
    until = clock() + seconds
    while clock() < until:
        time.sleep(min(_TICK, max(until - clock(), 0)))


def _legacy(run: Run) -> dict[str, dict[Key, int]]:
    """What legacy iptables counted until now, by program; nothing where it has no rules."""
    found: dict[str, dict[Key, int]] = {}
    for name in _FAMILIES:
        for program in (f"{name}-legacy-save", f"{name}-save"):
            ran = run([program, "-c"])
            if not ran.problem and ran.out.strip() and variant_of(ran.out) == "legacy":
                found[name] = counters(ran.out)
                break
    return found


class _Texts:
    """The texts of rules, each chain read once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._read: dict[tuple[str, ...], str] = {}
        self._known: dict[Place, Block] = {}

    def block(self, place: Place) -> Block:
        """The rule at a place as blocks say it."""
        if place not in self._known:
            self._known[place] = self._block(place)
        return self._known[place]

    def _out(self, *argv: str) -> str:
        if argv not in self._read:
            self._read[argv] = self._run(argv).out
        return self._read[argv]

    def _block(self, place: Place) -> Block:
        where, text, number, handle = "nftables", "policy drop", None, place.handle
        listed = None
        if handle is not None:
            listed = find_listed(self._out("nft", "-a", "list", "chain", place.family, place.table, place.chain), handle)
            text = listed.text if listed else "a rule that is gone by now"
        program = next((name for name, family in _FAMILIES.items() if family == place.family), "")
        # Of what iptables does not write, iptables-save shows less than there is.
        if program and place.table in IPTABLES_TABLES and not _NFT_ALONE.search(text):
            saved = program if variant_of(self._out(f"{program}-save")) == "nf_tables" else f"{program}-nft"
            dump = self._out(f"{saved}-save")
            if listed:
                found = nth_rule(dump, table=place.table, chain=place.chain, number=listed.number, among=listed.among)
            else:
                found = "policy drop" if handle is None and has_chain(dump, table=place.table, chain=place.chain) else ""
            if found:
                # iptables knows its rules by their place, and not by the handle.
                where, text, number, handle = saved, found, listed.number if listed else None, None
        named = [name for pair in _SET.findall(text) for name in pair if name]
        owner, jail = owner_of(*named, place.chain, place.table)
        return Block(
            where=where, rule=text, verdict=DROP, family=place.family, table=place.table, chain=place.chain, handle=handle, number=number,
            set=named[0] if named else "", matched=EVERYONE, owner=owner, jail=jail,
        )


def _packet(one: Followed, texts: _Texts) -> Packet:
    reply = one.reply
    return Packet(
        one.source, one.target, one.protocol, one.port, one.fate, None if one.place is None else texts.block(one.place), one.forwarded,
        reply=reply.kind if reply else "", reply_fate=reply.fate if reply else "",
        reply_rule=texts.block(reply.place) if reply and reply.place else None,
    )


def _summed(packets: t.Sequence[Packet]) -> tuple[Packet, ...]:
    """Each kind once, with how often it came."""
    counts = collections.Counter(packets)
    return tuple(dataclasses.replace(one, count=count) for one, count in list(counts.items())[:_MOST])
