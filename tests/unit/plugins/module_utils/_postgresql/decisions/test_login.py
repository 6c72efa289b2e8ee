# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.login import login, logins_told

GIVEN: dict[str, Any] = {
    "login_host": "", "login_port": 5432, "login_user": "oncall", "login_db": "shop", "login_unix_socket": "", "connect_params": {},
    "probe_login_host": "replica",
}


def made(via: str, reached: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    """What the way makes of a login, without what stays as it is given."""
    found = login({**GIVEN, **given}, via=via, own_address="192.0.2.10", reached=reached or {})
    usual = {"login_port": 5432, "login_unix_socket": "", "connect_params": {}, "probe_login_host": "replica"}
    return {name: value for name, value in found.items() if usual.get(name) != value}


@pytest.mark.parametrize(("via", "given", "reached", "found"), [
    ("host", {}, {}, {"login_host": ""}),
    ("host", {"login_host": "db", "login_unix_socket": "/run"}, {}, {"login_host": "db", "login_unix_socket": "/run"}),
    ("controller", {}, {}, {"login_host": "192.0.2.10"}),
    ("controller", {"login_host": "db"}, {}, {"login_host": "db"}),
    ("controller", {"login_unix_socket": "/run"}, {}, {"login_host": "", "login_unix_socket": "/run"}),
    ("container", {"login_host": "db", "login_unix_socket": "/run"}, {"host": "172.17.0.2", "port": 1}, {"login_host": "172.17.0.2"}),
    ("ssh_tunnel", {"login_unix_socket": "/run"}, {"port": 40123},
     {"login_host": "127.0.0.1", "login_port": 40123, "connect_params": {"hostaddr": "127.0.0.1"}, "probe_login_host": ""}),
    ("kubernetes", {"login_host": "db", "connect_params": {"sslsni": "0"}}, {"port": 40123},
     {"login_host": "db", "login_port": 40123, "connect_params": {"sslsni": "0", "hostaddr": "127.0.0.1"}, "probe_login_host": ""}),
])
def test_the_way_decides_the_address(via: str, given: dict[str, Any], reached: dict[str, Any], found: dict[str, Any]) -> None:
    assert made(via, reached, **given) == found


def test_a_closed_tunnel_leads_nowhere() -> None:
    with pytest.raises(BadInput):
        made("ssh_tunnel")


def told(via: str, **given: Any) -> dict[str, Any]:
    """The main login as it is told."""
    return logins_told({**GIVEN, **given}, via=via, own_address="192.0.2.10", reached={}, alternates=[])[0]


@pytest.mark.parametrize(("via", "given", "found"), [
    ("controller", {}, {"host": "192.0.2.10", "port": 5432, "unix_socket": "", "user": "oncall", "database": "shop"}),
    ("ssh_tunnel", {"login_unix_socket": "/run"},
     {"host": "127.0.0.1", "port": 5432, "unix_socket": "", "user": "oncall", "database": "shop"}),
    ("host", {"login_unix_socket": "/run"}, {"host": "", "port": 5432, "unix_socket": "/run", "user": "oncall", "database": "shop"}),
    ("host", {"login_unix_socket": "/run", "connect_params": {"host": "db", "port": 6432, "user": "u", "dbname": "d"}},
     {"host": "db", "port": 6432, "unix_socket": "", "user": "u", "database": "d"}),
    ("container", {}, {"host": "", "port": 5432, "unix_socket": "", "user": "oncall", "database": "shop"}),
])
def test_the_login_is_told_before_the_way_is_open(via: str, given: dict[str, Any], found: dict[str, Any]) -> None:
    assert told(via, **given) == found


def test_alternates_are_told_without_passwords() -> None:
    alternates = [{"login_user": "dba", "login_password": "canary", "login_port": None}]
    found = logins_told(GIVEN, via="host", own_address="192.0.2.10", reached={}, alternates=alternates)
    assert found[1:] == [{"host": "", "port": "", "unix_socket": "", "user": "dba", "database": ""}]
