# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a drill, looked at from outside with testinfra."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import testinfra
import yaml

#: Where prepare.yml has noted the starts of services that must not start again.
UNITS = "/root/drill.units"
_OPTIONS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=10"


class Lab:
    """The lab of one scenario.

    Attributes:
        hosts: the drillable hosts' variables, by name.
    """

    def __init__(self, test_file: str) -> None:
        """With the file of the tests, which is in the scenario's directory `tests`."""
        self._scenario = scenario = Path(test_file).resolve().parents[1]
        self._root = scenario.parents[1]
        self.hosts: dict[str, dict[str, Any]] = yaml.safe_load(
            (scenario / "inventory" / "hosts.yml").read_text(),
        )["all"]["children"]["drillable"]["hosts"]
        self._key = self._root / ".cache" / "drill" / "id_ed25519"

    def host(self, name: str) -> testinfra.host.Host:
        """A host, by SSH alone: Ansible takes seconds for each command."""
        return testinfra.get_host(
            f"ssh://root@{self.hosts[name]['ansible_host']}", ssh_identity_file=str(self._key), ssh_extra_args=_OPTIONS,
        )

    def said(self, name: str, command: str) -> str:
        """What a command prints on a host; one that fails fails the test."""
        done = self.host(name).run(command)
        assert done.rc == 0, f"{name}: {command}: {done.rc}: {done.stdout}{done.stderr}"
        return str(done.stdout)

    def play(self, entry_point: str, variables: dict[str, Any]) -> None:
        """One entry point of role drill, as `incident drill` calls it; one that fails fails the test."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self._scenario / "inventory"), "--tags", entry_point,
             "-e", json.dumps(variables), str(self._root / "playbooks" / "_drill.yml")],
            cwd=self._root, env={**os.environ, "ANSIBLE_CONFIG": str(self._root / "ansible.cfg")}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def check_nothing_left(self) -> None:
        """No host has anything of a fault."""
        for name in self.hosts:
            self.said(name, "test -d /run/systemd/system")
            assert self.said(name, "if [ -d /var/lib/oncall-drill ]; then find /var/lib/oncall-drill -mindepth 1; fi") == "", name
            assert self.said(name, "systemctl list-units --all --no-legend 'oncall-drill-*'") == "", name

    def check_never_restarted(self, name: str, *units: str) -> None:
        """The units run, and have not been started since prepare.yml noted their starts, by whomever: NRestarts counts systemd's alone."""
        noted = self.said(name, f"cat {UNITS}")
        now = self.said(name, f"systemctl show --property=Id,MainPID,InvocationID {' '.join(units)}")
        assert sorted(noted.split()) == sorted(now.split())
        assert noted.count("InvocationID=") == len(units) and "MainPID=0" not in noted
        assert set(self.said(name, f"systemctl is-active {' '.join(units)}").split()) == {"active"}
