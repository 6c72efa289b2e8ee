# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restart of a systemd unit that dies a moment after its start.

There is no systemd in a test: `systemctl` is a stand-in that really starts a process.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.playbooks.conftest import QUICK
from tests.support.site import DOUBLES, Site


def test_a_unit_that_dies_after_its_start_is_not_restarted(tmp_path: Path) -> None:
    home = tmp_path / "unit"
    home.mkdir()
    (home / "command").write_text(json.dumps(["sleep", "6"]))
    site = Site(tmp_path, common=QUICK)
    site.group("app", app1={"service_name": "shop", "service_restart": "always", "service_hold": "30s", "service_timeout": "10s"})
    tasks = [
        {"name": f"Go through {door}", "ansible.builtin.import_role": {"name": f"oncall.incident.{role}", "tasks_from": door}}
        for role, door in (("service", "help"), ("incident", "conclude"))
    ]
    playbook = site.book(tasks, hosts="app", tags=["mitigate"])
    done = site.play(playbook=playbook, PATH=f"{DOUBLES}:{site.bin}:/usr/bin:/bin", SYSTEMCTL_DOUBLE=str(home))
    assert (done.status, done.outcomes()) == (2, ["failed"]), done.output
    assert (home / "invocation").exists(), "it was started"
