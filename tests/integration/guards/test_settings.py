# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's settings are read as Ansible itself reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from oncall_incident.running import ansible_cfg

_CFG = """[defaults]
callbacks_enabled = ansible.posix.timer, x.y.z ; both
callback_plugins = plugins/callback:~/more
collections_path = collections:/opt/collections
inventory = hosts.yml
host_key_checking = False
"""


def test_the_users_settings_are_read_as_ansible_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ansible.cfg").write_text(_CFG)
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": str(tmp_path), "PATH": str(Path(sys.executable).parent)}
    monkeypatch.setenv("HOME", str(tmp_path))
    ours = ansible_cfg.read(environ=environ, cwd=tmp_path)
    dumped = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-config"), "dump", "--only-changed", "--format", "json"], cwd=tmp_path, env=environ,
        capture_output=True, text=True, check=True, timeout=60,
    )
    theirs = {item["name"]: item["value"] for item in json.loads(dumped.stdout) if "name" in item}
    assert [name.strip() for name in ours["callbacks_enabled"].split(",")] == theirs["CALLBACKS_ENABLED"]
    assert ours["callback_plugins"].split(":") == theirs["DEFAULT_CALLBACK_PLUGIN_PATH"]
    assert ours["collections_path"].split(":") == theirs["COLLECTIONS_PATHS"]
