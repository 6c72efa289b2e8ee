# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to a server: on its host, from the controller, or through a container, SSH or Kubernetes.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .errors import BadInput

#: The modules run on the controller and reach the server through a tunnel that ends at LOOPBACK.
TUNNELS = ("ssh_tunnel", "kubernetes")
#: The modules run on the server's own host, or on the one that runs its container.
ON_HOST = ("host", "container")
#: The server's own Unix socket can be used.
WITH_SOCKET = ("host", "controller")
LOOPBACK = "127.0.0.1"


def way(via: str, *, host: str, become_user: str = "") -> dict[str, t.Any]:
    """Where the modules run, and as whom.

    Args:
        via: the way to the server.
        host: the managed host, by its inventory name.
        become_user: whom they become on that host; empty for nobody.
    """
    on_host = via in ON_HOST
    user = become_user if on_host else ""
    return {"at": host if on_host else "localhost", "become": bool(user), "become_user": user, "tunnelled": via in TUNNELS}


def tunnel_port(via: str, reached: t.Mapping[str, t.Any]) -> int:
    """The port of an open tunnel.

    Raises:
        BadInput: no tunnel is open. Any other port would be another server's.
    """
    if "port" not in reached:
        raise BadInput(f"via: {via} is not open.", hint="Run the entry point `open` of the role oncall.incident.reach first.")
    return int(reached["port"])
