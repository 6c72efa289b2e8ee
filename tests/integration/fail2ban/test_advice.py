# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hints about bans tell people to run, on a real fail2ban. See tests/advice.yml; what writes rules again is in test_looking.py."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.fail2ban import Fail2ban
from tests.support.holds import Systemd


def test_an_entry_that_no_timer_takes_out_is_taken_out(daemon: Fail2ban, tmp_path: Path) -> None:
    address, systemd = "192.0.2.61", Systemd(tmp_path)
    daemon.ban("sshd", address)
    held = daemon.module("fail2ban_unban", addresses=[address], hold="15m", observe="0.3s", env=systemd.environ)
    (change,) = held["actions"]
    # The timer is gone, and systemd knows nothing of it: whose entry it is nobody can say.
    (tmp_path / "shown").write_text("")
    result = daemon.module("fail2ban_unban", change=change, observe="0.3s", env=systemd.environ)
    (action,) = result["actions"]
    command = re.search(r"fail2ban-client (set \S+ delignoreip \S+) takes it out", str(action["detail"]))
    assert action["outcome"] == "unknown" and command, action
    daemon.client(*command.group(1).split())
    assert address not in daemon.client("get", "sshd", "ignoreip")
    (again,) = daemon.module("fail2ban_unban", change=change, observe="0.3s", env=systemd.environ)["actions"]
    assert again["outcome"] == "not_needed", again
