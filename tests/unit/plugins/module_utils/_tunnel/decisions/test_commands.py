# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._tunnel.decisions import commands

SSH = ["ssh", "-N", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=15", "-L"]
KUBECTL = ["port-forward", "--address", "127.0.0.1", "service/db", "{local_port}:5432"]
NETWORKS = json.dumps({"shop": {"IPAddress": "172.18.0.2"}, "other": {"IPAddress": "172.19.0.2"}, "bare": {}})


@pytest.mark.parametrize(("given", "rest"), [
    ({}, ["127.0.0.1:{local_port}:127.0.0.1:5432", "192.0.2.10"]),
    ({"user": "ops"}, ["127.0.0.1:{local_port}:127.0.0.1:5432", "ops@192.0.2.10"]),
    ({"user": "ops", "destination": "me@bastion", "host": "db", "args": ["-p", "2222"]},
     ["127.0.0.1:{local_port}:db:5432", "-p", "2222", "me@bastion"]),
    ({"host": "2001:db8::7"}, ["127.0.0.1:{local_port}:[2001:db8::7]:5432", "192.0.2.10"]),
    ({"host": "[2001:db8::7]"}, ["127.0.0.1:{local_port}:[2001:db8::7]:5432", "192.0.2.10"]),
    ({"host": "\ufeffdb."}, ["127.0.0.1:{local_port}:db:5432", "192.0.2.10"]),
])
def test_ssh(given: dict[str, Any], rest: list[str]) -> None:
    options: dict[str, Any] = {"args": [], "destination": "", "user": "", "address": "192.0.2.10", "host": "", "port": 5432, **given}
    assert commands.ssh_tunnel_argv(["ssh"], **options) == [*SSH, *rest]


@pytest.mark.parametrize(("context", "namespace", "argv"), [
    ("", "", ["kubectl", *KUBECTL]), ("prod", "", ["kubectl", "--context", "prod", *KUBECTL]),
    ("prod", "shop", ["kubectl", "--context", "prod", "--namespace", "shop", *KUBECTL]),
])
def test_kubectl(context: str, namespace: str, argv: list[str]) -> None:
    found = commands.kubectl_tunnel_argv(["kubectl"], context=context, namespace=namespace, target="service/db", port=5432)
    assert found == argv


def test_only_the_networks_of_a_container_are_asked_for() -> None:
    assert commands.container_networks_argv(["podman"], container="db") == [
        "podman", "inspect", "--type", "container", "--format", "{{json .NetworkSettings.Networks}}", "db",
    ]


@pytest.mark.parametrize(("said", "network", "address"), [
    (NETWORKS, "", "172.18.0.2"), (NETWORKS, "other", "172.19.0.2"), (NETWORKS, "nowhere", ""), (NETWORKS, "bare", ""),
    ("{}", "", ""), ("", "", ""), ("null", "", ""), ('{"host": {"IPAddress": null}}', "", ""),
])
def test_the_address_of_a_container(said: str, network: str, address: str) -> None:
    assert commands.container_address(said, network=network) == address
