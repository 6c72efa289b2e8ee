# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of the modules that talk to the daemon that bans, and what they mean.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import socket as sockets
import typing as t

from .._core import ranges
from .._core.addresses import Network, resolve_inputs
from .._core.errors import CannotReach
from .client import Clock, connect
from .daemons import CROWDSEC, FAIL2BAN, Backend, CrowdSec, Fail2ban, has_crowdsec
from .decisions.daemon import DEFAULT_SOCKET

AUTO = "auto"


def daemon_spec() -> dict[str, t.Any]:
    """The options of the fragment oncall.incident.fail2ban."""
    return {
        "backend": {"type": "str", "choices": [AUTO, FAIL2BAN, CROWDSEC], "default": AUTO},
        "socket": {"type": "path", "default": DEFAULT_SOCKET},
        "client_command": {"type": "list", "elements": "str"},
        "timeout": {"type": "str", "default": "60s"},
    }


def open_backend(params: t.Mapping[str, t.Any]) -> Backend:
    """The daemon that these arguments name.

    Raises:
        BadInput: timeout is not a duration, or too short.
        CannotReach: it does not answer, or there is none.
    """
    clock = Clock(ranges.read(params["timeout"], name="timeout"))
    command = params["client_command"] or []
    wanted = params["backend"]
    if wanted == AUTO:
        wanted = choose(params["socket"], command)
    if wanted == CROWDSEC:
        backend = CrowdSec(command, clock)
        backend.jails()
        return backend
    return Fail2ban(connect(path=params["socket"], client_command=command or ["fail2ban-client"], clock=clock))


def choose(path: str, command: t.Sequence[str]) -> str:
    """Which daemon is on this host."""
    if os.path.exists(path):
        return FAIL2BAN
    if has_crowdsec([] if not command else command) and os.path.basename((list(command) or ["cscli"])[0]) == "cscli":
        return CROWDSEC
    if os.path.isdir("/etc/fail2ban"):
        return FAIL2BAN
    raise CannotReach(f"Neither fail2ban ({path}) nor CrowdSec (cscli) is on this host.", hint="Set socket, backend or client_command.",
                      reason="no_daemon")


def targets_of(inputs: t.Sequence[t.Any] | None, *, resolve: bool, name: str = "addresses") -> dict[str, list[Network]]:
    """What inputs mean; see resolve_inputs()."""
    return resolve_inputs(inputs or (), resolve=resolve, lookup=lookup, name=name)


def lookup(name: str) -> list[str]:
    """The addresses of a host name."""
    return sorted({str(found[4][0]) for found in sockets.getaddrinfo(name, None, type=sockets.SOCK_STREAM)})
