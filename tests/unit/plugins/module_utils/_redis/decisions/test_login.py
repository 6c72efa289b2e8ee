# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.login import cli_servers, login, logins_told

GIVEN: dict[str, Any] = {"login_host": "", "login_port": 6379, "login_user": "oncall", "login_unix_socket": "", "tls": True}
NAMED = {"login_host": "cache", "login_unix_socket": "/run/redis.sock"}


@pytest.mark.parametrize(("via", "given", "reached", "found"), [
    ("host", {}, {}, ("127.0.0.1", 6379, "")), ("host", NAMED, {}, ("cache", 6379, "/run/redis.sock")),
    ("controller", {}, {}, ("192.0.2.10", 6379, "")), ("controller", NAMED, {}, ("cache", 6379, "/run/redis.sock")),
    ("container", NAMED, {"host": "172.17.0.2", "port": 1}, ("172.17.0.2", 6379, "")),
    ("ssh_tunnel", NAMED, {"host": "127.0.0.1", "port": 40123}, ("127.0.0.1", 40123, "")),
    ("kubernetes", {}, {"port": 40123}, ("127.0.0.1", 40123, "")),
])
def test_the_way_decides_the_address(via: str, given: dict[str, Any], reached: dict[str, Any], found: tuple[str, int, str]) -> None:
    made = login({**GIVEN, **given}, via=via, own_address="192.0.2.10", reached=reached)
    assert tuple(made[name] for name in ("login_host", "login_port", "login_unix_socket")) == found


def test_a_closed_tunnel_leads_nowhere() -> None:
    with pytest.raises(BadInput):
        login(GIVEN, via="kubernetes", own_address="192.0.2.10", reached={})


@pytest.mark.parametrize(("via", "given", "found"), [
    ("host", {}, ("127.0.0.1", 6379, "")), ("host", NAMED, ("cache", "", "/run/redis.sock")),
    ("controller", {}, ("192.0.2.10", 6379, "")), ("container", NAMED, ("", 6379, "")), ("ssh_tunnel", NAMED, ("127.0.0.1", 6379, "")),
])
def test_the_login_is_told_before_the_way_is_open(via: str, given: dict[str, Any], found: tuple[str, Any, str]) -> None:
    host, port, socket = found
    assert logins_told({**GIVEN, **given, "login_password": "canary"}, via=via, own_address="192.0.2.10", reached={}) == [
        {"host": host, "port": port, "unix_socket": socket, "user": "oncall", "tls": True},
    ]


@pytest.mark.parametrize(("given", "found"), [
    ({}, [("127.0.0.1", 6379)]), ({"redis_login_host": "192.0.2.7", "redis_login_port": "6380"}, [("192.0.2.7", "6380")]),
    ({"redis_login_host": None}, [("127.0.0.1", 6379)]), ({"tls": False}, [("127.0.0.1", 6379)]),
    ({"redis_via": "ssh_tunnel"}, []), ({"tls": True}, []), ({"tls": True, "redis_login_host": "192.0.2.7"}, []),
    ({"redis_login_unix_socket": "/run/redis.sock"}, []),
    ({"tls": True, "evidence_redis": [{"host": "192.0.2.9", "port": 1}]}, [("192.0.2.9", 1)]), ({"evidence_redis": []}, []),
])
def test_redis_cli_asks_what_it_can_reach_from_the_host(given: dict[str, Any], found: list[tuple[str, Any]]) -> None:
    assert [(one["host"], one["port"]) for one in cli_servers(given, tls=given.get("tls", False))] == found
