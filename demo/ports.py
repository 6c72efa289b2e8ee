# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports for throw-away servers of the loopback, drawn at random."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Sequence

#: Below what systems give to outgoing connections: a drawn port stays free until its server listens.
RANGE = (10_000, 32_000)
_RANDOM = random.SystemRandom()


def free_ports(count: int, *, addresses: Sequence[str] = ("127.0.0.1",)) -> list[int]:
    """Different ports that nobody listens on, at any of the addresses."""
    found: list[int] = []
    while len(found) < count:
        port = _RANDOM.randrange(*RANGE)
        if port not in found and all(_is_free(address, port) for address in addresses):
            found.append(port)
    return found


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    return free_ports(1)[0]


def _is_free(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
        return True
    return False
