# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at ports: the sockets of this host, and connections to it or to another.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import socket
import time
import typing as t

from .._core.addresses import Network, resolve_inputs
from .._core.judging import Judged
from .._module.programs import Run, run
from .decisions import greetings, listening
from .decisions import ports as core
from .refusals import Wanted, read_refusals

#: Names resolve to more addresses than anybody wants to wait for.
MAX_ADDRESSES = 8
PROC = "/proc/net"
_SOMAXCONN = "/proc/sys/net/core/somaxconn"
#: Between two looks at a queue that is not empty: seconds.
_TICK = 0.05


def look(
    *, host: str, ports: t.Sequence[int], protocol: str, timeout: float, asked: t.Optional[t.Sequence[str]] = (core.CHECK,),
    proc: str = PROC, expect: str = greetings.AUTO, clients: t.Sequence[Network] = (), programs: Run = run,
    refusals: t.Optional[Wanted] = None,
) -> Judged:
    """Judge the ports of a host, all at once.

    Args:
        host: name or address; empty is this host, of which it is known too where it listens.
        ports: the ports.
        protocol: tcp or udp.
        timeout: of one attempt to connect, seconds; a service may take as long to say its first word, and to accept who comes.
        asked: the checks that must be answered.
        proc: where the kernel's tables are.
        expect: what the service says first, see greetings.
        clients: who wants to reach the ports of this host: they are tried at the addresses at which these come in.
        programs: runs ss and journalctl.
        refusals: what to look for in the logs; None is nothing.
    """
    ways = _ways(clients) if not host else {}
    probe = _Probe(host=host, protocol=protocol, timeout=timeout, proc=proc, expect=expect, ways=ways, programs=programs)
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(len(ports), 16)) as pool:
        seen = list(pool.map(probe.see, ports))
    said = read_refusals(refusals, clients, programs=programs) if refusals is not None and clients and not host else None
    return core.decide(host, protocol, seen, asked=asked, refusals=said)


def clients_from(inputs: t.Sequence[str], *, resolve: bool) -> list[Network]:
    """Who wants to reach the ports, from a module's option; see resolve_inputs()."""
    def lookup(name: str) -> list[str]:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})

    return [one for found in resolve_inputs(inputs, resolve=resolve, lookup=lookup, name="clients").values() for one in found]


class _Probe(t.NamedTuple):
    """How ports are tried; see look(). `ways` has for each of our addresses who comes in there."""

    host: str
    protocol: str
    timeout: float
    proc: str
    expect: str
    ways: t.Mapping[str, tuple[str, ...]]
    programs: Run

    def see(self, port: int) -> core.Seen:
        """Look at one port."""
        kind = self._kind(port)
        if self.protocol == "udp":
            return core.Seen(port, None if self.host else _listening(self.proc, "udp", port, core.UNCONNECTED))
        if self.host:
            return core.Seen(port, answers=tuple(_connect(self.host, port, self.timeout, kind)), expected=kind)
        where = _listening(self.proc, "tcp", port, core.LISTEN)
        answers: list[core.Answer] = []
        for address in dict.fromkeys([*self.ways, *core.to_try(where or ())]) if self.ways else core.to_try(where or ()):
            answers += _connect(address, port, self.timeout, kind, clients=self.ways.get(address, ()))
        looks, seconds = self._queues(port)
        return core.Seen(port, where, tuple(answers), expected=kind, named=self.expect == kind, queues=looks, looked_for=seconds)

    def _kind(self, port: int) -> str:
        return greetings.usual(port) if self.expect == greetings.AUTO else self.expect

    def _queues(self, port: int) -> tuple[tuple[tuple[listening.Queue, ...], ...], float]:
        """The accept queues of the port: once, or until one look finds nobody waiting."""
        looks: list[tuple[listening.Queue, ...]] = []
        began = time.monotonic()
        while True:
            looks.append(_queue(self.proc, port, self.programs))
            seconds = time.monotonic() - began
            if not any(queue.waiting for queue in looks[-1]) or seconds >= self.timeout:
                # Of many looks the first and the last ones say enough.
                return (*looks[:10], *looks[10:][-10:]), round(seconds, 1)
            time.sleep(_TICK)


def _queue(proc: str, port: int, programs: Run) -> tuple[listening.Queue, ...]:
    if proc == PROC:
        ran = programs(["ss", "-ltn"])
        if not ran.problem:
            return listening.parse_ss(ran.out, port=port)
    found: list[listening.Queue] = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(os.path.join(proc, name), encoding="ascii") as file:
            found += listening.parse_proc(file.read(), port=port, most=_somaxconn())
    return tuple(found)


def _somaxconn() -> int:
    """No queue is longer than this."""
    try:
        with open(_SOMAXCONN, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 4096


def _ways(clients: t.Sequence[Network]) -> dict[str, tuple[str, ...]]:
    """Our addresses at which clients come in, as far as routing knows: those with which we would answer them. It sends nothing."""
    found: dict[str, list[str]] = {}
    for client in clients:
        family = socket.AF_INET if client.version == 4 else socket.AF_INET6
        peer = client.network_address if client.num_addresses <= 2 else client.network_address + 1
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as way:
            way.connect((str(peer), 9))
            found.setdefault(str(way.getsockname()[0]), []).append(str(client if client.num_addresses > 1 else peer))
    return {address: tuple(who) for address, who in found.items()}


def _listening(proc: str, table: str, port: int, state: str) -> t.Optional[tuple[str, ...]]:
    """Where a port is open; None where the kernel does not say."""
    found: list[str] = []
    seen = False
    for name in (table, f"{table}6"):
        with contextlib.suppress(OSError), open(os.path.join(proc, name), encoding="ascii") as file:
            found += core.listeners(file.read(), port=port, state=state)
            seen = True
    return tuple(found) if seen else None


def _connect(host: str, port: int, timeout: float, kind: str, *, clients: tuple[str, ...] = ()) -> list[core.Answer]:
    """Try the addresses of a name in their order until one answers."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        return [core.Answer(address=host, seconds=0.0, problem=f"its address was not found: {exc.strerror or exc}", unknown=True)]
    answers = []
    for family, sort, number, _name, where in found[:MAX_ADDRESSES]:
        started, problem, heard, words = time.monotonic(), "", "", b""
        with socket.socket(family, sort, number) as attempt:
            attempt.settimeout(timeout)
            try:
                attempt.connect(where)
            except socket.timeout:
                problem = f"no answer within {timeout:g} s"
            except OSError as exc:
                problem = exc.strerror or str(exc)
            seconds = round(time.monotonic() - started, 4)
            if not problem and kind != greetings.NONE:
                heard, words = _listen(attempt, kind, timeout)
        answers.append(core.Answer(
            address=str(where[0]), seconds=seconds, problem=problem, heard=heard, words=greetings.shown(words), clients=clients,
        ))
        if not problem:
            break
    return answers


def _listen(connected: socket.socket, kind: str, timeout: float) -> tuple[str, bytes]:
    """The first words of a service, and what they mean."""
    greeting = greetings.KINDS[kind]
    until = time.monotonic() + max(timeout, greeting.patience)
    words, closed = b"", False
    try:
        if greeting.asks:
            connected.sendall(greeting.asks)
        while not closed and not greetings.enough(kind, words):
            left = until - time.monotonic()
            if left <= 0:
                break
            connected.settimeout(left)
            data = connected.recv(1024)
            words, closed = words + data, not data
    except socket.timeout:
        pass
    except OSError:
        closed = True
    return greetings.hear(kind, words, closed=closed), words
