# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which refusals of a connection say that the server is sick, and what to do about each.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

#: What else may be wrong where nobody listens: the place that was looked at.
ELSEWHERE = (
    "If the server is not on this host, give its address (login_host), or another way in the role (postgres_via: controller, container, "
    "ssh_tunnel or kubernetes)."
)
#: The application meets the same refusal: a finding. Every other kind (a wrong password, TLS, a pooler) says that
#: we ask wrongly and know nothing about the server: a failure.
SICK: t.Mapping[str, str] = {
    "slots_exhausted": "Every connection slot is taken, the reserved ones too: restart the application that holds them (its "
                       "pool gives them back), then bound its pool. For the next time keep a login that may use reserved_connections "
                       "or is a superuser.",
    "starting_up": "The server is starting, recovering or shutting down: follow its log; a long recovery after a crash ends by itself.",
    "refused": f"Nothing listens there: check whether the server runs and why it stopped, in its log and the system's. {ELSEWHERE}",
    "no_socket": f"No server listens on that socket: check whether the server runs and why it stopped. {ELSEWHERE}",
    "timeout": "The server or the way to it does not answer: look at the host's load, its disk and the network.",
    "no_route": "The network has no way to the host: check whether the host is up.",
    "connection_lost": "The session broke while it was used: the server crashed, was restarted or ended it; look at its log.",
}


#: Of these, those of a server that answers nobody. Where the slots are taken it works for those who have them.
SILENT = frozenset({"starting_up", "refused", "no_socket", "timeout"})


def is_sick(kind: str) -> bool:
    """Whether this kind of refusal is a finding about the server."""
    return kind in SICK


def availability_hint(kind: str) -> str:
    """What to do about it."""
    return SICK.get(kind, "")


def tried(attempts: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """By which logins it was tried, as a sentence; empty where that is not known."""
    logins = list(dict.fromkeys(str(one.get("login")) for one in attempts if one.get("login")))
    return f"Tried {', '.join(logins)}." if logins else ""
