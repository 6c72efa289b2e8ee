# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that open a way to a server, and what a container runtime says of a container's address.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import typing as t

from ..._core.hosts import read_host
from ..._core.ways import LOOPBACK
from ..._core.words import command_words

#: Only the networks are asked for: the container's environment, with its credentials, stays where it is.
NETWORKS_FORMAT = "{{json .NetworkSettings.Networks}}"
_SSH_OPTIONS = ("-N", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=15")
#: The module `tunnel` puts the port here.
_LOCAL_PORT = "{local_port}"


def ssh_tunnel_argv(
    command: t.Sequence[str], *, args: t.Sequence[str], destination: str, user: str, address: str, host: str, port: int,
) -> list[str]:
    """The command that forwards a port by SSH.

    Args:
        command: the SSH client.
        args: further arguments of it.
        destination: where the tunnel goes to; empty for the managed host.
        user: at the managed host; empty for what the client takes.
        address: of the managed host.
        host: the server as the far end knows it; empty for that end itself.
        port: of the server.

    Raises:
        BadInput: the host is not one, such as a URL.
    """
    own = f"{user}@{address}" if user else address
    server = read_host(host or "", name="login_host", several=True) or LOOPBACK
    forward = f"{LOOPBACK}:{_LOCAL_PORT}:{f'[{server}]' if ':' in server else server}:{port}"
    return [*command_words(command), *_SSH_OPTIONS, "-L", forward, *command_words(args), destination or own]


def kubectl_tunnel_argv(command: t.Sequence[str], *, context: str, namespace: str, target: str, port: int) -> list[str]:
    """The command that forwards a port by Kubernetes.

    Args:
        command: kubectl.
        context: of the kubeconfig; empty for the current one.
        namespace: empty for the current one.
        target: what the port is forwarded from.
        port: of the server.
    """
    where = [*(["--context", context] if context else []), *(["--namespace", namespace] if namespace else [])]
    return [*command_words(command), *where, "port-forward", "--address", LOOPBACK, target, f"{_LOCAL_PORT}:{port}"]


def container_networks_argv(command: t.Sequence[str], *, container: str) -> list[str]:
    """The command that asks a container runtime for the networks of a container."""
    return [*command_words(command), "inspect", "--type", "container", "--format", NETWORKS_FORMAT, container]


def container_address(said: str, *, network: str) -> str:
    """The address of a container; empty when it has none.

    Args:
        said: the networks by name, as JSON.
        network: whose address is wanted; empty for the first.
    """
    networks: dict[str, dict[str, t.Any]] = json.loads(said or "{}") or {}
    chosen = networks.get(network) if network else next(iter(networks.values()), None)
    return str((chosen or {}).get("IPAddress") or "")
