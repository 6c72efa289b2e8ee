# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask iproute2 for the ways to addresses. It only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import functools
import os
import re
import time
import typing as t

from .._core.addresses import Span
from .._module.programs import Run
from .decisions.packet import Host, Ticks, ticks
from .decisions.routing import Neighbour, Reach, dead_rule, has_marks, parse_host, parse_neighbour, parse_reach, parse_recent

_RECENT = "/proc/thread-self/net/xt_recent"
_TIMERS = "/proc/timer_list"
_JIFFIES = re.compile(r"^jiffies: (\d+)$", re.MULTILINE)
_MAX_FILE = 1024 * 1024


class Ways:
    """The ways of this host, each asked for once."""

    def __init__(self, run: Run, *, dead: t.Sequence[tuple[Span, str, str]] = (), recent: str = _RECENT) -> None:
        self._run = run
        self.dead = dead
        self._asked: dict[tuple[str, ...], Reach] = {}
        self._others: dict[str, str] = {}
        self._recent = recent

    @functools.cached_property
    def _read(self) -> tuple[Host, dict[str, str]]:
        recent = _recent_lists(self._recent)
        return parse_host(self._run(["ip", "-j", "-d", "addr"]).out, recent, _clock(_TIMERS) if recent else None)

    @property
    def host(self) -> Host:
        """The host itself."""
        return self._read[0]

    @functools.cached_property
    def _rules(self) -> dict[int, str]:
        return {version: self._run(["ip", f"-{version}", "-j", "rule"]).out for version in (4, 6)}

    def _get(self, *words: str) -> Reach:
        if words not in self._asked:
            ran = self._run(["ip", "-j", "route", "get", *words])
            self._asked[words] = parse_reach(ran.out, ran.problem)
        return self._asked[words]

    def reach(self, to: Span) -> Reach:
        """The way to an address."""
        return self._get(str(to))

    def back(self, to: Span, *, local: Span, protocol: t.Optional[str], port: t.Optional[int], mark: t.Optional[int]) -> Reach:
        """The way of the answer; a mark of None is not known."""
        if mark is None and has_marks(self._rules[to.version]):
            return Reach(unknown="rules of routing ask for its mark")
        ports = ("ipproto", protocol, "sport", str(port)) if protocol and port is not None else ()
        return self._get(str(to), "from", str(local), *ports, *(("mark", str(mark)) if mark else ()))

    def incoming(
        self, source: Span, *, local: Span, device: str, protocol: t.Optional[str], port: t.Optional[int], mark: t.Optional[int],
    ) -> Reach:
        """The way of a packet that comes in; a mark of None is not known."""
        if mark is None and has_marks(self._rules[source.version]):
            return Reach(unknown="rules of routing ask for its mark")
        ports = ("ipproto", protocol, "dport", str(port)) if protocol and port is not None else ()
        return self._get(str(local), "from", str(source), "iif", device, *ports, *(("mark", str(mark)) if mark else ()))

    def neighbour(self, reach: Reach, to: Span) -> Neighbour:
        """The next host on a way."""
        if not reach.device or reach.own:
            return Neighbour()
        return parse_neighbour(self._run(["ip", "-j", "neigh", "show", "to", str(reach.gateway or to), "dev", reach.device]).out)

    def others(self, device: str) -> str:
        """What else decides at an interface, and is not read here; empty where nothing does."""
        if device not in self._others:
            found = [self._read[1][device]] if device in self._read[1] else []
            found += [
                f"filters of tc at {device} {side}" for side in ("ingress", "egress")
                if self._run(["tc", "filter", "show", "dev", device, side]).out.strip()
            ]
            self._others[device] = "; ".join(found)
        return self._others[device]

    def dead_rule(self, span: Span) -> str:
        """The rule of routing that keeps an address from being answered; empty where there is none."""
        return dead_rule(self._rules[span.version], span)


def _clock(path: str) -> t.Optional[Ticks]:
    """The clock of those lists, which only root can read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            found = _JIFFIES.search(file.read(_MAX_FILE))
    except OSError:
        return None
    return ticks(int(found[1]), time.monotonic()) if found else None


def _recent_lists(folder: str) -> dict[str, t.Optional[t.Mapping[Span, t.Sequence[int]]]]:
    found: dict[str, t.Optional[t.Mapping[Span, t.Sequence[int]]]] = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            with open(os.path.join(folder, name), encoding="ascii", errors="replace") as file:
                text = file.read(_MAX_FILE)
                # Of a list that is longer nobody knows who else is in it.
                found[name] = parse_recent(text) if len(text) < _MAX_FILE else None
        except OSError:
            found[name] = None
    return found
