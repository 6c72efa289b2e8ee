# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hold that a run made is seen, taken back by `incident undo`, and gone, with a real fail2ban."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fail2ban import Fail2ban
from tests.support.holds import Systemd
from tests.support.site import SRC

from .playsite import PlaySite

pytestmark = pytest.mark.timeout(900)


def test_a_hold_is_taken_back_by_a_run(daemon: Fail2ban, tmp_path: Path) -> None:
    site = PlaySite(daemon, tmp_path, playbook="firewall-unblock")
    site.group("firewall", fw1={"fail2ban_hold": "15m", "fail2ban_addresses": ["192.0.2.61"], "fail2ban_ports": []})
    double = Systemd(tmp_path)
    environ = {"INCIDENT_HOME": str(tmp_path / "home"), "PYTHONPATH": SRC, "PATH": f"{double.environ['PATH']}:{site.bin}"}
    inventory = ["-i", str(site.inventory())]
    daemon.ban("sshd", "192.0.2.61")

    run = site.call([site.python, "-m", "oncall_incident", "run", "firewall-unblock", *inventory, "--yes", "--json"], **environ)
    assert run.status == 0, run.output
    assert "it ends after 15m by its timer" in run.said
    double.show()
    incident = [site.python, "-m", "oncall_incident"]
    (change,) = site.call([*incident, "status", str(run.data["incident"]), "--json"], **environ).data["changes"]
    assert (change["state"], change["host"]) == ("in_force", "fw1") and "by its timer" in change["said"]
    seen = site.call([*incident, "in-force", *inventory, "--json"], **environ)
    assert (seen.status, seen.data["changes"][0]["found"]) == (0, "in_force"), seen.output

    # The run has closed its own incident: the timer ends the hold.
    closed = site.call([*incident, "undo", str(run.data["incident"]), *inventory, "--yes", "--json"], **environ)
    assert closed.status == 2 and "incident reopen" in closed.output
    assert site.call([*incident, "reopen", str(run.data["incident"])], **environ).status == 0
    undone = site.call([*incident, "undo", str(run.data["incident"]), *inventory, "--yes", "--json"], **environ)
    assert (undone.status, [action["verb"] for action in undone.data["actions"]]) == (0, ["end_hold"]), undone.output
    assert "192.0.2.61" not in daemon.client("get", "sshd", "ignoreip")
    (change,) = site.call([*incident, "status", str(run.data["incident"]), "--json"], **environ).data["changes"]
    assert (change["state"], change["undone"]) == ("gone", True)
