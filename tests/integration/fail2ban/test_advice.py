# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hints about bans tell people to run, on a real fail2ban. See tests/advice.yml; what writes rules again is in test_looking.py."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.support.advice import advised
from tests.support.fail2ban import Fail2ban
from tests.support.holds import Systemd


def test_an_entry_that_no_timer_takes_out_is_taken_out(daemon: Fail2ban, tmp_path: Path) -> None:
    address, systemd = "192.0.2.61", Systemd(tmp_path)
    daemon.ban("sshd", address)
    held = daemon.module("fail2ban_unban", addresses=[address], hold="15m", observe="0.3s", env=systemd.environ)
    (change,) = held["actions"]
    # The timer is gone, and systemd knows nothing of it: whose entry it is nobody can say.
    result = daemon.module("fail2ban_unban", change=change, observe="0.3s", env=systemd.environ)
    (action,) = result["actions"]
    [command] = [one for one in advised(str(action["detail"])) if "delignoreip" in one]
    assert action["outcome"] != "done" and command == f"fail2ban-client set sshd delignoreip {address}"
    daemon.client(*shlex.split(command)[1:])
    assert address not in daemon.client("get", "sshd", "ignoreip")
    (again,) = daemon.module("fail2ban_unban", change=change, observe="0.3s", env=systemd.environ)["actions"]
    assert again["outcome"] == "not_needed", again
