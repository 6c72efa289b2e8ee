# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From arguments to a socket: what is refused before anything is opened, and what must not be waited for."""

from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.deadline import Deadline
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, CannotReach
from ansible_collections.oncall.incident.plugins.module_utils._redis import gather
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import client_name, connection_spec, way_from
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.availability import (
    ALIVE_ALL_THE_SAME,
    ASKED_WRONGLY,
    OF_ANOTHER,
    SICK,
    availability_hint,
)
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.state import recovery_from_refusal
from ansible_collections.oncall.incident.plugins.module_utils._redis.dial import Login, dial
from ansible_collections.oncall.incident.plugins.module_utils._redis.gather import is_local, prefix_of

DEFAULTS = {name: spec.get("default") for name, spec in connection_spec().items()}


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """getaddrinfo knows no timeout."""
    over = threading.Event()

    def hang(*_args: Any, **_more: Any) -> list[Any]:
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    try:
        with pytest.raises(CannotReach) as caught:
            dial(Login(host="slow.example.org"), deadline=Deadline(0.3))
    finally:
        over.set()
    assert caught.value.facts["error"] == "timeout"
    assert time.monotonic() - began < 30


def test_every_kind_of_refusal_is_known_and_has_a_hint() -> None:
    source = Path(gather.__file__).parent
    text = "".join((source / f"{name}.py").read_text() for name in ("dial", "tls", "connection", "opening"))
    kinds = set(re.findall(r'cannot\("([a-z_]+)"', text)) | set(re.findall(r'return "([a-z_]+)"', text))
    known = {*SICK, *OF_ANOTHER, *ASKED_WRONGLY}
    assert len(kinds) > 10 and kinds <= known
    assert all(availability_hint(kind) for kind in known)
    assert len(known) == len(SICK) + len(OF_ANOTHER) + len(ASKED_WRONGLY) and known >= ALIVE_ALL_THE_SAME
    assert all(recovery_from_refusal(kind) for kind in SICK)


def test_a_deadline_bounds_its_parts() -> None:
    now = [0.0]
    wall = Deadline(10.0, clock=lambda: now[0])
    part = wall.part(60.0)
    now[0] = 4.0
    assert (part.remaining(), wall.within(1.0), wall.within(60.0), wall.passed()) == (6.0, 1.0, 6.0, False)
    now[0] = 11.0
    assert (part.remaining(), wall.passed()) == (0.0, True)


@pytest.mark.parametrize(
    ("args", "argument"),
    [({"socket_timeout": "0"}, "socket_timeout"), ({"login_port": 70000}, "login_port"), ({"client_key": "k"}, "client_cert"),
     ({"client_cert": "c"}, "tls")],
)
def test_what_is_not_usable_is_named(args: dict[str, Any], argument: str) -> None:
    with pytest.raises(BadInput) as caught:
        way_from({**DEFAULTS, **args})
    assert caught.value.facts["argument"] == argument


def test_a_missing_certificate_is_bad_input() -> None:
    way = way_from({**DEFAULTS, "tls": True, "ca_cert": "/no/such/file"})
    with pytest.raises(BadInput):
        dial(way.login, deadline=Deadline(1.0))


def test_no_password_is_shown() -> None:
    way = way_from({**DEFAULTS, "login_password": "canary", "login_user": "u", "node_login_password": "canary"})
    assert "canary" not in repr(way)
    assert way.login.describe() == "u@127.0.0.1:6379" and way.login.place == "127.0.0.1:6379"
    assert Login(host="::1").place == "[::1]:6379" and Login(unix_socket="/s").place == "/s"


def test_nodes_behind_a_sentinel_may_have_their_own_login() -> None:
    way = way_from({**DEFAULTS, "login_password": "a", "node_login_user": "n", "node_login_password": "b"})
    assert way.to_node("192.0.2.1", 1, behind_sentinel=True).password == "b"
    assert way.to_node("192.0.2.1", 1, behind_sentinel=False).password == "a"


def test_the_name_is_one_that_servers_take() -> None:
    assert client_name({"run_id": "a b\n√"}) == "oncall.incident/ab"
    assert client_name({}) == "oncall.incident"


def test_local_or_not() -> None:
    assert is_local("127.0.0.1", "") and is_local("::1", "") and is_local("x", "/s") and is_local("localhost", "")
    assert not is_local("192.0.2.1", "") and not is_local("cache.example.org", "")


@pytest.mark.parametrize(("key", "prefix"), [("user:1", "user:"), ("a/b", "a/"), ("someone@example.org", ""), ("9f8e7d:x", ""), ("", ""),
                                             ("plain", ""), ("\udcff:x", "")])
def test_only_plain_prefixes_are_told(key: str, prefix: str) -> None:
    assert prefix_of(key) == prefix
