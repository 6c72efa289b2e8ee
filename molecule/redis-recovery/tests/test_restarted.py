# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the server was started anew by the recovery of the frozen one, and by nobody else."""

from __future__ import annotations

from tests.support.drilled import Lab

LAB = Lab(__file__)


def test_the_server_never_ended_by_itself() -> None:
    """A restart by the recovery is none that systemd schedules; NRestarts would forget the others with it."""
    assert LAB.host("redis1").run("systemctl is-active redis-server").stdout.strip() == "active"
    said = LAB.host("redis1").run("journalctl --no-pager --output=cat --unit=redis-server --since=$(cat /root/drill.began)").stdout
    assert "Started redis-server.service" in said, "the frozen server was started anew, so a journal without that tells nothing"
    assert "Scheduled restart job" not in said
