# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which refusals of a Redis connection say that the server is sick, which that we ask wrongly, and what to do about each.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

#: The connection was closed without an answer; no command is answered; what answers is a proxy.
LOST, PAUSED, PROXY = "connection_lost", "paused", "proxy"

#: The application meets the same refusal: a finding. By kind: hint.
SICK: t.Mapping[str, str] = {
    "refused": "Nothing listens there: check whether the server runs and why it stopped, in its log and the system's.",
    "no_socket": "No server listens on that socket: check whether the server runs and why it stopped.",
    "frozen": "The connection is taken and nothing is answered: the process is stopped, swaps, or runs one endless command. Before Redis "
              "6.2 CLIENT PAUSE looks the same, and ends by itself. Look at the process and the host before a restart.",
    PAUSED: "CLIENT PAUSE holds all commands back until its time is over; CLIENT UNPAUSE may be held back too. The process lives: a "
            "restart would only lose what is not saved. Find out who paused it, as a failover does.",
    "timeout": "The server or the way to it does not answer: look at the host's load and the network.",
    "no_route": "The network has no way to the host: check whether the host is up.",
    "maxclients": "The server lives and takes no more connections: find who holds them, raise maxclients at run time, or end idle ones.",
    LOST: "The connection was closed without an answer: the server crashed or was restarted, another program listens there, or the server "
          "behind a proxy or tunnel is gone. Look at who listens there, and at its log.",
    "cannot_connect": "The system gave no connection; the message says why.",
}

#: Nothing is known of the server: a failure of the question.
ASKED_WRONGLY: t.Mapping[str, str] = {
    "auth_required": "Give login_password, and login_user where it is not the user called default.",
    "wrong_password": "Give the password that the server has for this user; a user that is switched off looks the same.",
    "auth_refused": "The server refused the login; its message says why.",
    "unknown_host": "The name has no address: check login_host.",
    "no_socket_permission": "The user who runs the module may not use the socket: become one of the socket's group.",
    "tls_failed": "Check ca_cert, the name in login_host, and client_cert with client_key where the server asks for one.",
    "tls_required": "The server takes only TLS there: set tls to true.",
    "tls_not_offered": "The server speaks no TLS on this port: set tls to false, or give the port that does.",
    "protected_mode": "The server takes connections from its own host only: log in from there, or give it a password.",
    "not_redis": "Something else than Redis answers there: check login_host and login_port.",
}

#: What to do where a server answered on the same connection before.
SILENT_SINCE = (
    "It answered before, and not this: CLIENT PAUSE holds writes or all commands back, or the process was stopped meanwhile. "
    "redis_health says which."
)
#: Who answers is not the server, so that nothing is known of that: a finding that is unknown.
OF_ANOTHER: t.Mapping[str, str] = {
    PROXY: "A proxy answers there. What the server behind it does cannot be asked through it: give that server's own address.",
}

#: Kinds that come from a living process: it answered, if only to refuse.
ALIVE_ALL_THE_SAME = frozenset({
    PAUSED, PROXY, "maxclients", "auth_required", "wrong_password", "auth_refused", "protected_mode", "tls_required", "tls_not_offered",
})


def is_sick(kind: str) -> bool:
    """Whether this kind of refusal is a finding about the server."""
    return kind in SICK


def is_of_another(kind: str) -> bool:
    """Whether this kind of refusal says that the server itself was not reached: a finding that is unknown."""
    return kind in OF_ANOTHER


def availability_hint(kind: str) -> str:
    """What to do about it."""
    return SICK.get(kind) or OF_ANOTHER.get(kind) or ASKED_WRONGLY.get(kind, "")
