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

from .._core.judging import Judged
from .decisions import ports as core

#: Names resolve to more addresses than anybody wants to wait for.
MAX_ADDRESSES = 8
PROC = "/proc/net"


def look(
    *, host: str, ports: t.Sequence[int], protocol: str, timeout: float, asked: t.Optional[t.Sequence[str]] = (core.CHECK,),
    proc: str = PROC,
) -> Judged:
    """Judge the ports of a host, all at once.

    Args:
        host: name or address; empty is this host, of which it is known too where it listens.
        ports: the ports.
        protocol: tcp or udp.
        timeout: of one attempt to connect, seconds.
        asked: the checks that must be answered.
        proc: where the kernel's tables are.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(len(ports), 16)) as pool:
        return core.decide(host, protocol, list(pool.map(lambda port: _seen(host, port, protocol, timeout, proc), ports)), asked=asked)


def _seen(host: str, port: int, protocol: str, timeout: float, proc: str) -> core.Seen:
    if protocol == "udp":
        return core.Seen(port, None if host else _listening(proc, "udp", port, core.UNCONNECTED))
    if host:
        return core.Seen(port, answers=tuple(_connect(host, port, timeout)))
    listening = _listening(proc, "tcp", port, core.LISTEN)
    answers: list[core.Answer] = []
    for address in core.to_try(listening or ()):
        answers += _connect(address, port, timeout)
    return core.Seen(port, listening, tuple(answers))


def _listening(proc: str, table: str, port: int, state: str) -> t.Optional[tuple[str, ...]]:
    """Where a port is open; None where the kernel does not say."""
    found: list[str] = []
    seen = False
    for name in (table, f"{table}6"):
        with contextlib.suppress(OSError), open(os.path.join(proc, name), encoding="ascii") as file:
            found += core.listeners(file.read(), port=port, state=state)
            seen = True
    return tuple(found) if seen else None


def _connect(host: str, port: int, timeout: float) -> list[core.Answer]:
    """Try the addresses of a name in their order until one answers."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        return [core.Answer(address=host, seconds=0.0, problem=f"its address was not found: {exc.strerror or exc}", unknown=True)]
    answers = []
    for family, kind, number, _name, where in found[:MAX_ADDRESSES]:
        started, problem = time.monotonic(), ""
        with socket.socket(family, kind, number) as attempt:
            attempt.settimeout(timeout)
            try:
                attempt.connect(where)
            except socket.timeout:
                problem = f"no answer within {timeout:g} s"
            except OSError as exc:
                problem = exc.strerror or str(exc)
        answers.append(core.Answer(address=str(where[0]), seconds=round(time.monotonic() - started, 4), problem=problem))
        if not problem:
            break
    return answers
