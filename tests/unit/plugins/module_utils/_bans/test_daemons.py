# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CrowdSec's answers, whose session is an operator's, and the lines of logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.daemons import CrowdSec, alone, decisions_of, go_seconds
from ansible_collections.oncall.incident.plugins.module_utils._bans.hold import lifting_command
from ansible_collections.oncall.incident.plugins.module_utils._bans.operators import only_knocks
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach, Locked

#: Shortened from what cscli 1.4.6 printed.
ALERT = {"id": 3, "decisions": [
    {"duration": "3h59m59.07580524s", "id": 3, "scenario": "manual", "scope": "Ip", "type": "ban", "value": "2001:db8::7"},
    {"duration": "1h0m0s", "id": 4, "scenario": "ssh-bf", "scope": "Range", "type": "ban", "value": "198.51.100.0/24"},
    {"duration": "1h0m0s", "id": 5, "scenario": "geo", "scope": "Country", "type": "ban", "value": "XX"},
    {"duration": "1h0m0s", "id": 6, "scenario": "x", "scope": "Ip", "type": "captcha", "value": "192.0.2.7"},
]}


def test_decisions() -> None:
    found = decisions_of(json.dumps([ALERT, None, {"decisions": None}]), now=1000.0)
    assert [(ban.jail, ban.entry, ban.id) for ban in found] == [("manual", "2001:db8::7", "3"), ("ssh-bf", "198.51.100.0/24", "4")]
    assert found[1].ends_at == 4600 and str(found[1].span) == "198.51.100.0/24"
    assert decisions_of("null", now=0) == [] == decisions_of("", now=0)
    with pytest.raises(CannotReach):
        decisions_of("level=fatal", now=0)


@pytest.mark.parametrize(("text", "seconds"), [
    ("3h59m59.5s", 14399.5), ("10m0s", 600.0), ("250ms", 0.25), ("-5m0s", -300.0), ("x", None), ("", None), ("5m x", None),
])
def test_durations_of_go(text: str, seconds: float | None) -> None:
    assert go_seconds(text) == seconds


@pytest.mark.parametrize(("titles", "knocks"), [
    (["sshd: root@pts/0"], False), (["sshd: jo [priv]", "sshd: jo@notty"], False), (["sshd: [accepted]"], True),
    (["sshd: root [priv]", "sshd: root [net]"], True), (["sshd-session: jo [priv]", "sshd-session: jo [preauth]"], True),
    (["sshd: jo [priv]"], False), (["sshd: a@pts/0 [net]"], True), (["/usr/sbin/dropbear"], False), ([""], False),
])
def test_a_connection_is_a_session_once_it_has_logged_in(titles: list[str], knocks: bool) -> None:
    assert only_knocks(titles) is knocks


def test_what_the_timer_of_a_hold_runs() -> None:
    argv = lifting_command([("sshd", "192.0.2.7"), ("a b", "2001:db8::7")], client_command=["fail2ban-client"], path="/run/s")
    assert argv[:2] == ["/bin/sh", "-c"]
    assert 'fail2ban-client -s /run/s set "$1" delignoreip "$2"' in argv[2]
    assert "lift sshd 192.0.2.7 || left=1\n" in argv[2] and "lift 'a b' 2001:db8::7 || left=1\n" in argv[2]


class Elsewhere(CrowdSec):
    """A daemon whose directory is the test's."""

    def __init__(self, shared: str, resource: str) -> None:
        self.shared, self.resource = shared, resource


def test_one_run_at_a_time_for_a_daemon_whatever_the_host_is_called(tmp_path: Path) -> None:
    here, there, other = (Elsewhere(str(tmp_path / place), f"crowdsec:{name}") for place, name in (("", "a"), ("", "b"), ("gone", "c")))
    with alone(here):
        for same in (here, there):
            with pytest.raises(Locked), alone(same):
                pass
        with alone(other), pytest.raises(Locked), alone(other):
            pass
    with alone(there):
        pass
    assert not list(tmp_path.iterdir())
