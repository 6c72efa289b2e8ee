# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.daemon import (
    DEFAULT_SOCKET,
    config_refusals,
    places,
)


@pytest.mark.parametrize(("backend", "socket", "command", "more", "what", "targets"), [
    ("auto", "", [], {}, "fail2ban or CrowdSec and packet filter", [DEFAULT_SOCKET]),
    ("fail2ban", "/run/f.sock", "podman exec f c", {"ports": [22, 443]}, "fail2ban and packet filter",
     ["/run/f.sock", "podman exec f c", "tcp port 22, 443"]),
    ("crowdsec", "/run/f.sock", [], {"ports": "53", "protocol": "udp"}, "CrowdSec and packet filter", ["udp port 53"]),
    ("none", "", [], {"ports": []}, "packet filter", ["tcp port "]),
    ("crowdsec", "", [], {"logs": []}, "CrowdSec and packet filter", ["the usual authentication logs"]),
    ("crowdsec", "", [], {"logs": "/a, /b", "journal": True}, "CrowdSec and packet filter", ["/a", "/b", "the journal"]),
])
def test_where_it_looks(
    backend: str, socket: str, command: Any, more: dict[str, Any], what: str, targets: list[str],
) -> None:
    said = places(backend, subject="packet filter", socket=socket, client_command=command, **more)
    assert said == {"what": what, "targets": targets}


@pytest.mark.parametrize(("tested", "refusals"), [
    ({"rc": 0, "stderr": "a warning"}, []),
    ({"rc": 255, "stderr": " no such filter\n", "stdout": "x"}, ["its configuration does not validate: no such filter"]),
    ({"rc": 1, "stderr": "", "stdout": "OUT"}, ["its configuration does not validate: OUT"]),
    ({"msg": "No such file"}, ["its configuration does not validate: No such file"]),
    ({}, ["its configuration does not validate: "]),
])
def test_a_configuration_that_does_not_validate(tested: dict[str, Any], refusals: list[str]) -> None:
    assert config_refusals(tested) == refusals


def test_a_long_answer_is_cut_between_words() -> None:
    (said,) = config_refusals({"rc": 1, "stderr": "word " * 100})
    assert said.endswith("word word...") and len(said) < 340
    (said,) = config_refusals({"rc": 1, "stderr": "x" * 305})
    assert said.endswith("x" * 305)
