# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a phase looks and as whom, in one sentence without secrets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.connection import Login
from ansible_collections.oncall.incident.plugins.module_utils._redis import dial
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.place import MOST_TARGETS, Way, sentence

HERE = Way(host="db1")
MAIN = {"host": "db1.example.org", "port": "5432", "user": "oncall", "database": "postgres", "tls": False}


@pytest.mark.parametrize(("way", "said"), [
    (HERE, "from db1"),
    (Way(host="db1", user="postgres"), "from db1 as postgres"),
    (Way(host="db1", via="controller", user="postgres"), "from localhost"),
    (Way(host="db1", via="container", container="pg-1", user="root"), "from db1 as root, via container pg-1"),
    (Way(host="db1", via="ssh_tunnel", ssh="ops@bastion.example.org"), "from localhost, via ssh_tunnel ops@bastion.example.org"),
    (Way(host="db1", via="kubernetes", kubernetes="svc/pg"), "from localhost, via kubernetes svc/pg"),
    (Way(host="db1", via="kubernetes", kubernetes="svc/pg", namespace="shop", context="prod"),
     "from localhost, via kubernetes svc/pg in namespace shop of context prod"),
])
def test_the_way(way: Way, said: str) -> None:
    assert sentence("PostgreSQL", logins=[MAIN], way=way) == f"PostgreSQL at oncall@db1.example.org:5432/postgres ({said})"


@pytest.mark.parametrize(("logins", "said"), [
    ([{**MAIN, "host": ""}], "oncall@local socket:5432/postgres"),
    ([{**MAIN, "unix_socket": "/run/postgresql"}], "oncall@/run/postgresql:5432/postgres"),
    ([{**MAIN, "host": "2001:db8::1"}], "oncall@[2001:db8::1]:5432/postgres"),
    ([{"host": "192.0.2.7", "port": "6379", "user": "", "tls": True}], "192.0.2.7:6379 with TLS"),
    ([{"unix_socket": "/run/redis.sock", "port": ""}], "/run/redis.sock"),
    # A later login has of the first one what it does not state; a place of its own replaces the first one's.
    ([MAIN, {"user": "admin", "host": "", "port": None}],
     "oncall@db1.example.org:5432/postgres, else admin@db1.example.org:5432/postgres"),
    ([MAIN, {"unix_socket": "/run/postgresql", "user": "postgres"}],
     "oncall@db1.example.org:5432/postgres, else postgres@/run/postgresql:5432/postgres"),
    ([{**MAIN, "unix_socket": "/run/a"}, {"host": "192.0.2.7"}], "oncall@/run/a:5432/postgres, else oncall@192.0.2.7:5432/postgres"),
])
def test_logins(logins: list[dict[str, Any]], said: str) -> None:
    assert sentence("X", logins=logins, way=HERE) == f"X at {said} (from db1)"


def test_a_container_without_an_address_yet() -> None:
    way = Way(host="db1", via="container", container="pg-1")
    assert sentence("X", logins=[{**MAIN, "host": ""}], way=way) == "X at oncall@pg-1:5432/postgres (from db1, via container pg-1)"


@pytest.mark.parametrize(("targets", "said"), [
    ([], "X (from db1)"),
    (["/", "/var", "/"], "X at /, /var (from db1)"),
    ([{"host": "a.example.org", "port": 25}, {"host": "2001:db8::1", "port": 443}, {"path": "/etc/x.pem", "names": []}],
     "X at a.example.org:25, [2001:db8::1]:443, /etc/x.pem (from db1)"),
    (["https://user:hush@a.example.org/x"], "X at https://a.example.org/x (from db1)"),
    ([f"/{number}" for number in range(MOST_TARGETS + 2)], "X at /0, /1, /2, /3, /4, 2 more (from db1)"),
    ([{"port": 1}], "X at ?:1 (from db1)"),
])
def test_targets(targets: list[Any], said: str) -> None:
    assert sentence("X", targets=targets, way=HERE) == said


def test_a_finding_about_the_same_login_says_it_in_the_same_words() -> None:
    for host, socket in (("db1.example.org", ""), ("", "/run/postgresql"), ("", "")):
        login = Login(host=host, port=5433, user="oncall", database="shop", unix_socket=socket)
        told = {"host": host, "unix_socket": socket, "port": "5433", "user": "oncall", "database": "shop"}
        assert sentence("X", logins=[told], way=HERE) == f"X at {login.describe()} (from db1)"
    for host in ("192.0.2.7", "2001:db8::1"):
        assert sentence("X", logins=[{"host": host, "port": "6379", "user": "ada"}], way=HERE) == (
            f"X at {dial.Login(host=host, user='ada').describe()} (from db1)"
        )
